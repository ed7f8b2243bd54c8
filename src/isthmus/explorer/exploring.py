"""``explore``: a map as something to move in."""

from __future__ import annotations

import base64
import html
import os
from collections.abc import Iterable
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from isthmus.data.atomic import replacing
from isthmus.data.checks import check_image_shape, check_map, check_rows
from isthmus.data.rows import Rows
from isthmus.data.targets import is_category, label_array
from isthmus.data.wording import counted
from isthmus.estimators.base import BaseMap
from isthmus.explorer._contents import Labels, contents

LEAST_ROWS = 2

TITLE, DATA = "@@TITLE@@", "@@DATA@@"
"""What the page has in the place of these."""


def explore(
    model: BaseMap,
    X: object,
    *,
    labels: object = None,
    label_name: str | None = None,
    ids: Iterable[object] | None = None,
    image_shape: tuple[int, ...] | None = None,
    known: object = None,
    title: str | None = None,
) -> Explorer:
    """A fitted map to move in: as a page that can be mailed, and as a widget in a notebook.

    Where the pointer is, the decoder says what data would be there. The functions of the map are in the
    page, which needs no Python, no server and no network.

    Parameters
    ----------
    model : fitted map
        Any map or ensemble of maps of isthmus. With angles or categories the page shows its rows and
        points, and decodes nothing.
    X : array (n, D), n ≥ 2
        The rows that are shown, all of them as points: those that the map was fitted on, or others.
        Where they take more than some megabytes, some at even steps are in the page, for its panels,
        and it says so; coordinates and measures are there for all.
    labels : array (n,) or None, default None
        Classes, or numbers, that colour the points. None and NaN are missing labels.
    label_name : str or None, default None
        What they are; None is the name of a column of pandas, else "label".
    ids : n values or None, default None
        What the rows are called, for the search; None is their numbers, from 0.
    image_shape : (height, width), (height, width, 3) or None, default None
        Rows are images of this shape; None is that of the images that the map was fitted on, if any.
        Images of other channels are shown as features.
    known : array (m, D) or None, default None
        Rows that the map was not fitted on and is good for: then each row has ``isthmus.reliability``.
    title : str or None, default None
        Of the page; None is the name of the estimator.

    Returns
    -------
    Explorer
        ``save(path)`` writes the page; in a notebook it is shown, and has the selection.

    Raises
    ------
    NotFittedError, TypeError
        Before ``fit``, and for what is no map.
    ValueError
        For rows that ``transform`` refuses, fewer than 2 of them, a number of labels or ids other than
        that of the rows, and images that are no rows.

    Examples
    --------
    >>> import isthmus, os, tempfile
    >>> from sklearn.datasets import load_iris
    >>> iris = load_iris(as_frame=True)
    >>> model = isthmus.LinearAutoencoder(2).fit(iris.data)
    >>> explorer = isthmus.explore(model, iris.data, labels=iris.target)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "iris.html")
    ...     explorer.save(path)
    ...     with open(path, encoding="utf-8") as page:
    ...         page.readline()
    '<!doctype html>\\n'
    """
    check_map(model)
    rows: Rows = check_rows(model, X, reset=False)
    n = rows.shape[0]
    if n < LEAST_ROWS:
        raise ValueError(f"X has {n} row, and a map of one point has nothing to show: pass more rows")
    check_image_shape(image_shape, rows.shape[1])
    title = type(model).__name__ if title is None else str(title)
    data = contents(
        model,
        X,
        rows,
        title=title,
        labels=_labels(labels, label_name, n),
        ids=_ids(ids, n),
        image_shape=_drawn(getattr(model, "row_shape_", None) if image_shape is None else image_shape),
        known=known,
    )
    return Explorer(data, title, n)


class Explorer:
    """What ``isthmus.explore`` gives: a page to save, and a widget where notebooks show one.

    Parameters
    ----------
    data : bytes
        All that the page shows, packed. ``isthmus.explore`` makes it.
    title : str
        Of the page.
    n_rows : int
        Rows n that may be selected.

    Examples
    --------
    >>> import isthmus
    >>> from sklearn.datasets import load_iris
    >>> iris = load_iris(as_frame=True)
    >>> isthmus.explore(isthmus.LinearAutoencoder(2).fit(iris.data), iris.data)
    <Explorer 'LinearAutoencoder', ... MiB: save(path) writes a page>
    """

    def __init__(self, data: bytes, title: str, n_rows: int) -> None:
        self._data = data
        self._title = title
        self._n_rows = n_rows
        self._widget: Any = None  # of anywidget, which is optional

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the page, one HTML file that needs nothing else. Complete, or not there.

        Parameters
        ----------
        path : path
            Its name ends in .html.

        Raises
        ------
        ValueError
            For another ending.
        OSError
            Where the file cannot be written.

        Examples
        --------
        >>> import isthmus, os, tempfile
        >>> from sklearn.datasets import load_iris
        >>> X = load_iris().data
        >>> explorer = isthmus.explore(isthmus.LinearAutoencoder(2).fit(X), X)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     explorer.save(os.path.join(folder, "iris.html"))
        ...     os.listdir(folder)
        ['iris.html']
        """
        path = Path(path)
        if path.suffix not in (".html", ".htm"):
            raise ValueError(f"{path}: the page is HTML, so its name ends in .html")
        before, after = _built("page.html").split(DATA)
        before = before.replace(TITLE, html.escape(self._title))
        with replacing(path) as temporary, temporary.open("wb") as sink:
            sink.write(before.encode("utf-8", "replace"))
            sink.write(base64.b64encode(self._data))
            sink.write(after.encode())

    @property
    def selection(self) -> Int[np.ndarray, " k"]:
        """The numbers of the rows that are selected in the notebook, ascending; may be assigned."""
        return np.sort(np.array(self.widget.selected, np.int64))

    @selection.setter
    def selection(self, numbers: Iterable[int]) -> None:
        chosen = sorted(map(int, numbers))
        for number in (chosen[:1], chosen[-1:]):
            if number and not 0 <= number[0] < self._n_rows:
                raise ValueError(f"there is no row {number[0]} of {self._n_rows}: they count from 0")
        self.widget.selected = chosen

    @property
    def widget(self) -> Any:  # of anywidget
        """The widget itself, to be laid out beside others; ModuleNotFoundError without anywidget."""
        if self._widget is None:
            if find_spec("anywidget") is None:
                raise ModuleNotFoundError(
                    "a notebook needs anywidget, which is not installed: pip install "
                    "'isthmus[notebook]'; save(path) writes the page without it",
                    name="anywidget",
                )
            from isthmus.explorer._widget import ExplorerWidget

            self._widget = ExplorerWidget(data=self._data)
        return self._widget

    def __repr__(self) -> str:
        size = len(self._data) / 2**20
        return f"<Explorer {self._title!r}, {size:.1f} MiB: save(path) writes a page>"

    def _repr_mimebundle_(self, **kwargs: object) -> Any:
        if find_spec("anywidget") is None:
            return {"text/plain": repr(self)}
        return self.widget._repr_mimebundle_(**kwargs)


def _built(name: str) -> str:
    return files("isthmus.explorer").joinpath("built", name).read_text("utf-8")


def _drawn(shape: tuple[int, ...] | None) -> tuple[int, ...] | None:
    """Of images what the page can draw: gray ones, and ones of three colours."""
    if shape is None or len(shape) < 2:
        return None
    height, width, *channels = shape
    return {(): (height, width), (1,): (height, width), (3,): (height, width, 3)}.get(tuple(channels))


def _labels(labels: object, name: str | None, n: int) -> Labels | None:
    if labels is None:
        return None
    values = label_array(labels)
    if values.shape != (n,):
        raise ValueError(
            f"labels have shape {values.shape}, and X has {counted(n, 'row')}: pass one for each"
        )
    own = getattr(labels, "name", None)
    return Labels(values, str(name or own or "label"), of_category=is_category(labels))


def _ids(ids: Iterable[object] | None, n: int) -> list[str] | None:
    if ids is None:
        return None
    texts = [str(one) for one in ids]
    if len(texts) != n:
        raise ValueError(f"there are {len(texts)} ids, and X has {counted(n, 'row')}: pass one for each")
    return texts
