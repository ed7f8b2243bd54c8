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
    from isthmus import plots as plots
    from isthmus import priors as priors
    from isthmus import registry as registry
    from isthmus import report as report
    from isthmus import serving as serving
    from isthmus.anndata import embed as embed
    from isthmus.comparison.comparing import compare as compare
    from isthmus.comparison.report import ComparisonReport as ComparisonReport
    from isthmus.compression.distill import distill as distill
    from isthmus.compression.prune import prune as prune
    from isthmus.data.stored.rows import StoredRows as StoredRows
    from isthmus.data.stored.scanning import scan as scan
    from isthmus.data.stored.store import StoreError as StoreError
    from isthmus.data.units import UnequalScalesWarning as UnequalScalesWarning
    from isthmus.diagnostics.dimension.choice import choose_dimension as choose_dimension
    from isthmus.diagnostics.dimension.intrinsic import intrinsic_dimension as intrinsic_dimension
    from isthmus.diagnostics.geodesics import geodesic as geodesic
    from isthmus.diagnostics.geometry import decoder_jacobian as decoder_jacobian
    from isthmus.diagnostics.geometry import distortion as distortion
    from isthmus.diagnostics.geometry import jacobian as jacobian
    from isthmus.diagnostics.geometry import metric as metric
    from isthmus.diagnostics.hidden import Hidden as Hidden
    from isthmus.diagnostics.hidden import hidden as hidden
    from isthmus.diagnostics.intervals import decoded_interval as decoded_interval
    from isthmus.diagnostics.loadings import loadings as loadings
    from isthmus.diagnostics.quality.measures import quality as quality
    from isthmus.diagnostics.quality.result import Quality as Quality
    from isthmus.diagnostics.reliability import reliability as reliability
    from isthmus.estimators.autoencoder import Autoencoder as Autoencoder
    from isthmus.estimators.base import reconstruction_error as reconstruction_error
    from isthmus.estimators.denoising import DenoisingAutoencoder as DenoisingAutoencoder
    from isthmus.estimators.denoising import denoise as denoise
    from isthmus.estimators.denoising import score_function as score_function
    from isthmus.estimators.ensemble import Ensemble as Ensemble
    from isthmus.estimators.feedforward_classifier import FeedForwardClassifier as FeedForwardClassifier
    from isthmus.estimators.feedforward_regressor import FeedForwardRegressor as FeedForwardRegressor
    from isthmus.estimators.linear import LinearAutoencoder as LinearAutoencoder
    from isthmus.estimators.neighbour import NeighbourAutoencoder as NeighbourAutoencoder
    from isthmus.estimators.neighbour import SampleWarning as SampleWarning
    from isthmus.estimators.spread import coordinate_spread as coordinate_spread
    from isthmus.estimators.task import NoImprovementWarning as NoImprovementWarning
    from isthmus.explorer.exploring import Explorer as Explorer
    from isthmus.explorer.exploring import explore as explore
    from isthmus.files.coordinates import TransformedFiles as TransformedFiles
    from isthmus.files.coordinates import transform_files as transform_files
    from isthmus.files.export.exporting import ExportError as ExportError
    from isthmus.files.export.exporting import export as export
    from isthmus.files.models import ModelFileError as ModelFileError
    from isthmus.files.models import load as load
    from isthmus.files.models import save as save
    from isthmus.objectives.losses import Absolute as Absolute
    from isthmus.objectives.losses import CrossEntropy as CrossEntropy
    from isthmus.objectives.losses import Huber as Huber
    from isthmus.objectives.losses import Squared as Squared
    from isthmus.plots import plot as plot
    from isthmus.training.checkpoints import Checkpoint as Checkpoint
    from isthmus.training.problem import DivergenceError as DivergenceError
    from isthmus.variational.collapse import CollapseWarning as CollapseWarning
    from isthmus.variational.estimator import VariationalAutoencoder as VariationalAutoencoder
    from isthmus.variational.imputation import impute as impute
    from isthmus.variational.inference import log_likelihood as log_likelihood
    from isthmus.variational.inference import posterior as posterior
    from isthmus.variational.inference import sample as sample
    from isthmus.variational.inference import sample_posterior as sample_posterior
    from isthmus.variational.inference import sample_prior as sample_prior

_NAMES = {
    "estimators.base": ("reconstruction_error",),
    "anndata": ("embed",),
    "comparison.comparing": ("compare",),
    "comparison.report": ("ComparisonReport",),
    "data.stored.rows": ("StoredRows",),
    "data.stored.store": ("StoreError",),
    "data.stored.scanning": ("scan",),
    "data.units": ("UnequalScalesWarning",),
    "diagnostics.geodesics": ("geodesic",),
    "diagnostics.dimension.intrinsic": ("intrinsic_dimension",),
    "diagnostics.dimension.choice": ("choose_dimension",),
    "diagnostics.hidden": ("Hidden", "hidden"),
    "diagnostics.intervals": ("decoded_interval",),
    "diagnostics.geometry": ("decoder_jacobian", "distortion", "jacobian", "metric"),
    "diagnostics.loadings": ("loadings",),
    "diagnostics.quality.measures": ("quality",),
    "diagnostics.quality.result": ("Quality",),
    "diagnostics.reliability": ("reliability",),
    "estimators.autoencoder": ("Autoencoder",),
    "estimators.denoising": ("DenoisingAutoencoder", "denoise", "score_function"),
    "estimators.ensemble": ("Ensemble",),
    "estimators.spread": ("coordinate_spread",),
    "estimators.feedforward_classifier": ("FeedForwardClassifier",),
    "estimators.feedforward_regressor": ("FeedForwardRegressor",),
    "estimators.linear": ("LinearAutoencoder",),
    "estimators.neighbour": ("NeighbourAutoencoder", "SampleWarning"),
    "estimators.task": ("NoImprovementWarning",),
    "variational.collapse": ("CollapseWarning",),
    "variational.estimator": ("VariationalAutoencoder",),
    "compression.prune": ("prune",),
    "compression.distill": ("distill",),
    "variational.imputation": ("impute",),
    "variational.inference": (
        *("log_likelihood", "posterior"),
        *("sample", "sample_posterior", "sample_prior"),
    ),
    "objectives.losses": ("Absolute", "CrossEntropy", "Huber", "Squared"),
    "plots": ("plot",),
    "explorer.exploring": ("Explorer", "explore"),
    "files.coordinates": ("TransformedFiles", "transform_files"),
    "files.export.exporting": ("ExportError", "export"),
    "files.models": ("ModelFileError", "load", "save"),
    "training.checkpoints": ("Checkpoint",),
    "training.problem": ("DivergenceError",),
}
_PUBLIC_MODULES = (
    "comparison",
    "experiments",
    "likelihoods",
    "noise",
    "plots",
    "priors",
    "registry",
    "report",
    "serving",
)
"""Modules that users name: ``isthmus.noise.Gaussian`` and ``isthmus.likelihoods.Gaussian`` differ."""

_MODULE_OF = {name: module for module, names in _NAMES.items() for name in names}

__all__ = [
    "Absolute",
    "Autoencoder",
    "Checkpoint",
    "CollapseWarning",
    "ComparisonReport",
    "CrossEntropy",
    "DenoisingAutoencoder",
    "DivergenceError",
    "Ensemble",
    "Explorer",
    "ExportError",
    "FeedForwardClassifier",
    "FeedForwardRegressor",
    "Hidden",
    "Huber",
    "LinearAutoencoder",
    "ModelFileError",
    "NeighbourAutoencoder",
    "NoImprovementWarning",
    "Quality",
    "SampleWarning",
    "Squared",
    "StoreError",
    "StoredRows",
    "TransformedFiles",
    "UnequalScalesWarning",
    "VariationalAutoencoder",
    "choose_dimension",
    "compare",
    "coordinate_spread",
    "decoded_interval",
    "decoder_jacobian",
    "denoise",
    "distill",
    "distortion",
    "embed",
    "explore",
    "export",
    "geodesic",
    "hidden",
    "impute",
    "intrinsic_dimension",
    "jacobian",
    "load",
    "loadings",
    "log_likelihood",
    "metric",
    "plot",
    "posterior",
    "prune",
    "quality",
    "reconstruction_error",
    "reliability",
    "sample",
    "sample_posterior",
    "sample_prior",
    "save",
    "scan",
    "score_function",
    "transform_files",
]


def __getattr__(name: str) -> Any:  # of any type
    if name in _PUBLIC_MODULES:
        return import_module(f"{__name__}.{name}")
    if name not in _MODULE_OF:
        registry = import_module(f"{__name__}.registry")
        # A loss or an estimator that no other file names than its own.
        found = name[:1].isupper() and (registry.losses.find(name) or registry.estimators.find(name))
        if found and found.__name__ == name and registry.is_own(found):
            return found
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, *_PUBLIC_MODULES, "__version__"]
