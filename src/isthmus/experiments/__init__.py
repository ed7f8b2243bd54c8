"""Laboratories: what theory says of networks, measured on data. They return records, never figures."""

from isthmus.experiments.animals import ANIMALS as ANIMALS
from isthmus.experiments.animals import Species as Species
from isthmus.experiments.animals import animals as animals
from isthmus.experiments.averaging import averaging as averaging
from isthmus.experiments.capacity import capacity as capacity
from isthmus.experiments.coding import BitPlanes as BitPlanes
from isthmus.experiments.coding import Columns as Columns
from isthmus.experiments.coding import Hilbert as Hilbert
from isthmus.experiments.coding import ImageCoder as ImageCoder
from isthmus.experiments.coding import Morton as Morton
from isthmus.experiments.coding import RandomBits as RandomBits
from isthmus.experiments.coding import RandomPixels as RandomPixels
from isthmus.experiments.coding import Raster as Raster
from isthmus.experiments.coding import Scrambled as Scrambled
from isthmus.experiments.double_descent import double_descent as double_descent
from isthmus.experiments.double_descent import sizes_around as sizes_around
from isthmus.experiments.features import LinearFeatures as LinearFeatures
from isthmus.experiments.features import PrincipalComponents as PrincipalComponents
from isthmus.experiments.features import RandomFeatures as RandomFeatures
from isthmus.experiments.one_number import one_number as one_number
from isthmus.experiments.risk import exact_risk as exact_risk
from isthmus.experiments.trained import TrainedNetworks as TrainedNetworks
