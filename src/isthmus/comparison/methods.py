"""The methods that are compared: each has a name, and a function that makes an unfitted model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sklearn.decomposition import PCA

from isthmus import registry
from isthmus.comparison._peers import (
    GaussianKernelPCA,
    MetricMDS,
    NeighbourhoodIsomap,
    PictureTSNE,
    umap,
)
from isthmus.estimators.autoencoder import Autoencoder
from isthmus.estimators.denoising import DenoisingAutoencoder
from isthmus.estimators.linear import LinearAutoencoder
from isthmus.estimators.neighbour import NeighbourAutoencoder
from isthmus.variational.estimator import VariationalAutoencoder

NO_FUNCTION = "no function"
"""Entry of the tables for a function that a method lacks."""


@dataclass(frozen=True)
class Method:
    """A method to compare: its name, and ``make(n_components, seed)``, which gives an unfitted one.

    The model needs ``fit_transform(X)``, (n, D) → (n, d). If it has ``transform`` it is also evaluated
    on new rows, and if it has ``inverse_transform`` too, on their reconstruction. Every transformer of
    scikit-learn is suitable.

    Parameters
    ----------
    name : str
        Its name in tables.
    make : callable
        Called with the number of coordinates d and a seed, both int, once for each seed.
    pairwise : bool, default False
        Whether its cost grows with the pairs of rows; it is then fitted on at most ``max_rows`` rows.
    explicit, invertible, differentiable : str or None, default None
        Whether it has a function for new rows, an inverse, and a Jacobian, in words. None finds out:
        "yes" where the fitted model has ``transform``, ``inverse_transform`` and, as the
        maps of isthmus have, ``encode``, which JAX differentiates; else "no function".

    Raises
    ------
    TypeError
        If ``name`` is no text or ``make`` cannot be called.

    Examples
    --------
    >>> from isthmus.comparison import Method
    >>> from sklearn.decomposition import FastICA
    >>> Method("ICA", lambda d, seed: FastICA(d, random_state=seed), differentiable="yes").name
    'ICA'
    """

    name: str
    make: Callable[[int, int], Any]  # gives a method of any library
    pairwise: bool = False
    explicit: str | None = None
    invertible: str | None = None
    differentiable: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            raise TypeError(f"name={self.name!r}: expected a text to call the method by")
        if not callable(self.make):
            raise TypeError(
                f"make={self.make!r}: expected a function of n_components and seed that gives an "
                "unfitted method, such as lambda d, seed: PCA(d, random_state=seed)"
            )

    def functions(self, model: Any) -> tuple[str, str, str]:  # of any library
        """Whether it is explicit, invertible and differentiable, in words.

        Parameters
        ----------
        model : object
            Of the method, fitted or not: what it has tells, where the method itself does not say.

        Returns
        -------
        (str, str, str)

        Examples
        --------
        >>> from isthmus.comparison import METHODS
        >>> pca = METHODS[0]
        >>> pca.functions(pca.make(2, 0))
        ('yes', 'yes', 'yes')
        """
        found = zip(
            (self.explicit, self.invertible, self.differentiable),
            ("transform", "inverse_transform", "encode"),
            strict=True,
        )
        explicit, invertible, differentiable = (
            words or ("yes" if hasattr(model, function) else NO_FUNCTION) for words, function in found
        )
        return explicit, invertible, differentiable


METHODS: tuple[Method, ...] = (
    Method("PCA", lambda d, seed: PCA(d, random_state=seed), differentiable="yes"),
    Method(
        "kernel PCA",
        lambda d, seed: GaussianKernelPCA(d),
        pairwise=True,
        invertible="by regression",
        differentiable="by hand",
    ),
    Method("MDS", lambda d, seed: MetricMDS(d), pairwise=True),
    Method("Isomap", lambda d, seed: NeighbourhoodIsomap(d), pairwise=True),
    Method("t-SNE", PictureTSNE),
    Method("UMAP", umap, explicit="by search", invertible="by search", differentiable=NO_FUNCTION),
    Method("LinearAutoencoder", lambda d, seed: LinearAutoencoder(d)),
    Method("Autoencoder", lambda d, seed: Autoencoder(d, random_state=seed)),
    Method("NeighbourAutoencoder", lambda d, seed: NeighbourAutoencoder(d, random_state=seed)),
    Method("DenoisingAutoencoder", lambda d, seed: DenoisingAutoencoder(d, random_state=seed)),
    Method("VariationalAutoencoder", lambda d, seed: VariationalAutoencoder(d, random_state=seed)),
)
"""The methods that ``compare`` uses by default, with their default settings."""


def chosen(methods: Sequence[str | Method] | str | Method | None) -> tuple[Method, ...]:
    """The methods given by name, in any case, with or without hyphens and spaces, or as objects.

    Maps of isthmus have the words of the command line, too, such as "neighbour". Raises ValueError for
    names that are not known or come twice, TypeError for anything else.
    """
    if methods is None:
        return METHODS
    if isinstance(methods, str | Method):
        methods = (methods,)
    found = tuple(map(_method, methods))
    if not found:
        raise ValueError(f"methods is empty: expected at least one of {_known()}, or a Method")
    names = [method.name for method in found]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"methods has {', '.join(repeated)} twice: give each a name of its own")
    return found


def _method(method: str | Method) -> Method:
    if isinstance(method, Method):
        return method
    if not isinstance(method, str):
        raise TypeError(
            f"methods holds {method!r}: expected names, of {_known()}, or isthmus.comparison.Method"
        )
    known = {_bare(own.name): own for own in METHODS}
    cls = registry.estimators.find(method)
    name = method if cls is None else cls.__name__
    found = known.get(_bare(method), known.get(_bare(name)))
    if found is None:
        raise ValueError(
            f"methods: {method!r} is not known; use {_known()}, or make one of your own with "
            "isthmus.comparison.Method"
        )
    return found


def _bare(name: str) -> str:
    return "".join(filter(str.isalnum, name)).lower()


def _known() -> str:
    return ", ".join(method.name for method in METHODS)
