"""The noises under the name that users import: ``isthmus.noise.Gaussian``."""

from isthmus.objectives.noise import *
