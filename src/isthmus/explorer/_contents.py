"""All that the page is given of a map and its rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped

import isthmus
from isthmus.data.rows import Rows
from isthmus.data.targets import are_classes, without_label
from isthmus.estimators.base import BaseMap, column_names_of, units_of
from isthmus.explorer import _measures, _rows
from isthmus.explorer._container import Arrays, packed
from isthmus.files.export.exporting import ExportError
from isthmus.files.export.portable import portable

MISSING = "(missing)"

N_DATA_NEIGHBORS = 8

Header = dict[str, Any]  # whatever JSON holds


class Labels:
    """What colours the points: one class or one number for each."""

    def __init__(self, values: Shaped[np.ndarray, " n"], name: str, *, of_category: bool) -> None:
        self.values, self.name, self.of_category = values, name, of_category

    @property
    def are_classes(self) -> bool:
        return self.of_category or are_classes(self.values[~without_label(self.values)])

    def header(self, arrays: Arrays) -> Header:
        """Classes in their order, those without one last."""
        missing = without_label(self.values)
        classes, codes = np.unique(self.values[~missing].astype(str), return_inverse=True)
        classes, codes = _in_their_order(self.values[~missing], classes, codes)
        all_codes = np.full(len(self.values), len(classes))
        all_codes[~missing] = codes
        names = [*map(str, classes), *([MISSING] if missing.any() else [])]
        dtype = np.uint16 if len(names) <= np.iinfo(np.uint16).max else np.uint32
        return {"name": self.name, "values": names, "codes": arrays.add(all_codes.astype(dtype))}

    def measure(self) -> _measures.Measure:
        """Numbers, as one more measure."""
        missing = without_label(self.values)
        numbers = np.full(len(self.values), np.nan)
        numbers[~missing] = self.values[~missing].astype(np.float64)
        return _measures.Measure(_measures.LABEL, self.name, "As given with the rows.", numbers)


def contents(
    model: BaseMap,
    X: object,
    rows: Rows,
    *,
    title: str,
    labels: Labels | None,
    ids: Sequence[str] | None,
    image_shape: tuple[int, ...] | None,
    known: object,
) -> bytes:
    """The container for the page: everything that it shows, computed here."""
    arrays = Arrays()
    Z = np.asarray(model.transform(X), np.float64)
    n, d = Z.shape
    nearest = _measures.tenth_nearest(Z)
    uncertainty = _measures.uncertainty(model, X)
    measures = _measures.measures(model, X, Z, nearest, known) + _measures.spread(uncertainty)
    if labels is not None and not labels.are_classes:
        measures.append(labels.measure())
        labels = None
    support = _measures.support(nearest)
    header: Header = {
        "title": title,
        "model": {
            "estimator": type(model).__name__,
            "isthmus": isthmus.__version__,
            "facts": _facts(model, n, measures),
        },
        "n": n,
        "d": d,
        "D": rows.shape[1],
        "coordinates": arrays.add(Z.astype(np.float32)),
        "axes": list(map(str, model.get_feature_names_out())),
        "labels": None if labels is None else labels.header(arrays),
        "measures": [
            {**one._asdict(), "values": arrays.add(_measures.shortest(one))} for one in measures
        ],
        "ids": None if ids is None else list(ids),
        "image": None if image_shape is None else list(image_shape),
        "covariance": _or_none(arrays, uncertainty.covariance),
        "deviation": _or_none(arrays, uncertainty.deviation),
        "support": None if support is None else support._asdict(),
        **_of_rows(rows, model, arrays),
        **_programs(model, arrays),
    }
    return packed(header, arrays)


def _of_rows(rows: Rows, model: BaseMap, arrays: Arrays) -> Header:
    """The columns, and the rows as far as there is room for them."""
    known = _rows.statistics(rows)
    dtype = _rows.shortest_type(known)
    units = units_of(model)
    varied = np.nan_to_num(known.std / units)
    order = np.argsort(-varied, kind="stable")
    columns, entries = _rows.some_columns(rows, order[varied[order] > 0], dtype)
    part = _rows.some_rows(rows, dtype)
    of = np.arange(rows.shape[0]) if part.which is None else part.which
    near = _rows.nearest_rows(rows, of, units, N_DATA_NEIGHBORS)
    k = near.values.shape[1]
    return {
        "features": {
            "names": column_names_of(model),
            **{name: arrays.add(getattr(known, name)) for name in ("mean", "std", "low", "high")},
        },
        "columns": [
            {"feature": int(j), "values": arrays.add(entries[:, place])}
            for place, j in sorted(enumerate(columns), key=lambda one: int(one[1]))
        ],
        "rows": {"which": _numbers(arrays, part.which), "values": arrays.add(part.values)},
        "neighbours": None
        if k == 0
        else {
            "which": _numbers(arrays, near.which),
            "indices": _numbers(arrays, near.values),
            "k": k,
        },
    }


def _programs(model: BaseMap, arrays: Arrays) -> Header:
    """The functions of the map, and probes that the page tries them on; or why there are none."""
    try:
        functions = portable(model)
    except ExportError as error:
        return {"programs": None, "probes": None, "why_no_programs": str(error)}
    constants = {name: arrays.add(array) for name, array in functions.arrays.items()}
    programs = {
        name: {
            **program,
            "constants": {key: one for key, one in constants.items() if key.startswith(f"{name}.")},
        }
        for name, program in functions.functions.items()
    }
    probes = {
        name: {key: arrays.add(value) for key, value in vars(one).items()}
        for name, one in functions.probes.items()
    }
    return {"programs": programs, "probes": probes, "why_no_programs": ""}


def _facts(model: BaseMap, n: int, measures: Sequence[_measures.Measure]) -> list[list[str]]:
    """What the page says of the map."""
    error = float(np.mean(measures[0].values))
    facts = [
        ["Rows", f"{n:,}".replace(",", " ")],
        ["Columns", str(len(model.scaling_.center))],
        ["Coordinates", str(model.n_components_)],
        ["Mean reconstruction error", f"{error:.4g}"],
        ["Scaling", "of each column" if model.scaling_.is_per_column else "none"],
    ]
    words = model.training_in_words
    facts += [["Training", words]] if words else []
    return facts + [["Beware", warning] for warning in getattr(model, "_warnings", ())]


def _in_their_order(
    values: Shaped[np.ndarray, " m"], classes: Shaped[np.ndarray, " c"], codes: Shaped[np.ndarray, " m"]
) -> tuple[Shaped[np.ndarray, " c"], Shaped[np.ndarray, " m"]]:
    """Classes that are numbers by their size, not as texts: 2 before 10."""
    try:
        order = np.argsort(classes.astype(np.float64), kind="stable")
    except ValueError:
        return classes, codes
    place = np.empty(len(order), int)
    place[order] = np.arange(len(order))
    return classes[order], place[codes]


def _or_none(arrays: Arrays, values: Float[np.ndarray, "n ..."] | None) -> object:
    return None if values is None else arrays.add(_measures.in_single(values))


def _numbers(arrays: Arrays, values: np.ndarray | None) -> object:
    return None if values is None else arrays.add(values.astype(np.uint32))
