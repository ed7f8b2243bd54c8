"""Ensembles: the same model from several seeds, averaged, and how far the seeds agree.

Networks that are initialised independently find different functions, which scatter about their mean.
The mean of M has 1/M of the variance of one; what all share, the bias, stays (lecture notes, "Training a
NN"; Hansen & Salamon 1990, "Neural network ensembles"; Lakshminarayanan et al. 2017, arXiv:1612.01474).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any, ClassVar, Self, cast

import numpy as np
from jaxtyping import Array, Float
from sklearn.base import ClassifierMixin, RegressorMixin, clone, is_classifier, is_regressor
from sklearn.utils import Tags, check_random_state, get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from isthmus import registry
from isthmus.data.checks import check_rows, unchanged_on_error
from isthmus.data.rows import FLOAT32, FLOAT64, Rows
from isthmus.data.scaling import Scaling
from isthmus.data.stored.rows import StoredRows
from isthmus.estimators._members import Member, aligned, assembled, fit_each, fit_side_by_side
from isthmus.estimators.base import BaseMap
from isthmus.estimators.blocks import Form, by_blocks
from isthmus.estimators.fitting import is_trained
from isthmus.estimators.identity import identity_of
from isthmus.estimators.notebook import some_of
from isthmus.estimators.parameters import COUNT, Constraints
from isthmus.estimators.predictor import FeedForwardPredictor
from isthmus.networks.alignment import MeanMap, MeanPredictor
from isthmus.networks.applying import apply, widest_layer
from isthmus.training import processes
from isthmus.training.checkpoints import CheckpointLike, FitCheckpoints
from isthmus.training.problem import DivergenceError


def is_map(ensemble: Ensemble) -> bool:
    return not (is_classifier(ensemble.estimator) or is_regressor(ensemble.estimator))


def _predicts(ensemble: Ensemble) -> bool:
    return not is_map(ensemble)


def _classifies(ensemble: Ensemble) -> bool:
    return bool(is_classifier(ensemble.estimator))


@registry.estimators
class Ensemble(BaseMap):
    """Several fits of one estimator from different seeds, trained in one pass and averaged.

    Of a map, an ensemble is a map: ``transform`` is the mean of the members' coordinates in a common
    frame, ``inverse_transform`` the mean of the rows that the members decode a point to, each in its own
    frame. Of a predictor it is a predictor: numbers or probabilities are averaged.
    ``isthmus.coordinate_spread`` tells how far the members' coordinates of a row lie apart.

    The common frame is found by generalised Procrustes analysis on the rows of ``fit``: each member's
    coordinates are turned, and mirrored if need be, about their mean onto the mean of all. They are not
    stretched, because coordinates have a unit.

    Parameters
    ----------
    estimator : isthmus estimator
        What the members are: ``Autoencoder``, ``DenoisingAutoencoder``, ``VariationalAutoencoder``,
        ``LinearAutoencoder``, ``NeighbourAutoencoder``, ``FeedForwardClassifier``,
        ``FeedForwardRegressor``. It is not fitted, and its own ``random_state`` is not used.
    n_members : int, default 10
        Members M. The scatter of one over the seeds is left at 1/√M: a third, with ten.
    bootstrap : bool, default False
        Whether each member has its own draw of the training rows, with replacement. Seeds alone show
        what training leaves open; with this the spread also shows what another sample of rows might
        have said. Scaling and the start at PCA are those of all rows, except for ``LinearAutoencoder``;
        landmarks and neighbours are, too.
    random_state : int, RandomState or None, default None
        Of the members' seeds. The first members of a larger ensemble are those of a smaller one.
    n_jobs : int or None, default None
        Members that are fitted at a time where they are fitted one by one, as ``LinearAutoencoder`` is,
        by joblib, whose backend, such as Dask, ``joblib.parallel_config`` sets. None is 1, unless such a
        context says otherwise. The others are trained in one compiled pass, whatever it is.

    Attributes
    ----------
    members_ : list of fitted estimators
        Each as if fitted alone: ``clone(members_[k]).fit(X)`` gives it again, to rounding, unless it has
        rows drawn for it. Seeds differ in the held-out rows, too. The optimiser's state is not kept.
    network_ : MeanMap or MeanPredictor
        The ensemble as an Equinox module.
    alignment_ : Alignment, of maps
        How each member's coordinates are turned and moved onto the common frame.
    scaling_ : Scaling
        center and scale of the features, of the first member; the same in all, unless drawn rows have
        their own.
    classes_ : (K,) array, of classifiers
    n_components_, n_features_in_ : int
    feature_names_in_ : (D,) array of str, if X had names.
    code_, row_shape_ : if X had angles or categories, or was images, as of ``isthmus.Autoencoder``.

    Raises
    ------
    ValueError, TypeError
        As the estimator, and for members with different numbers of coordinates.
    DivergenceError
        If the loss of a member becomes NaN or infinite; that one then has its last good weights.

    Warns
    -----
    UserWarning
        What the members warn of, once, with their number; and after Ctrl-C, which leaves the members
        that have been trained.

    References
    ----------
    Gower 1975, "Generalized Procrustes analysis", Psychometrika 40:33.

    Examples
    --------
    >>> import isthmus
    >>> from sklearn.datasets import load_digits
    >>> X = load_digits().data
    >>> member = isthmus.Autoencoder(2, widths=(32,), max_epochs=10)
    >>> model = isthmus.Ensemble(member, n_members=3, random_state=0).fit(X)
    >>> Z = model.transform(X)  # (1797, 64) → (1797, 2)
    >>> error_bars = isthmus.coordinate_spread(model, X)  # of the same shape
    >>> bool(error_bars.mean() < 0.5 * Z.std())
    True
    """

    members_: list[Member]
    classes_: np.ndarray

    _parameter_constraints: ClassVar[Constraints] = {
        "n_members": [COUNT],
        "bootstrap": ["boolean"],
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        estimator: Member,
        n_members: int = 10,
        *,
        bootstrap: bool = False,
        random_state: int | np.random.RandomState | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.estimator = estimator
        self.n_members = n_members
        self.bootstrap = bootstrap
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(self, X: object, y: object = None, *, checkpoint: CheckpointLike | None = None) -> Self:
        """Train all members on rows (n, D), and with targets ``y`` if they are predictors.

        Parameters
        ----------
        X : array-like (n, D), n ≥ 2
            Rows in their own units, as the estimator takes them.
        y : array-like (n,) or (n, k), or None, default None
            Targets of predictors; ignored by maps.
        checkpoint : path, isthmus.Checkpoint or None, default None
            Where training is kept from time to time: the same fit, killed and started again, goes on
            from there and ends with the same bits. Members that are no networks have none, and are
            fitted in seconds. None keeps nothing.

        Returns
        -------
        self
            The fitted ensemble.

        Raises
        ------
        ValueError, TypeError
            As the estimator, and for members with different numbers of coordinates.
        DivergenceError
            If the loss of a member becomes NaN or infinite; that one then has its last good weights.

        Examples
        --------
        >>> import isthmus
        >>> from sklearn.datasets import load_iris
        >>> X = load_iris().data
        >>> model = isthmus.Ensemble(isthmus.LinearAutoencoder(2), n_members=3, random_state=0).fit(X)
        >>> len(model.members_), model.n_components_
        (3, 2)
        """
        self._check_estimator()
        self._validate_params()
        n_members = self.n_members
        with unchanged_on_error(self):
            rows = check_rows(self, X, reset=True, min_rows=2)
            drawn = check_random_state(self.random_state).randint(2**31 - 1, size=n_members)
            seeds, checkpoints = processes.from_first(lambda: list(map(int, drawn))), None
            if checkpoint is not None:
                checkpoints = self._checkpoints(checkpoint, rows, y)
                seeds = checkpoints.seeds_of(seeds)
            members = [clone(self.estimator).set_params(random_state=seed) for seed in seeds]
            # The names are the ensemble's: its members see numbers.
            unnamed = rows.without_names() if isinstance(rows, StoredRows) else rows
            if is_trained(self.estimator):
                members, diverged = fit_side_by_side(members, unnamed, y, self.bootstrap, checkpoints)
            else:
                members, diverged = fit_each(members, unnamed, y, self.bootstrap, self.n_jobs)
        if len(members) < n_members:
            warnings.warn(
                f"training was interrupted: the ensemble has the first {len(members)} of {n_members} "
                "members",
                stacklevel=2,
            )
        self._adopt(members, rows)
        if is_map(self):
            self._some_rows = some_of(rows)
        if diverged:
            raise DivergenceError(
                f"the loss of {len(diverged)} of {n_members} members became NaN or infinite. The likely "
                "cause is a learning rate that is too high: try a tenth of it. These members hold their "
                "last good weights",
                diverged[0],
            )
        return self

    @property
    def network_(self) -> Any:  # type: ignore[override]  # of a map or of a predictor
        """The ensemble as an Equinox module: raw rows in, coordinates or predictions out."""
        check_is_fitted(self)
        if not hasattr(self, "_network"):
            self._assemble()
        return self._network

    @property
    def scaling_(self) -> Scaling:  # type: ignore[override]
        """Center and scale of the features, of the first member; the same in all, unless drawn rows
        have their own."""
        scaling: Scaling = self.members_[0].scaling_
        return scaling

    @by_blocks(lambda model, _: model._prediction_form)
    def predict(self, X: object) -> np.ndarray:
        """What the mean of the members says of each row: (n, D) → (n,) or (n, k).

        Parameters
        ----------
        X : array-like (n, D)
            Rows in their own units; of a collection of Dask a Dask array comes back.

        Returns
        -------
        array (n,) or (n, k)
            Of regressors the mean of the members' numbers, float64. Of classifiers the class whose
            probability is the largest on average.

        Raises
        ------
        NotFittedError, ValueError
            What the members' ``predict`` raises; an ensemble of maps has no ``predict``.

        Examples
        --------
        >>> import isthmus
        >>> from sklearn.datasets import load_iris
        >>> X, y = load_iris(return_X_y=True)
        >>> member = isthmus.FeedForwardClassifier((), max_epochs=50)
        >>> model = isthmus.Ensemble(member, n_members=2, random_state=0).fit(X, y)
        >>> bool((model.predict(X) == model.predict_proba(X).argmax(axis=1)).all())  # classes 0, 1, 2
        True
        """
        check_is_fitted(self)
        if _classifies(self):
            labels: np.ndarray = self.classes_[np.argmax(self.predict_proba(X), axis=1)]
            return labels
        targets = self._mean_prediction(X, self.members_[0].target_scaling_.center)
        return np.asarray(targets.reshape(len(targets), *self.members_[0].target_shape_))

    @by_blocks(lambda model, _: ((len(model.classes_),), FLOAT32))
    def predict_proba(self, X: object) -> Float[np.ndarray, "n K"]:
        """Mean of the members' probabilities of the classes: (n, D) → (n, K), float32.

        Parameters
        ----------
        X : array-like (n, D)
            Rows in their own units; of a collection of Dask a Dask array comes back.

        Returns
        -------
        array (n, K)
            In the order of ``classes_``; each row's sum is 1.

        Raises
        ------
        NotFittedError, ValueError
            What the members' ``predict_proba`` raises; only an ensemble of classifiers has it.

        Examples
        --------
        >>> import isthmus
        >>> from sklearn.datasets import load_iris
        >>> X, y = load_iris(return_X_y=True)
        >>> member = isthmus.FeedForwardClassifier((), max_epochs=50)
        >>> model = isthmus.Ensemble(member, n_members=2, random_state=0).fit(X, y)
        >>> one, other = (member.predict_proba(X) for member in model.members_)
        >>> bool(abs(model.predict_proba(X) - (one + other) / 2).max() < 1e-6)
        True
        """
        check_is_fitted(self)
        return self._mean_prediction(X, np.zeros(len(self.classes_))).astype(np.float32)

    @property
    def predict_function(self) -> Callable[[Float[Array, "... D"]], Float[Array, "... K"]]:
        """The pure function of raw rows that a predictor's members are on average: (..., D) → (..., k).

        Traceable, differentiable, and itself a pytree, as that of one predictor. Raises NotFittedError
        before ``fit``.
        """
        return cast(Callable[[Array], Array], self.network_)

    def score(self, X: object, y: object = None) -> float:
        """How good the ensemble is on rows: the higher the better.

        Parameters
        ----------
        X : array-like (n, D)
            Rows, best such as it was not fitted to.
        y : array-like (n,) or (n, k), or None, default None
            Targets of predictors; ignored by maps.

        Returns
        -------
        float
            Of maps −mean ‖x − x̂‖², in the data's squared units; of regressors R², of classifiers the
            accuracy. Raises what ``transform`` or ``predict`` raises.

        Examples
        --------
        Members that are PCA are the same, and so is their mean:

        >>> import isthmus
        >>> from sklearn.datasets import load_iris
        >>> X = load_iris().data
        >>> member = isthmus.LinearAutoencoder(2)
        >>> model = isthmus.Ensemble(member, n_members=3, random_state=0).fit(X)
        >>> abs(model.score(X) - member.fit(X).score(X)) < 1e-6
        True
        """
        check_is_fitted(self)
        if is_map(self):
            return super().score(X)
        mixin = ClassifierMixin if _classifies(self) else RegressorMixin
        return float(mixin.score(self, X, y))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        own = get_tags(self.estimator)
        tags.estimator_type = own.estimator_type
        tags.classifier_tags, tags.regressor_tags = own.classifier_tags, own.regressor_tags
        tags.input_tags, tags.target_tags = own.input_tags, own.target_tags
        if _predicts(self):
            tags.transformer_tags = None
        return tags

    def __getstate__(self) -> dict[str, object]:
        """Without what the members are assembled to."""
        return {name: value for name, value in super().__getstate__().items() if name != "_network"}

    @property
    def _widest(self) -> int:
        return widest_layer(self.members_[0].network_)

    @property
    def _prediction_form(self) -> Form:
        if _classifies(self):
            return (), self.classes_.dtype
        return self.members_[0].target_shape_, FLOAT64

    def _check_estimator(self) -> None:
        known = isinstance(self.estimator, BaseMap | FeedForwardPredictor)
        if isinstance(self.estimator, Ensemble) or not known:
            raise TypeError(
                f"estimator={self.estimator!r}: expected an isthmus estimator that is not an ensemble, "
                "such as isthmus.Autoencoder(2)"
            )

    def _checkpoints(self, checkpoint: CheckpointLike, rows: Rows, y: object) -> FitCheckpoints:
        if not is_trained(self.estimator):
            raise ValueError(
                f"checkpoint={checkpoint!r}: {type(self.estimator).__name__} is not trained as networks "
                "are, and has no checkpoints; leave checkpoint out"
            )
        return FitCheckpoints(checkpoint, identity_of(self, rows, y if _predicts(self) else None))

    def _adopt(self, members: list[Member], rows: Rows) -> None:
        """Take over fitted members, and align them on these rows if they are maps."""
        self.members_ = members
        for member in members:
            member.__dict__.pop("_some_rows", None)
        if is_map(self):
            self.alignment_ = aligned(members, rows)
        elif _classifies(self):
            self.classes_ = members[0].classes_
        self._assemble()
        if hasattr(self, "feature_names_in_"):
            for member in members:
                member.feature_names_in_ = self.feature_names_in_

    def _assemble(self) -> None:
        """The members as one network, from what a saved ensemble has."""
        alignment = self.alignment_ if is_map(self) else None
        self._network: MeanMap | MeanPredictor = assembled(self.members_, alignment)

    def _mean_prediction(self, X: object, add: Float[np.ndarray, " K"]) -> Float[np.ndarray, "n K"]:
        """Mean over the members, in float64, plus ``add``."""
        check_is_fitted(self)
        return apply(
            self.network_.predict_centred,
            check_rows(self, X, reset=False),
            center=self.scaling_.center,
            add=add,
            width=len(self.network_.target_center),
            dtype=np.float64,
            widest=self._widest,
        )


AVAILABLE = {
    is_map: ("transform", "fit_transform", "inverse_transform", "get_feature_names_out", "set_output"),
    _predicts: ("predict",),
    _classifies: ("predict_proba",),
}
for _condition, _names in AVAILABLE.items():
    for _name in _names:
        # After the class: scikit-learn replaces a transform that it finds inside, with its condition.
        setattr(Ensemble, _name, available_if(_condition)(getattr(Ensemble, _name)))


def ensemble_of(members: Sequence[Member], rows: Rows) -> Ensemble:
    """Fitted models of one kind as an ensemble; maps are aligned on these rows."""
    first = members[0]
    ensemble = Ensemble(clone(first), len(members))
    ensemble.n_features_in_ = first.n_features_in_
    for name in ("feature_names_in_", "code_"):
        if hasattr(first, name):
            setattr(ensemble, name, getattr(first, name))
    ensemble._adopt(list(members), rows)
    return ensemble
