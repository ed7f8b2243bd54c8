"""The likelihoods under the name that users import: ``isthmus.likelihoods.Gaussian``."""

from isthmus.variational.likelihoods import Bernoulli as Bernoulli
from isthmus.variational.likelihoods import Distribution as Distribution
from isthmus.variational.likelihoods import Gaussian as Gaussian
from isthmus.variational.likelihoods import Known as Known
from isthmus.variational.likelihoods import Likelihood as Likelihood
from isthmus.variational.likelihoods import NegativeBinomial as NegativeBinomial
from isthmus.variational.likelihoods import Poisson as Poisson
