"""isthmus: a few coordinates of high-dimensional data, and the function that gives them.

Explicit, differentiable, invertible: ``Autoencoder().fit(X)`` is a scikit-learn transformer whose map
applies to new rows, decodes back to data, and has a Jacobian. Names load when they are used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from isthmus import comparison as comparison
    from isthmus import experiments as experiments
    from isthmus import likelihoods as likelihoods
    from isthmus import noise as noise
    from isthmus import priors as priors
    from isthmus.applying import reconstruction_error as reconstruction_error
    from isthmus.comparison.comparing import compare as compare
    from isthmus.comparison.report import ComparisonReport as ComparisonReport
    from isthmus.diagnostics.curves import geodesic as geodesic
    from isthmus.diagnostics.dimension import intrinsic_dimension as intrinsic_dimension
    from isthmus.diagnostics.dimension_choice import choose_dimension as choose_dimension
    from isthmus.diagnostics.geometry import decoder_jacobian as decoder_jacobian
    from isthmus.diagnostics.geometry import distortion as distortion
    from isthmus.diagnostics.geometry import jacobian as jacobian
    from isthmus.diagnostics.geometry import loadings as loadings
    from isthmus.diagnostics.geometry import metric as metric
    from isthmus.diagnostics.quality import Quality as Quality
    from isthmus.diagnostics.quality import quality as quality
    from isthmus.diagnostics.reliability import reliability as reliability
    from isthmus.estimators.autoencoder import Autoencoder as Autoencoder
    from isthmus.estimators.denoising import DenoisingAutoencoder as DenoisingAutoencoder
    from isthmus.estimators.denoising import denoise as denoise
    from isthmus.estimators.denoising import score_function as score_function
    from isthmus.estimators.ensemble import Ensemble as Ensemble
    from isthmus.estimators.ensemble import coordinate_spread as coordinate_spread
    from isthmus.estimators.feedforward import FeedForwardClassifier as FeedForwardClassifier
    from isthmus.estimators.feedforward import FeedForwardRegressor as FeedForwardRegressor
    from isthmus.estimators.linear import LinearAutoencoder as LinearAutoencoder
    from isthmus.estimators.trained import NoImprovementWarning as NoImprovementWarning
    from isthmus.estimators.variational import CollapseWarning as CollapseWarning
    from isthmus.estimators.variational import VariationalAutoencoder as VariationalAutoencoder
    from isthmus.experiments.compression import prune as prune
    from isthmus.experiments.compression_teaching import distill as distill
    from isthmus.inference import impute as impute
    from isthmus.inference import log_likelihood as log_likelihood
    from isthmus.inference import posterior as posterior
    from isthmus.inference import sample as sample
    from isthmus.inference import sample_posterior as sample_posterior
    from isthmus.inference import sample_prior as sample_prior
    from isthmus.losses import Absolute as Absolute
    from isthmus.losses import CrossEntropy as CrossEntropy
    from isthmus.losses import Huber as Huber
    from isthmus.losses import Squared as Squared
    from isthmus.persistence import ModelFileError as ModelFileError
    from isthmus.persistence import load as load
    from isthmus.persistence import save as save
    from isthmus.training import DivergenceError as DivergenceError

_ROOMS = {
    "applying": ("reconstruction_error",),
    "comparison.comparing": ("compare",),
    "comparison.report": ("ComparisonReport",),
    "diagnostics.curves": ("geodesic",),
    "diagnostics.dimension": ("intrinsic_dimension",),
    "diagnostics.dimension_choice": ("choose_dimension",),
    "diagnostics.geometry": ("decoder_jacobian", "distortion", "jacobian", "loadings", "metric"),
    "diagnostics.quality": ("Quality", "quality"),
    "diagnostics.reliability": ("reliability",),
    "estimators.autoencoder": ("Autoencoder",),
    "estimators.denoising": ("DenoisingAutoencoder", "denoise", "score_function"),
    "estimators.ensemble": ("Ensemble", "coordinate_spread"),
    "estimators.feedforward": ("FeedForwardClassifier", "FeedForwardRegressor"),
    "estimators.linear": ("LinearAutoencoder",),
    "estimators.trained": ("NoImprovementWarning",),
    "estimators.variational": ("CollapseWarning", "VariationalAutoencoder"),
    "experiments.compression": ("prune",),
    "experiments.compression_teaching": ("distill",),
    "inference": (
        *("impute", "log_likelihood", "posterior"),
        *("sample", "sample_posterior", "sample_prior"),
    ),
    "losses": ("Absolute", "CrossEntropy", "Huber", "Squared"),
    "persistence": ("ModelFileError", "load", "save"),
    "training": ("DivergenceError",),
}
_OPEN_ROOMS = ("comparison", "experiments", "likelihoods", "noise", "priors")
"""Rooms that users enter: ``isthmus.noise.Gaussian`` and ``isthmus.likelihoods.Gaussian`` differ."""

_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = [
    "Absolute",
    "Autoencoder",
    "CollapseWarning",
    "ComparisonReport",
    "CrossEntropy",
    "DenoisingAutoencoder",
    "DivergenceError",
    "Ensemble",
    "FeedForwardClassifier",
    "FeedForwardRegressor",
    "Huber",
    "LinearAutoencoder",
    "ModelFileError",
    "NoImprovementWarning",
    "Quality",
    "Squared",
    "VariationalAutoencoder",
    "choose_dimension",
    "compare",
    "coordinate_spread",
    "decoder_jacobian",
    "denoise",
    "distill",
    "distortion",
    "geodesic",
    "impute",
    "intrinsic_dimension",
    "jacobian",
    "load",
    "loadings",
    "log_likelihood",
    "metric",
    "posterior",
    "prune",
    "quality",
    "reconstruction_error",
    "reliability",
    "sample",
    "sample_posterior",
    "sample_prior",
    "save",
    "score_function",
]


def __getattr__(name: str) -> Any:
    if name in _OPEN_ROOMS:
        return import_module(f"{__name__}.{name}")
    if name not in _ROOM_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_ROOM_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, *_OPEN_ROOMS, "__version__"]
