"""The auto-encoder: a non-linear map through a bottleneck, started at PCA and never worse.

x̂ = decode(encode(x)), trained to reproduce x through d numbers (lecture notes, "Auto-encoders").
Both directions are a PCA path plus a correction that starts at zero; held-out rows choose the epoch,
with PCA itself, epoch 0, in the running.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import ClassVar

import numpy as np
import optax

from isthmus import registry
from isthmus.data.rows import Rows
from isthmus.data.scaling import Scaling
from isthmus.estimators.fitting import input_noise_for
from isthmus.estimators.maps import Objectives, Start, TrainedMap
from isthmus.estimators.parameters import NOT_NEGATIVE, Constraints
from isthmus.estimators.plan import Plan, as_loss, check_interval, check_loss, scaling_for
from isthmus.networks.layers import Activation
from isthmus.networks.links import Link, link_of
from isthmus.objectives.corruption import TrainingRows, white
from isthmus.objectives.losses import Loss
from isthmus.objectives.reconstruction import Reconstruction


@registry.estimators
class Autoencoder(TrainedMap):
    """An explicit, differentiable, invertible map to a few coordinates, never worse than PCA.

    Encoder and decoder are each ``PCA path + correction``: the path starts at the principal axes, the
    correction is a feed-forward network that starts at zero, so that epoch 0 is PCA. A tenth of the
    rows is held out to choose the epoch; one replaces PCA only if it is better by more than chance
    (Student's paired test at 2.5 %, with and without the row that gains most). Where that would be
    fewer than 50 rows, none are held out: five more maps are trained at the same time, each without a
    fifth of the rows, and all of these rows together choose the epoch, and are tested. Where nothing
    beats PCA, the model *is* PCA and ``NoImprovementWarning`` says so.

    Coordinates are canonical: uncorrelated, in the order of their variance, with the largest average
    loading ∂x̂/∂z positive, and of a length such that a unit step in z moves x̂ by a unit on average.

    Parameters
    ----------
    n_components : int, default 2
        Coordinates d, at most min(n, D); 2 because a map is to be looked at.
    widths : sequence of int, default (256, 256)
        Hidden layers of the encoder, input to bottleneck. (512, 256) is as good in the same time, in
        fewer steps; (256, 128) is worse on curved surfaces. ``()`` leaves the PCA path and a linear
        layer.
    decoder_widths : sequence of int or None, default None
        Hidden layers of the decoder, bottleneck to output. ``None`` mirrors the encoder.
    activation : str, callable or sequence of these, default "silu"
        g in g(Wx − λ): "tanh", "relu", "cos", "silu", "gelu", "identity" or a function of JAX arrays,
        one for all hidden layers or one per hidden layer, encoder first. SiLU is smooth, so the map and
        its Jacobian are.
    skip : {"pca", None}, default "pca"
        The PCA path. ``None`` leaves a plain auto-encoder, which may be worse than PCA.
    skip_links : bool, default False
        Links l → l+2 between hidden layers.
    tied : bool, default False
        One W for both directions: the decoder's weights are the encoder's, transposed.
    loss : {"squared", "absolute", "huber", "cross_entropy"} or object, default "squared"
        In scaled units. "squared" is PCA's own loss; "absolute" and "huber" bear outliers;
        "cross_entropy" is for data in [0, 1]. ``isthmus.Huber(delta=0.5)`` sets a parameter.
    scaling : {None, "standard", "range", "robust"}, default None
        What the network sees. ``None``: one factor for all features, which keeps the geometry of the raw
        data, as PCA does. "standard": mean 0 and variance 1 for each feature, for columns of different
        units. "range": [0, 1] for each. "robust": median and interquartile range in place of mean and
        standard deviation, for heavy tails. The model takes and returns raw data in any case.
    periodic : dict or None, default None
        Columns that are angles, or times of a day or a year, by name or position, and their periods in
        the data's units: ``{"phi": 360}``. The network sees a point on a circle of that circumference,
        and decodes to an angle in [0, period) if no angle of the fit was below 0, else in
        [−period/2, period/2).
    categorical : list or None, default None
        Columns that are categories, by name or position, texts or numbers. The network sees a column of
        zeros and ones for each, and decodes to the likeliest. With categories that are texts
        ``inverse_transform`` returns an array of objects.
    input_noise : float or None, default None
        Standard deviation of Gaussian noise added to the inputs in training, in units of a feature's
        typical spread; it keeps the map smooth between the rows. 0 turns it off. ``None`` is 1.25
        times the typical distance of a row to its nearest other, per feature, at most 1: 0.06 on 2 000
        rows of a swiss roll, 0.6 on small images of digits, 0.8 on large ones. Half and twice as much
        do worse on held-out rows of one or the other.
    solver : {"adam", "gradient_descent"} or optax.GradientTransformation, default "adam"
        "adam": with Nesterov's momentum, β₂ = 0.99, 5 % warm-up, then linearly to 0, decoupled weight
        decay 0.1.
        "gradient_descent": w ← w − ε ∂L/∂w with all rows in each step, unless ``batch_size`` is given.
    learning_rate : float or None, default None
        Peak rate; ``None`` is 4e-3 for "adam" and 0.1 for "gradient_descent". Must be ``None`` for an
        Optax transformation, which has its own.
    batch_size : int or None, default None
        ``None`` is 128: half of it is slower per row, twice it takes more epochs.
    max_epochs : int or None, default None
        ``None`` gives about 2 000 updates in 1 000 epochs at most, up to 12 000 rows; more rows get 20
        passes, but 10 000 updates at most, and an epoch of no more than 500: the time does not grow
        with the rows. With a number given an epoch is a pass over all rows.
    validation_fraction : float, default 0.1
        Share of the rows held out. Where that is fewer than 50 rows, and training begins at PCA, each
        of five folds is held out from a map of its own, and the model is fitted to all rows; where it
        does not, and with more than 4 million weights, 20 rows at least are held out, but a third of all
        at most. Never more than 20 000, which tell epochs apart as well as more would. 0 holds out none:
        then nothing is chosen, and the last epoch is the result.
    patience : int or None, default None
        Epochs without a better one after which training ends; ``None`` is a fifth of ``max_epochs``, and
        10 at least.
    warm_start : bool, default False
        Whether ``fit`` goes on from the last fit, scaling included, instead of from PCA.
    random_state : int, RandomState or None, default None
        Of the held-out split, the weights, the batches and the noise. The same integer gives the same
        bits on the same machine.
    verbose : bool or None, default None
        Whether progress is shown on stderr: a bar, or lines where it goes into a file. None: a bar on a
        terminal or in a notebook, once training has taken two seconds, and never in a worker process.

    Attributes
    ----------
    validation_loss_, pca_validation_loss_ : float
        Mean loss on the held-out rows, of the model and of PCA, in scaled units. Of few rows, those of
        the five maps beside it.
    history_ : dict of arrays, one entry per epoch
        "epoch" (0 is the start), "train_loss", "validation_loss", "learning_rate", "seconds".
    best_epoch_ : int
        The epoch that the model is from; 0 is PCA.
    input_noise_ : float
        The ``input_noise`` that training used.
    scaling_ : Scaling
        center (D,) and scale (D,) of the features.
    network_ : DataMap
        The map as an Equinox module: raw data in, coordinates out.
    code_ : ColumnCode, if there are angles or categories
        How these are written as numbers, which ``network_`` takes, and read back.
    row_shape_ : tuple, if X was images
        (height, width) or (height, width, c): what ``inverse_transform`` gives for each row.
    n_components_, n_features_in_ : int
        Coordinates d, and features D that ``fit`` saw; of images the pixels.
    feature_names_in_ : (D,) array of str, if X had names.

    Raises
    ------
    ValueError, TypeError
        For rows that are not finite numbers, and parameters that do not fit them or one another.
    DivergenceError
        If the loss becomes NaN or infinite; the model then holds its last good weights.

    Warns
    -----
    NoImprovementWarning
        If no epoch beat PCA.
    UserWarning
        After Ctrl-C, which ends training with the best epoch so far.

    References
    ----------
    Hinton & Salakhutdinov 2006, "Reducing the dimensionality of data with neural networks", Science
    313:504. He et al. 2016, arXiv:1603.05027, for the identity path; Zhang et al. 2019,
    arXiv:1901.09321, for the correction that starts at zero.

    Examples
    --------
    >>> import isthmus
    >>> from sklearn.datasets import load_digits
    >>> X = load_digits().data
    >>> model = isthmus.Autoencoder(2, widths=(64, 32), max_epochs=20, random_state=0).fit(X)
    >>> Z = model.transform(X)  # (1797, 64) → (1797, 2)
    >>> model.inverse_transform(Z).shape
    (1797, 64)
    >>> model.validation_loss_ < model.pca_validation_loss_
    True
    """

    input_noise_: float

    _parameter_constraints: ClassVar[Constraints] = {
        **TrainedMap._parameter_constraints,
        "tied": ["boolean"],
        "input_noise": [NOT_NEGATIVE, None],
    }

    def __init__(
        self,
        n_components: int = 2,
        *,
        widths: Sequence[int] = (256, 256),
        decoder_widths: Sequence[int] | None = None,
        activation: str | Activation | Sequence[str | Activation] = "silu",
        skip: str | None = "pca",
        skip_links: bool = False,
        tied: bool = False,
        loss: str | Loss = "squared",
        scaling: str | None = None,
        periodic: Mapping[Hashable, float] | None = None,
        categorical: Sequence[Hashable] | None = None,
        input_noise: float | None = None,
        solver: str | optax.GradientTransformation = "adam",
        learning_rate: float | None = None,
        batch_size: int | None = None,
        max_epochs: int | None = None,
        validation_fraction: float = 0.1,
        patience: int | None = None,
        warm_start: bool = False,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool | None = None,
    ) -> None:
        self.n_components = n_components
        self.widths = widths
        self.decoder_widths = decoder_widths
        self.activation = activation
        self.skip = skip
        self.skip_links = skip_links
        self.tied = tied
        self.loss = loss
        self.scaling = scaling
        self.periodic = periodic
        self.categorical = categorical
        self.input_noise = input_noise
        self.solver = solver
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    def _check_parameters(self) -> None:
        check_loss(as_loss(self.loss), self.scaling)

    def _schedule(self, n_rows: int, n_features: int, *, continues: bool) -> Plan:
        self._check_parameters()
        return Plan.of(self, n_rows, n_features, continues=continues, tied=self.tied)

    def _check_data(self, rows: Rows) -> None:
        check_interval(as_loss(self.loss), self.scaling, rows)

    def _fit_scaling(self, rows: Rows) -> Scaling:
        return scaling_for(as_loss(self.loss), self.scaling, rows)

    def _objectives(self, data: TrainingRows, start: Start, *, continues: bool) -> Objectives:
        """A little noise at the input is a penalty on the slope of the map (Bishop 1995, "Training with
        noise is equivalent to Tikhonov regularization"); held-out rows have none."""
        loss, noise = as_loss(self.loss), self.input_noise
        if noise is None:
            noise = (
                self.input_noise_
                if continues
                else input_noise_for(data.rows, data.train_rows, data.scaling.spread)
            )
        # The folds of a cross-validation share a program, also where rows of one have no gap.
        corruption = None if self.input_noise == 0 else white(noise * data.scaling.spread)
        return Objectives(
            Reconstruction(loss, corruption), Reconstruction(loss), fitted={"input_noise_": noise}
        )

    def _link(self) -> Link:
        return link_of(as_loss(self.loss))
