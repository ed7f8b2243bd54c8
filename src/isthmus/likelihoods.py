"""The likelihoods under the name that users import: ``isthmus.likelihoods.Gaussian``."""

from isthmus.variational.count_likelihoods import *
from isthmus.variational.distributions import *
from isthmus.variational.likelihoods import *
