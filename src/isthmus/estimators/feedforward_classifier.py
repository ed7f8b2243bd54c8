"""Feed-forward networks that tell classes: the perceptron and the multi-layer network.

y = f(x|w), a Markov chain of layers x⁽ˡ⁺¹⁾ = g(W x⁽ˡ⁾ − λ) (lecture notes, "Kernel networks" and
"Training a NN"). One wide hidden layer is the perceptron, which approximates any continuous function;
with more layers some functions are easier to find.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import optax
from jaxtyping import Float
from sklearn.base import ClassifierMixin
from sklearn.utils import column_or_1d
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from isthmus import registry
from isthmus.data.rows import FLOAT32, Rows
from isthmus.estimators.blocks import by_blocks
from isthmus.estimators.plan import as_loss
from isthmus.estimators.predictor import FeedForwardPredictor, takes_parts
from isthmus.estimators.targets import Labels, label_targets
from isthmus.networks.layers import Activation
from isthmus.objectives.losses import Loss
from isthmus.objectives.prediction import LABEL_LOSSES


@registry.estimators
class FeedForwardClassifier(ClassifierMixin, FeedForwardPredictor):
    """Classes of rows by a feed-forward network: perceptron, multi-layer network, logistic regression.

    Two classes have labels b = −1 and 1, in the order of ``classes_``, and one output f(x|w), trained so
    that tanh f ≈ b. The probability of b = 1 is p = (1 + tanh f)/2 = 1/(1 + e⁻²ᶠ): this is what tanh f
    tends to under either loss, since both are least at tanh f = E[b|x] = 2 P(b = 1|x) − 1. More classes
    have an output each, and probabilities by softmax.

    Training starts at the frequencies of the classes, the same for all rows. A tenth of the rows of each
    class is held out to choose the epoch, the start among them: if nothing is better than that, the
    model is the start, and ``NoImprovementWarning`` says so.

    Parameters
    ----------
    widths : sequence of int, default (100, 100)
        Hidden layers, input to output. ``(M,)`` is the perceptron, more of them the multi-layer network,
        ``()`` is logistic regression. One layer of 100 does as well on most tables, to the scatter
        between seeds, but hardly learns functions of few columns that turn sign with them, such as
        sin 3x cos 3y: of 1 000 rows it explains nothing, and two layers 99 %.
    activation : str, callable or sequence of these, default "silu"
        g in g(Wx − λ): "tanh", "relu", "cos", "silu", "gelu", "identity" or a function of JAX arrays,
        one for all hidden layers or one per hidden layer. SiLU as in the auto-encoders: it is smooth.
    skip_links : bool, default False
        Links l → l+2 between layers.
    start : {"constant", "gaussian"}, default "constant"
        Gaussian weights in every layer, or in all but the last, which starts at zero, so that nothing of
        a random function stays in the one learnt: better on small regression tables, as good on classes.
    loss : {"cross_entropy", "squared"} or object, default "cross_entropy"
        "cross_entropy": −log p_y, which is log(1 + e⁻²ᵇᶠ) for two classes. Its slope does not vanish
        where the network is wrong and sure of it. "squared": (b − tanh f)² for two classes, and for more
        2 Σ_k (1[y = k] − p_k)², which is the same for two: twice Brier's score. An object has a
        ``link`` and ``__call__`` as ``isthmus.objectives.prediction.SquaredLabels`` has.
    scaling : {"standard", "range", None}, default "standard"
        What the network sees: mean 0 and variance 1 for each feature, because columns come in different
        units; [0, 1] for each; or one factor for all. The model takes raw data in any case.
    solver : {"adam", "gradient_descent", "lbfgs"} or optax.GradientTransformation, default "adam"
        "adam": with Nesterov's momentum, β₂ = 0.99, 5 % warm-up, then linearly to 0. "gradient_descent":
        w ← w − ε ∂L/∂w with all rows in each step, unless ``batch_size`` is given. "lbfgs": quasi-Newton
        steps with all rows and a line search, for small data and for convex problems; no
        ``partial_fit``.
    learning_rate : float or None, default None
        Peak rate; ``None`` is 4e-3 for "adam" and 0.1 for "gradient_descent". Must be ``None`` for
        "lbfgs" and for an Optax transformation, which have their own.
    weight_decay : float, default 0.0
        λ of the penalty ½ λ Σ ‖W‖² on all weights but the shifts, in scaled units; "adam" decays the
        weights apart from the gradient instead (AdamW). 0, because held-out rows end training: 0.3 for
        "adam" changed nothing then.
    class_weight : dict, "balanced" or None, default None
        Weight of each class in the loss; "balanced" is n/(K · rows of the class). Weights are divided
        by their mean over the rows, so that a learning rate means the same.
    batch_size : int or None, default None
        ``None`` is 128: half of it is slower per row, twice it takes more epochs.
    max_epochs : int or None, default None
        ``None`` gives about 4 000 updates in 400 epochs at most: more of them made probabilities worse
        on tables of a few hundred rows, though smooth functions without noise gain. Many rows get 20
        passes, but 10 000 updates at most, and an epoch of no more than 500; with a number given an
        epoch is a pass over all rows.
    validation_fraction : float, default 0.1
        Share of the rows held out; at least 20 rows, but a third of all, and 20 000, at most. 0 holds
        out none: then nothing is chosen, and the last epoch is the result.
    patience : int or None, default None
        Epochs without a better one after which training ends; ``None`` is a fifth of ``max_epochs``, and
        10 at least.
    warm_start : bool, default False
        Whether ``fit`` goes on from the last fit, scaling and classes included.
    random_state : int, RandomState or None, default None
        Of the held-out split, the weights and the batches. The same integer gives the same bits on the
        same machine.
    verbose : bool or None, default None
        Whether progress is shown on stderr: a bar, or lines where it goes into a file. None: a bar on a
        terminal or in a notebook, once training has taken two seconds, and never in a worker process.

    Attributes
    ----------
    classes_ : (K,) array
        The labels, sorted.
    n_parameters_ : int
        Numbers that training moves.
    history_ : dict of arrays, one entry per epoch
        "epoch" (0 is the start), "train_loss", "validation_loss", "learning_rate", "seconds".
    best_epoch_ : int
        The epoch that the model is from.
    validation_loss_ : float
        Mean loss on the held-out rows; NaN without.
    scaling_ : Scaling
        center (D,) and scale (D,) of the features.
    network_ : Predictor
        The model as an Equinox module: raw rows in, probabilities (n, K) out.
    n_features_in_ : int
    feature_names_in_ : (D,) array of str, if X had names.

    Warns
    -----
    NoImprovementWarning
        If no epoch beat the start.
    UserWarning
        After Ctrl-C, which ends training with the best epoch so far.

    References
    ----------
    Rosenblatt 1958, "The perceptron", Psychological Review 65:386. Brier 1950, "Verification of
    forecasts expressed in terms of probability", Monthly Weather Review 78:1.

    Examples
    --------
    >>> import isthmus
    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> model = isthmus.FeedForwardClassifier((64,), max_epochs=20, random_state=0)
    >>> model = model.fit(X[::2], y[::2])
    >>> model.predict_proba(X[1::2]).shape  # (898, 64) → (898, 10)
    (898, 10)
    >>> model.score(X[1::2], y[1::2]) > 0.9
    True
    >>> model.n_parameters_ == (64 + 1) * 64 + (64 + 1) * 10
    True
    """

    classes_: np.ndarray

    def __init__(
        self,
        widths: Sequence[int] = (100, 100),
        *,
        activation: str | Activation | Sequence[str | Activation] = "silu",
        skip_links: bool = False,
        start: str = "constant",
        loss: str | Loss = "cross_entropy",
        scaling: str | None = "standard",
        solver: str | optax.GradientTransformation = "adam",
        learning_rate: float | None = None,
        weight_decay: float = 0.0,
        class_weight: Mapping[Any, float] | str | None = None,  # labels of any type
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
        self.class_weight = class_weight
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    @available_if(takes_parts)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: object, y: object, classes: object = None) -> Self:
        """Train for one pass over rows (n, D), from where the last call, or ``fit``, ended.

        Adam keeps its moments from call to call, at a constant rate, 1e-3 unless ``learning_rate`` says
        otherwise. No rows are held out. With solver="lbfgs", which needs all rows at once, there is no
        ``partial_fit``.

        Parameters
        ----------
        X : array-like (n, D)
            Rows in their own units. Those of the first call set the scaling.
        y : array-like (n,)
            Their classes.
        classes : array-like (K,) or None, default None
            All classes that any y will have: the first call needs them, and later ones may repeat them.

        Returns
        -------
        self
            The classifier after this pass.

        Raises
        ------
        ValueError
            Without ``classes`` in the first call, for others in a later one, for
            class_weight="balanced", which needs all rows at once, and for what ``fit`` refuses.
        TypeError, DivergenceError
            As ``fit``.

        Examples
        --------
        >>> import isthmus
        >>> from sklearn.datasets import load_iris
        >>> X, y = load_iris(return_X_y=True)
        >>> model = isthmus.FeedForwardClassifier((), random_state=0)
        >>> for start in (0, 1):  # every other row, and then the others
        ...     model = model.partial_fit(X[start::2], y[start::2], classes=[0, 1, 2])
        >>> model.predict_proba(X).shape
        (150, 3)
        """
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' needs all rows at once, and partial_fit sees parts: pass a "
                "dict with a weight for each class"
            )
        known = getattr(self, "classes_", None)
        if classes is not None:
            classes = np.unique(column_or_1d(classes))
            if known is not None and not np.array_equal(classes, known):
                raise ValueError(
                    f"classes={classes.tolist()} are not those of the first call, {known.tolist()}"
                )
        elif known is None:
            raise ValueError(
                "the first call of partial_fit needs classes=, all labels that any y will have, such as "
                "numpy.unique(all_y)"
            )
        return self._fit_one_pass(X, y, classes=classes if known is None else known)

    @by_blocks(lambda model, _: ((), model.classes_.dtype))
    def predict(self, X: object) -> np.ndarray:
        """The most probable class of each row: (n, D) → (n,), as ``classes_`` has it.

        Parameters
        ----------
        X : array-like (n, D)
            Rows in their own units; of a collection of Dask a Dask array comes back.

        Returns
        -------
        array (n,)
            Labels of the type that y had. Raises what ``predict_proba`` raises.

        Examples
        --------
        >>> import isthmus
        >>> from sklearn.datasets import load_digits
        >>> X, y = load_digits(return_X_y=True)
        >>> model = isthmus.FeedForwardClassifier((64,), max_epochs=20, random_state=0)
        >>> model = model.fit(X[::2], y[::2])
        >>> model.predict(X[[1, 3, 7]]).tolist()  # images of 1, 3 and 7, which it has not seen
        [1, 3, 7]
        """
        decision = self.decision_function(X)
        number = decision > 0 if decision.ndim == 1 else np.argmax(decision, axis=1)
        labels: np.ndarray = self.classes_[np.asarray(number, int)]
        return labels

    @by_blocks(lambda model, _: ((len(model.classes_),), FLOAT32))
    def predict_proba(self, X: object) -> Float[np.ndarray, "n K"]:
        """Probabilities of the classes: (n, D) → (n, K), float32, in the order of ``classes_``.

        Row-wise, and in blocks, so that the extra memory does not grow with n.

        Parameters
        ----------
        X : array-like (n, D)
            Rows in their own units; of a collection of Dask a Dask array comes back.

        Returns
        -------
        array (n, K)
            Each row's sum is 1.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ValueError
            For NaN, infinity, text, or another number of features than ``fit`` saw.

        Examples
        --------
        >>> import isthmus
        >>> from sklearn.datasets import load_digits
        >>> X, y = load_digits(return_X_y=True)
        >>> model = isthmus.FeedForwardClassifier((64,), max_epochs=20, random_state=0)
        >>> model = model.fit(X[::2], y[::2])
        >>> p = model.predict_proba(X[1::2])  # (898, 64) → (898, 10)
        >>> p.shape, bool(abs(p.sum(axis=1) - 1.0).max() < 1e-5)
        ((898, 10), True)
        """
        check_is_fitted(self)
        return self._apply(self.network_.predict_centred, X, len(self.classes_))

    @by_blocks(lambda model, _: ((K,) if (K := len(model.classes_)) > 2 else (), FLOAT32))
    def decision_function(self, X: object) -> Float[np.ndarray, "n ..."]:
        """Outputs of the network, float32: f (n,) for two classes, otherwise (n, K), before the softmax.

        f > 0 is the class ``classes_[1]``, and f = artanh(2p − 1).

        Parameters
        ----------
        X : array-like (n, D)
            Rows in their own units; of a collection of Dask a Dask array comes back.

        Returns
        -------
        array (n,) or (n, K)
            Raises what ``predict_proba`` raises.

        Examples
        --------
        The probabilities of more than two classes are the softmax of the outputs:

        >>> from scipy.special import softmax
        >>> import isthmus
        >>> from sklearn.datasets import load_digits
        >>> X, y = load_digits(return_X_y=True)
        >>> model = isthmus.FeedForwardClassifier((64,), max_epochs=20, random_state=0)
        >>> model = model.fit(X[::2], y[::2])
        >>> f = model.decision_function(X[1::2])  # (898, 64) → (898, 10)
        >>> bool(abs(softmax(f, axis=1) - model.predict_proba(X[1::2])).max() < 1e-5)
        True
        """
        check_is_fitted(self)
        n_classes = len(self.classes_)
        outputs = self._apply(self.network_.outputs_centred, X, n_classes if n_classes > 2 else 1)
        return outputs if n_classes > 2 else outputs[:, 0]

    def _checked_loss(self) -> Loss:
        return as_loss(self.loss, LABEL_LOSSES)

    def _targets(self, y: object, rows: Rows, *, continues: bool, **known: np.ndarray | None) -> Labels:
        return label_targets(
            y, rows, self.class_weight, self.classes_ if continues else known.get("classes")
        )
