"""The likelihoods under the name that users import: ``isthmus.likelihoods.Gaussian``."""

from isthmus.variational.likelihoods import *
