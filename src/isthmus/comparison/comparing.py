"""Several methods applied to the same rows, with the same splits and the same measures for all.

Lecture notes, "VAE versus SNE, MDS, kernel methods, PCA": methods differ less in the picture of the rows
that they were fitted on than in whether they have a function for new rows, and its inverse.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from sklearn.model_selection import train_test_split
from sklearn.utils.parallel import Parallel, delayed

from isthmus.comparison._evaluation import Settings, Split, run
from isthmus.comparison.methods import Method, chosen
from isthmus.comparison.report import ComparisonReport
from isthmus.data.checks import check_integer, check_real, check_table
from isthmus.data.coding import ColumnCode, code_of, coded_table, in_code
from isthmus.data.frames import column_labels
from isthmus.data.rows import dense
from isthmus.data.scaling import Scaling
from isthmus.data.units import chosen_scaling, scaled_by
from isthmus.data.wording import counted
from isthmus.diagnostics.quality.new_rows import Target

if TYPE_CHECKING:
    from rich.status import Status


def compare(
    X: object,
    y: ArrayLike | None = None,
    methods: Sequence[str | Method] | str | Method | None = None,
    n_components: int = 2,
    *,
    scaling: str | None = "auto",
    periodic: Mapping[Hashable, float] | None = None,
    categorical: Sequence[Hashable] | None = None,
    target_name: str | None = None,
    test_size: float = 0.25,
    n_seeds: int = 1,
    random_state: int = 0,
    k: int = 10,
    max_rows: int = 2000,
    n_jobs: int | None = None,
    verbose: bool = False,
) -> ComparisonReport:
    """Compare PCA, kernel PCA, MDS, Isomap, t-SNE, UMAP and the maps of isthmus on the rows X (n, D).

    All are fitted on the same rows with their default settings, and evaluated by the same measures on
    the same rows: those of the fit, for which every method has coordinates, and held-out rows, for
    methods that have a function. A method that is not installed, or fails, has a record that says why;
    warnings become notes.

    Parameters
    ----------
    X : array-like or CSR matrix (n, D), finite
        The data. Held as float64.
    y : array-like (n,), optional
        Targets, for the prediction from neighbours in the map; no method sees them. Text, booleans and
        integers with at most 20 different values are classes, whose score is the accuracy; other
        integers and floating-point targets are numbers, whose score is R².
    methods : sequence of names and Method, default None
        None: all of ``isthmus.comparison.METHODS``. Names in any case, such as "pca", "kernel-pca",
        "tsne", "autoencoder", "neighbour"; ``isthmus.comparison.Method`` for one of your own or other
        settings.
    n_components : int, default 2
        Number of coordinates, d < D; 2, because two can be plotted.
    scaling : {"auto", None, "standard", "range", "robust"}, default "auto"
        Of the columns, before any method sees them, by the training rows of each split. "auto"
        standardises a table of named columns whose standard deviations differ by more than a factor of
        10, which must have different units, and says so; otherwise, and with None, columns are taken as
        they are. Errors and measures of distances are then in scaled units.
    periodic, categorical : dict and list, or None, default None
        Columns that are angles, and categories, as of ``isthmus.Autoencoder``: every method
        sees the same points on circles, and zeros and ones.
    target_name : str or None, default None
        What y is, for the words of the verdict; its own name if it is a named column.
    test_size : float in (0, 1), default 0.25
        Share of the rows held out.
    n_seeds : int, default 1
        Number of splits, each with its own seed for the methods. Five show how much chance matters.
    random_state : int, default 0
        The first seed s; others are s + 1, …. Rows are split by scikit-learn's ``train_test_split(X,
        test_size=test_size, random_state=s)``. The same seed gives the same numbers, seconds and memory
        apart.
    k : int, default 10
        Neighbours, of the measures and of the prediction.
    max_rows : int, default 2000
        Kernel PCA, MDS and Isomap take n² memory and up to n³ time, and are fitted on this many of the
        training rows at most, drawn at random; a note says so. Every map is evaluated on the same rows:
        at most this many training rows and this many held-out rows, drawn at random, because measures
        of neighbours depend on the number of rows.
    n_jobs : int or None, default None
        Methods and splits at a time, by joblib: in processes of this machine, or where
        ``joblib.parallel_config`` says, such as on a cluster of Dask. None is 1, unless such a context
        says otherwise, because methods that run beside one another take longer each, and their seconds
        are part of the comparison.
    verbose : bool, default False
        Whether to show on stderr which method is running, or with ``n_jobs`` was started last.

    Returns
    -------
    ComparisonReport
        ``records``, one per method and seed; ``table()`` for a data frame; ``verdict`` in words.
        ``print`` shows tables.

    Raises
    ------
    ValueError, TypeError
        For rows that are not finite numbers, too few of them for k neighbours on either side of the
        split, another number of targets than rows, n_components ≥ D, and methods that are not known.

    Notes
    -----
    Seconds and memory are of this machine and this run. Seconds of a network's first fit include its
    compilation, which later fits of the same sizes save. How memory is measured is said in
    ``ComparisonRecord``.

    Examples
    --------
    >>> import isthmus
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> report = isthmus.compare(X, y, ["PCA", "MDS"])
    >>> for row in report.table():
    ...     print(row["method"], "–", row["explicit"], "–", round(row["train_score"], 2))
    PCA – yes – 0.96
    MDS – no function – 0.96
    >>> pca, mds = report.records
    >>> print(f"{pca.test.trustworthiness:.2f}, {pca.variance_left_out:.3f}", mds.test)
    0.99, 0.031 None
    """
    every = chosen(methods)
    X = coded_table(X, periodic, categorical)
    rows = np.asarray(dense(check_table(X)), dtype=np.float64)
    kind, units = chosen_scaling(scaling, rows, column_labels(X))
    settings = Settings(
        check_integer("n_components", n_components, 1),
        check_integer("k", k, 1),
        check_integer("max_rows", max_rows, 3),
    )
    share = check_real("test_size", test_size, 0.0, 1.0)
    first = check_integer("random_state", random_state, 0, "Further seeds are counted from it")
    seeds = tuple(range(first, first + check_integer("n_seeds", n_seeds, 1)))
    target = None if y is None else Target.of(y, len(rows))
    n_train, n_test = _check_sizes(rows.shape, share, settings)
    splits = [_split(rows, code_of(X), target, share, seed, kind) for seed in seeds]
    score, of_train, of_test = _of_data(target, splits, settings)
    with _status(verbose) as status:
        records = Parallel(n_jobs=n_jobs)(
            delayed(run)(method, split, settings) for method, split in _shown(every, splits, status)
        )
    return ComparisonReport(
        records=tuple(records),
        n_components=settings.n_components,
        n_features=rows.shape[1],
        n_train=n_train,
        n_test=n_test,
        n_judged_train=min(n_train, settings.max_rows),
        n_judged_test=min(n_test, settings.max_rows),
        k=settings.k,
        seeds=seeds,
        score=score,
        data_train_score=of_train,
        data_test_score=of_test,
        units=units or ("" if kind is None else scaled_by(kind)),
        target=target_name or str(getattr(y, "name", None) or "y"),
    )


def _split(
    rows: Float[np.ndarray, "n D"],
    code: ColumnCode | None,
    target: Target | None,
    share: float,
    seed: int,
    scaling: str | None,
) -> Split:
    train, test = train_test_split(np.arange(len(rows)), test_size=share, random_state=seed)
    targets = (target.take(train), target.take(test)) if target else None
    if scaling is not None:
        rows = Scaling.fit(scaling, in_code(rows[train], code))(rows, np.float64)
    return Split(seed, rows[train], rows[test], targets)


def _of_data(
    target: Target | None, splits: Sequence[Split], settings: Settings
) -> tuple[str | None, float | None, float | None]:
    """Name of the score, and the mean scores over the splits with all columns in place of a map."""
    if target is None:
        return None, None, None
    most, k = settings.max_rows, settings.k
    train = [split.train_score(split.train[:most], k) for split in splits]
    test = [split.test_score(split.train[:most], split.test[:most], k) for split in splits]
    return target.score_name, float(np.mean(np.array(train))), float(np.mean(np.array(test)))


def _check_sizes(shape: tuple[int, ...], share: float, settings: Settings) -> tuple[int, int]:
    """Numbers of training and held-out rows of ``train_test_split``; ValueError if they are too few."""
    n, D = shape
    d, k = settings.n_components, settings.k
    if d >= D:
        raise ValueError(
            f"n_components={d} for data of {counted(D, 'column')}: expected fewer, for with as many "
            f"nothing is reduced. Use at most {D - 1}"
            if D > 1
            else f"X has {D} column: there is nothing to reduce"
        )
    n_test = int(np.ceil(share * n))
    n_train = n - n_test
    least = max(k + 1, d + 1, 3)
    if settings.max_rows < least:
        raise ValueError(
            f"max_rows={settings.max_rows}: expected at least {least} for k={k} neighbours and "
            f"n_components={d}"
        )
    if min(n_train, n_test) < least:
        raise ValueError(
            f"X has {counted(n, 'row')}, and test_size={share:g} splits them into {n_train} to fit and "
            f"{n_test} to evaluate: expected at least {least} of each for k={k} neighbours and "
            f"n_components={d}. Pass more rows, or choose a smaller k or another test_size"
        )
    return n_train, n_test


def _shown(
    every: Sequence[Method], splits: Sequence[Split], status: Status | None
) -> Iterator[tuple[Method, Split]]:
    """Each method on each split, shown as it is started."""
    for number, method in enumerate(every, 1):
        for split in splits:
            if status is not None:
                status.update(f"{method.name} ({number} of {len(every)}), seed {split.seed}")
            yield method, split


def _status(verbose: bool) -> AbstractContextManager[Status | None]:
    """A line on stderr that says what is running, or a context of None without ``verbose``."""
    if not verbose:
        return nullcontext()
    from rich.console import Console

    return Console(stderr=True).status("")
