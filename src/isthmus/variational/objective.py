"""The objective of a fit: the negative bound of the training rows, and that of the held-out ones.

``elbo.py`` has the bound itself. In training the encoder sees rows with some noise, and with less of
what is known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.estimators.fitting import input_noise_for
from isthmus.estimators.maps import Objectives, Start
from isthmus.objectives.corruption import TrainingRows
from isthmus.variational.elbo import EVALUATION_DRAWS, NegativeELBO
from isthmus.variational.ppca import FilledRows, scaled_errors

if TYPE_CHECKING:
    from isthmus.variational.estimator import VariationalAutoencoder

LEFT_OUT = 0.2
"""Share of the entries that the encoder does not see in training, where some are missing anyway.

Without it the likelihood would be measured on entries that the encoder has seen, and what is imputed
would be less sure than it says."""


def objectives_of(
    model: VariationalAutoencoder, data: TrainingRows, start: Start, *, continues: bool
) -> Objectives:
    """What training minimises, and what is evaluated on the held-out rows."""
    has_errors = data.errors is not None
    aside = None if data.errors is None else scaled_errors(data.errors, data.scaling)
    noise = model.input_noise
    if noise is None:
        noise = model.input_noise_ if continues else _typical_gap(data, start)
    knows_what_is_missing = start.pair.encoder.knows_what_is_missing(data.rows.shape[1])
    objective = NegativeELBO.of(
        model.beta,
        model.warm_up,
        model.free_bits,
        input_noise=noise * data.scaling.spread,
        left_out=LEFT_OUT if knows_what_is_missing else 0.0,
        errors=has_errors,
    )
    held_out_objective = NegativeELBO.of(model.beta, draws=EVALUATION_DRAWS, errors=has_errors)
    return Objectives(objective, held_out_objective, aside, {"input_noise_": noise})


def _typical_gap(data: TrainingRows, start: Start) -> float:
    """Between rows as the encoder sees them: with missing entries filled."""
    errors = None if data.errors is None else data.errors / data.scaling.scale
    filled = FilledRows(data.rows, start.pair.encoder.fill.value, errors)
    return input_noise_for(filled, data.train_rows, data.scaling.spread)
