"""Experiments that compare theory of networks with measurements. They return records, not figures."""

from isthmus.laboratories.averaging.run import averaging as averaging
from isthmus.laboratories.capacity.run import capacity as capacity
from isthmus.laboratories.double_descent.features import LinearFeatures as LinearFeatures
from isthmus.laboratories.double_descent.features import PrincipalComponents as PrincipalComponents
from isthmus.laboratories.double_descent.features import RandomFeatures as RandomFeatures
from isthmus.laboratories.double_descent.networks import TrainedNetworks as TrainedNetworks
from isthmus.laboratories.double_descent.risk import exact_risk as exact_risk
from isthmus.laboratories.double_descent.run import double_descent as double_descent
from isthmus.laboratories.double_descent.run import sizes_around as sizes_around
from isthmus.laboratories.one_number.animals import ANIMALS as ANIMALS
from isthmus.laboratories.one_number.animals import Species as Species
from isthmus.laboratories.one_number.animals import animals as animals
from isthmus.laboratories.one_number.coding import ImageCoder as ImageCoder
from isthmus.laboratories.one_number.coding import Scrambled as Scrambled
from isthmus.laboratories.one_number.orders import BitPlanes as BitPlanes
from isthmus.laboratories.one_number.orders import Columns as Columns
from isthmus.laboratories.one_number.orders import Hilbert as Hilbert
from isthmus.laboratories.one_number.orders import Morton as Morton
from isthmus.laboratories.one_number.orders import RandomBits as RandomBits
from isthmus.laboratories.one_number.orders import RandomPixels as RandomPixels
from isthmus.laboratories.one_number.orders import Raster as Raster
from isthmus.laboratories.one_number.run import one_number as one_number
