"""What a model offers over HTTP: its functions, what each takes and gives, and the model's facts."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

import isthmus
from isthmus.estimators.base import BaseMap
from isthmus.estimators.ensemble import Ensemble
from isthmus.estimators.predictor import FeedForwardPredictor
from isthmus.networks.applying import BLOCK_ELEMENTS, MAX_ROWS, MIN_ROWS
from isthmus.serving._columns import Columns

Model: TypeAlias = Any  # a map, or a predictor


@dataclass(frozen=True)
class Output:
    """One array that a function gives: its key in JSON, its columns, and whether it is (n,).

    ``choices`` are the values of the columns at these positions that are no numbers on a line.
    """

    key: str
    names: tuple[str, ...]
    is_flat: bool = False
    choices: Mapping[int, tuple[str | float, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Function:
    """A method of a model: rows (n, columns.width) to arrays, one for each output.

    ``of_none`` are the arrays for no rows at all, which methods refuse, and ``constants`` what JSON
    says beside the arrays.
    """

    name: str
    summary: str
    columns: Columns
    outputs: tuple[Output, ...]
    call: Callable[[np.ndarray], tuple[np.ndarray, ...]]
    example: np.ndarray
    of_none: tuple[np.ndarray, ...]
    constants: Mapping[str, object] = field(default_factory=dict)

    @classmethod
    def of(cls, example: np.ndarray, call: Callable[[np.ndarray], Any], **known: Any) -> Function:
        """A function that is called once, of an example row, to see what it gives."""

        def arrays(rows: np.ndarray) -> tuple[np.ndarray, ...]:
            given = call(rows)
            given = given if isinstance(given, tuple) else (given,)
            flat = (output.is_flat for output in known["outputs"])
            # A model may be set to give data frames.
            return tuple(
                np.asarray(array) if is_flat else np.asarray(array).reshape(len(rows), -1)
                for array, is_flat in zip(given, flat, strict=True)
            )

        of_none = tuple(array[:0] for array in arrays(example))
        return cls(call=arrays, example=example, of_none=of_none, **known)

    def __call__(self, rows: np.ndarray) -> tuple[np.ndarray, ...]:
        """The arrays for rows. Raises ValueError or TypeError for what the model refuses."""
        self.columns.check(rows)
        return self.call(rows) if len(rows) else self.of_none

    @property
    def widest(self) -> int:
        """Most numbers of a row, or of what it becomes."""
        return max(self.columns.width, sum(len(output.names) for output in self.outputs))

    def warm_up(self, most_rows: int) -> None:
        """Compile for every number of rows that a block can have, and for both kinds of numbers."""
        for size in _block_sizes(self.widest, most_rows):
            rows = np.repeat(self.example, size, axis=0)
            self.call(rows)
            if rows.dtype != object:
                self.call(rows.astype(np.float32))


def _block_sizes(width: int, most_rows: int) -> Iterator[int]:
    size = MIN_ROWS
    yield size
    while size < min(most_rows, MAX_ROWS) and 2 * size * width <= BLOCK_ELEMENTS:
        size *= 2
        yield size


def functions_of(model: object) -> tuple[Function, ...]:
    """The functions of a fitted model. Raises TypeError for what is none of isthmus."""
    if not isinstance(model, BaseMap | FeedForwardPredictor):
        raise TypeError(
            f"a service takes a fitted isthmus model, got {type(model).__name__}; of a pipeline, serve "
            "its last step"
        )
    check_is_fitted(model)
    if predicts(model):
        return (_predict(model),)
    return _transform(model), _inverse_transform(model)


def facts_of(model: Model) -> dict[str, object]:
    """What a client may know of the model."""
    facts: dict[str, object] = {
        "isthmus": isthmus.__version__,
        "estimator": type(model).__name__,
        "features": int(model.n_features_in_),
        "feature_names": list(feature_names(model)),
    }
    if hasattr(model, "classes_"):
        return {**facts, "classes": labels_of(model)}
    if predicts(model):
        return {**facts, "targets": len(_member(model).target_scaling_.center)}
    names = list(map(str, model.get_feature_names_out()))
    return {**facts, "coordinates": model.n_components_, "coordinate_names": names}


def predicts(model: Model) -> bool:
    return not hasattr(model, "transform")


def feature_names(model: Model) -> tuple[str, ...]:
    """The names that a model was fitted on, or x0, x1, …."""
    numbered = [f"x{j}" for j in range(model.n_features_in_)]
    return tuple(map(str, getattr(model, "feature_names_in_", numbered)))


def labels_of(model: Model) -> list[str | float]:
    """The classes of a classifier as JSON holds them."""
    classes = model.classes_.tolist()
    return [one if isinstance(one, str | bool | int | float) else str(one) for one in classes]


def _transform(model: Model) -> Function:
    names = tuple(map(str, model.get_feature_names_out()))
    decoded = model.inverse_transform(np.zeros((1, len(names))))
    return Function.of(
        decoded.reshape(1, -1),
        _without_names(model).transform,
        name="transform",
        summary="Coordinates of rows.",
        columns=_features(model),
        outputs=(Output("coordinates", names),),
    )


def _inverse_transform(model: Model) -> Function:
    names = tuple(map(str, model.get_feature_names_out()))
    return Function.of(
        np.zeros((1, len(names))),
        model.inverse_transform,
        name="inverse_transform",
        summary="Rows that coordinates decode to.",
        columns=Columns("coordinates", names, are_named=False),
        outputs=(Output("rows", feature_names(model), choices=_features(model).categories),),
    )


def _predict(model: Model) -> Function:
    own = _without_names(model)
    known = {"name": "predict", "columns": _features(model)}
    example = np.asarray(model.scaling_.center, np.float64)[None]
    if not hasattr(model, "classes_"):
        shape = _member(model).target_shape_
        names = tuple(f"prediction{j}" for j in range(*shape)) if shape else ("prediction",)
        outputs = (Output("predictions", names, is_flat=not shape),)
        summary = "Targets that are predicted of rows."
        return Function.of(example, own.predict, summary=summary, outputs=outputs, **known)
    classes = labels_of(model)
    labels = np.array(classes, object)

    def predict(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return labels[np.searchsorted(model.classes_, own.predict(rows))], own.predict_proba(rows)

    return Function.of(
        example,
        predict,
        summary="The most probable class of each row, and the probabilities of all classes.",
        outputs=(
            Output("predictions", ("prediction",), is_flat=True, choices={0: tuple(classes)}),
            Output("probabilities", tuple(f"probability_{one}" for one in classes)),
        ),
        constants={"classes": classes},
        **known,
    )


def _member(model: Model) -> Model:
    """The model, or of an ensemble the first of its members, which agree in what they predict."""
    return model.members_[0] if isinstance(model, Ensemble) else model


def _features(model: Model) -> Columns:
    code = getattr(model, "code_", None)
    return Columns(
        "rows",
        feature_names(model),
        are_named=hasattr(model, "feature_names_in_"),
        takes_missing=get_tags(model).input_tags.allow_nan,
        categories={} if code is None else dict(code.categories),
    )


def _without_names(model: Model) -> Model:
    """The same model for arrays whose columns are in order: they have no names to compare."""
    own = copy.copy(model)
    vars(own).pop("feature_names_in_", None)
    return own
