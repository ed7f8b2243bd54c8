"""The priors under the name that users import: ``isthmus.priors.Uniform``."""

from isthmus.variational.divergence import *
from isthmus.variational.priors import *
