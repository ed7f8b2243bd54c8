"""Feed-forward networks that predict numbers: regression by a perceptron or a multi-layer network.

ŷ = f(x|w) is the chain of layers of ``isthmus.estimators.feedforward_classifier``, whose outputs are the
targets themselves, in units of their standard deviation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
import optax
from jaxtyping import Float
from sklearn.base import RegressorMixin
from sklearn.utils import Tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from isthmus import registry
from isthmus.data.rows import FLOAT64, Rows
from isthmus.data.scaling import Scaling
from isthmus.estimators.blocks import by_blocks
from isthmus.estimators.plan import as_loss, interval_of
from isthmus.estimators.predictor import FeedForwardPredictor, takes_parts
from isthmus.estimators.targets import Numbers, number_targets
from isthmus.networks.layers import Activation
from isthmus.objectives.losses import Loss, named_losses


@registry.estimators
class FeedForwardRegressor(RegressorMixin, FeedForwardPredictor):
    """One or more numbers of each row by a feed-forward network: perceptron, multi-layer network.

    Targets are scaled inside the model, so that it takes and gives raw numbers. Training starts at their
    mean, the same for all rows. A tenth of the rows is held out to choose the epoch, the start among
    them: if nothing is better than that, the model is the start, and ``NoImprovementWarning`` says so.

    Parameters
    ----------
    loss : {"squared", "absolute", "huber"} or object, default "squared"
        Per row, summed over the targets in units of their standard deviation: ½ Σ (y − ŷ)², whose best
        prediction is the mean; Σ |y − ŷ|, the median; "huber", between the two.
    widths, activation, skip_links, start, scaling, solver, learning_rate, weight_decay, batch_size, \
max_epochs, validation_fraction, patience, warm_start, random_state, verbose
        As for ``isthmus.FeedForwardClassifier``, with the same defaults for the same reasons.
        ``widths=()`` is linear regression, and with ``weight_decay`` ridge regression.

    Attributes
    ----------
    target_scaling_ : Scaling
        center (k,) and scale (k,) of the targets: their mean and standard deviation.
    target_shape_ : tuple
        () where y was (n,), (k,) where it was (n, k): what ``predict`` gives for each row.
    network_ : Predictor
        The model as an Equinox module: raw rows in, targets (n, k) out.
    n_parameters_, history_, best_epoch_, validation_loss_, scaling_, n_features_in_, feature_names_in_
        As for ``isthmus.FeedForwardClassifier``.

    Warns
    -----
    NoImprovementWarning, UserWarning
        As ``isthmus.FeedForwardClassifier``.

    References
    ----------
    Cybenko 1989, "Approximation by superpositions of a sigmoidal function", Mathematics of Control,
    Signals and Systems 2:303: one hidden layer approximates any continuous function.

    Examples
    --------
    >>> import isthmus
    >>> import numpy as np
    >>> x = np.linspace(-3, 3, 400)[:, None]
    >>> model = isthmus.FeedForwardRegressor((32,), learning_rate=0.01, random_state=0)
    >>> model = model.fit(x, np.sin(x[:, 0]))
    >>> model.predict(x).shape
    (400,)
    >>> model.score(x, np.sin(x[:, 0])) > 0.99
    True
    """

    target_scaling_: Scaling
    target_shape_: tuple[int, ...]

    def __init__(
        self,
        widths: Sequence[int] = (100, 100),
        *,
        activation: str | Activation | Sequence[str | Activation] = "silu",
        skip_links: bool = False,
        start: str = "constant",
        loss: str | Loss = "squared",
        scaling: str | None = "standard",
        solver: str | optax.GradientTransformation = "adam",
        learning_rate: float | None = None,
        weight_decay: float = 0.0,
        batch_size: int | None = None,
        max_epochs: int | None = None,
        validation_fraction: float = 0.1,
        patience: int | None = None,
        warm_start: bool = False,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool | None = None,
    ) -> None:
        self.widths = widths
        self.activation = activation
        self.skip_links = skip_links
        self.start = start
        self.loss = loss
        self.scaling = scaling
        self.solver = solver
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    @available_if(takes_parts)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: object, y: object) -> Self:
        """Train for one pass over rows (n, D), from where the last call, or ``fit``, ended.

        Adam keeps its moments from call to call, at a constant rate, 1e-3 unless ``learning_rate`` says
        otherwise. No rows are held out. With solver="lbfgs", which needs all rows at once, there is no
        ``partial_fit``.

        Parameters
        ----------
        X : array-like (n, D)
            Rows in their own units.
        y : array-like (n,) or (n, k)
            Their targets, in their own units. The first call sets the scaling of rows and targets.

        Returns
        -------
        self
            The regressor after this pass.

        Raises
        ------
        ValueError, TypeError, DivergenceError
            As ``fit``.

        Examples
        --------
        >>> import isthmus, numpy as np
        >>> x = np.linspace(-1, 1, 60)[:, None]
        >>> model = isthmus.FeedForwardRegressor((), random_state=0)
        >>> for _ in range(2):  # two passes
        ...     model = model.partial_fit(x, 2 * x[:, 0] + 1)
        >>> model.predict(x).shape
        (60,)
        """
        return self._fit_one_pass(X, y)

    @by_blocks(lambda model, _: (model.target_shape_, FLOAT64))
    def predict(self, X: object) -> Float[np.ndarray, "n ..."]:
        """Targets of rows: (n, D) → (n,), or (n, k) where y was, in their own units, float64.

        Row-wise, and in blocks, so that the extra memory does not grow with n.

        Parameters
        ----------
        X : array-like (n, D)
            Rows in their own units; of a collection of Dask a Dask array comes back.

        Returns
        -------
        array (n,) or (n, k)
            float64.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ValueError
            For NaN, infinity, text, or another number of features than ``fit`` saw.

        Examples
        --------
        >>> import isthmus, numpy as np
        >>> x = np.linspace(-3, 3, 400)[:, None]
        >>> model = isthmus.FeedForwardRegressor((32,), learning_rate=0.01, random_state=0)
        >>> model = model.fit(x, np.sin(x[:, 0]))
        >>> y = model.predict([[0.0], [np.pi / 2]])  # (2, 1) → (2,)
        >>> y.shape, bool(abs(y - [0.0, 1.0]).max() < 0.1)  # sin 0 = 0 and sin π/2 = 1
        ((2,), True)
        """
        check_is_fitted(self)
        center = self.target_scaling_.center
        targets = self._apply(
            self.network_.predict_centred, X, len(center), add=center, dtype=np.float64
        )
        return targets.reshape(len(targets), *self.target_shape_)

    def _checked_loss(self) -> Loss:
        anywhere = {name: loss for name, loss in named_losses().items() if interval_of(loss) is None}
        loss = as_loss(self.loss, anywhere)
        if interval_of(loss) is not None:
            raise ValueError(
                f"{type(loss).__name__} is for numbers in [0, 1], and targets are scaled to mean 0 and "
                "variance 1: use loss='squared', or FeedForwardClassifier for classes"
            )
        return loss

    def _targets(self, y: object, rows: Rows, *, continues: bool, **known: np.ndarray | None) -> Numbers:
        if not continues:
            return number_targets(y, rows)
        return number_targets(y, rows, self.target_scaling_, self.target_shape_)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
