"""The priors under the name that users import: ``isthmus.priors.Uniform``."""

from isthmus.variational.priors import Mixture as Mixture
from isthmus.variational.priors import Prior as Prior
from isthmus.variational.priors import StandardNormal as StandardNormal
from isthmus.variational.priors import Uniform as Uniform
