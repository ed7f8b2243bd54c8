"""The noises under the name that users import: ``isthmus.noise.Gaussian``."""

from isthmus.objectives.composition import *
from isthmus.objectives.image_jitter import *
from isthmus.objectives.noise import *
