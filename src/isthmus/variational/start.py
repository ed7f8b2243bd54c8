"""Where the training of a variational map starts: at probabilistic PCA, also of incomplete rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from isthmus.data.moments import (
    ColumnStatistics,
    PrincipalAxes,
    column_statistics,
    summary_of,
)
from isthmus.data.rows import (
    ChosenRows,
    Rows,
    ScaledRows,
    dense,
    evenly_spaced,
    number_among_all,
    row_blocks,
)
from isthmus.data.scaling import Scaling
from isthmus.data.wording import counted
from isthmus.estimators.base import given_names_of
from isthmus.estimators.maps import Start, check_axes, leading_axes
from isthmus.estimators.plan import Plan
from isthmus.estimators.task import Given
from isthmus.variational.distributions import Distribution, Known, impossible_rows
from isthmus.variational.elbo import VariationalPair, ppca_pair, start_pair
from isthmus.variational.likelihoods import Bernoulli, Gaussian
from isthmus.variational.ppca import GaussianFill, ProbabilisticPCA, axes_of_incomplete, without_useless
from isthmus.variational.priors import start_prior

if TYPE_CHECKING:
    from isthmus.variational.estimator import VariationalAutoencoder

MOST_FILLED = 100_000
"""Rows with missing entries that the start is found from, where they are kept elsewhere."""


def at_ppca(model: VariationalAutoencoder, given: Given, plan: Plan) -> Start:
    """At probabilistic PCA of the training rows, or with random weights and PCA as what must be beaten.

    Where training goes on, the scaling is that of the last fit.
    """
    rows: Rows = ChosenRows(given.rows, given.train_rows)
    errors = None if given.errors is None else given.errors[given.train_rows]
    known = rows if errors is None else without_useless(rows, errors)
    columns = column_statistics(known)
    _check_columns(model, columns)
    scaling = model.scaling_ if given.continues else _scaling_for(model, known, columns)
    d = plan.architecture.n_components
    axes = _axes(ScaledRows(known, scaling), d, columns, errors)
    fixed = model.likelihood.fixed_variance(scaling) if isinstance(model.likelihood, Gaussian) else None
    ppca = ProbabilisticPCA.of(axes, model.beta, fixed)
    fill = GaussianFill.of(ProbabilisticPCA.of(axes, 1.0, fixed))
    left_out = ppca.left_out(columns.variance / np.square(scaling.scale))
    likelihood = model.likelihood(Known(rows, scaling, columns, left_out))
    prior = start_prior(model.prior, given.rng, d)
    pair = start_pair(
        plan.architecture,
        given.rng,
        ppca,
        fill,
        prior,
        likelihood,
        at_pca=plan.starts_at_pca,
        has_missing=any_missing(given.rows),
    )
    if plan.starts_at_pca:
        return Start(scaling, pair, is_baseline=True)
    return Start(scaling, pair, baseline=ppca_pair(ppca, fill, prior, likelihood))


def _axes(
    scaled: ScaledRows,
    d: int,
    columns: ColumnStatistics,
    errors: Float[np.ndarray, "n D"] | None,
) -> PrincipalAxes:
    scaling = scaled.scaling
    if errors is None and bool(np.all(columns.n_rows == scaled.shape[0])):
        return leading_axes(scaled, d)
    means = (columns.mean - scaling.center) / scaling.scale
    if summary_of(scaled) is not None:
        # Each round of filling is a pass over the rows: these stand for those that are kept elsewhere.
        some = dense(evenly_spaced(scaled.rows, MOST_FILLED))
        scaled = ScaledRows(some, scaling)
    axes = axes_of_incomplete(scaled, d, means, None if errors is None else errors / scaling.scale)
    check_axes(axes, d, scaled.shape[0])
    return axes


def _check_columns(model: VariationalAutoencoder, columns: ColumnStatistics) -> None:
    empty = np.flatnonzero(columns.n_rows == 0)
    if len(empty):
        names = given_names_of(model)
        first = f"column {empty[0]}" if names is None else f"column {names[empty[0]]!r}"
        raise ValueError(
            f"all entries of {first} are NaN, so there is nothing to learn of it; {len(empty)} of "
            f"{counted(len(columns.mean), 'column')} {'has' if len(empty) == 1 else 'have'} no value. "
            "Drop them"
        )


def _scaling_for(model: VariationalAutoencoder, rows: Rows, columns: ColumnStatistics) -> Scaling:
    if not isinstance(model.likelihood, Bernoulli):
        return Scaling.fit(model.scaling, rows, columns)
    if model.scaling is not None:
        raise ValueError(
            f"scaling={model.scaling!r} with likelihood={model.likelihood!r}, which needs the data in "
            "[0, 1] as they are: set scaling=None"
        )
    return Scaling.none(len(columns.mean))


def check_possible(model: VariationalAutoencoder, likelihood: Distribution, rows: Rows) -> None:
    """Raise ValueError for the first of the rows that cannot occur."""
    cannot = impossible_rows(likelihood, rows)
    if cannot.any():
        raise ValueError(
            f"row {number_among_all(rows, int(np.argmax(cannot)))} holds a number that cannot occur "
            f"under likelihood={model.likelihood!r}: drop the row, or set the entry to NaN if it is "
            "unknown"
        )


def example_pair(model: VariationalAutoencoder, plan: Plan) -> VariationalPair:
    """A pair of the shapes that the parameters ask for, to compare with the fitted one."""
    fitted = model.network_.pair
    D, d = plan.architecture.n_features, plan.architecture.n_components
    nothing = ProbabilisticPCA(np.zeros(D), np.zeros((D, d)), np.zeros((d, D)), np.ones(d), 1.0)
    rng = np.random.default_rng(0)
    return start_pair(
        plan.architecture,
        rng,
        nothing,
        GaussianFill.of(nothing),
        start_prior(model.prior, rng, d),
        fitted.likelihood,
        at_pca=plan.starts_at_pca,
        has_missing=fitted.encoder.knows_what_is_missing(D),
    )


def any_missing(rows: Rows) -> bool:
    """Whether an entry is NaN."""
    known = summary_of(rows)
    if known is not None:
        return bool(np.any(known.columns.n_rows < rows.shape[0]))
    return any(bool(np.isnan(block).any()) for _, block in row_blocks(rows))
