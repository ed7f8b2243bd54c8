"""Parameters that estimators share, and what scikit-learn lets each of them be."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from numbers import Integral, Real
from typing import ClassVar, TypeAlias

import numpy as np
import optax
from sklearn.utils._param_validation import Interval, RealNotInt, StrOptions

from isthmus.data.scaling import SCALINGS
from isthmus.networks.layers import Activation

Constraints: TypeAlias = dict[str, list[object]]
"""What each parameter may be, any one of a list; scikit-learn's ``_parameter_constraints``."""


class Numbers(Interval):
    """An interval of numbers in which True is not 1."""

    def is_satisfied_by(self, value: object) -> bool:
        return not isinstance(value, bool | np.bool_) and bool(super().is_satisfied_by(value))


POSITIVE = Numbers(Real, 0, None, closed="neither")
NOT_NEGATIVE = Numbers(Real, 0, None, closed="left")
SHARE = Numbers(Real, 0, 1, closed="left")
FRACTION = Numbers(RealNotInt, 0, 1, closed="neither")
COUNT = Numbers(Integral, 1, None, closed="left")


def one_of(names: Sequence[str | None]) -> list[object]:
    """One of these words, and None if it is among them."""
    words = StrOptions({name for name in names if name is not None})
    return [words, None] if None in names else [words]


COLUMN_KINDS: Constraints = {"periodic": [dict, None], "categorical": [list, tuple, None]}
"""Which columns are angles, and which are categories: of every map."""


class TrainingParameters:
    """Parameters of every estimator that is trained, as they were given."""

    solver: str | optax.GradientTransformation
    learning_rate: float | None
    batch_size: int | None
    max_epochs: int | None
    validation_fraction: float
    patience: int | None
    warm_start: bool
    random_state: int | np.random.RandomState | None
    verbose: bool | None

    _parameter_constraints: ClassVar[Constraints] = {
        "learning_rate": [POSITIVE, None],
        "batch_size": [COUNT, None],
        "max_epochs": [COUNT, None],
        "validation_fraction": [SHARE],
        "patience": [COUNT, None],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["boolean", None],
    }


class MapParameters(TrainingParameters):
    """Parameters of every map that is trained."""

    n_components: int
    widths: Sequence[int]
    decoder_widths: Sequence[int] | None
    activation: str | Activation | Sequence[str | Activation]
    skip: str | None
    skip_links: bool
    scaling: str | None
    periodic: Mapping[Hashable, float] | None
    categorical: Sequence[Hashable] | None

    _parameter_constraints: ClassVar[Constraints] = {
        **TrainingParameters._parameter_constraints,
        "n_components": [COUNT],
        "skip": one_of(("pca", None)),
        "skip_links": ["boolean"],
        "scaling": one_of(SCALINGS),
        **COLUMN_KINDS,
    }
