"""The noises under the name that users import: ``isthmus.noise.Gaussian``."""

from isthmus.objectives.noise import Compose as Compose
from isthmus.objectives.noise import Corruption as Corruption
from isthmus.objectives.noise import Gaussian as Gaussian
from isthmus.objectives.noise import ImageJitter as ImageJitter
from isthmus.objectives.noise import Masking as Masking
from isthmus.objectives.noise import Neighbours as Neighbours
from isthmus.objectives.noise import Noise as Noise
from isthmus.objectives.noise import SaltAndPepper as SaltAndPepper
