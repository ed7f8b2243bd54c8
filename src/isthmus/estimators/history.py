"""The history of a fit, which is a dict, and a table and a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from isthmus import plots
from isthmus.data.wording import counted
from isthmus.results import Result, rows_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class History(Result, dict[str, np.ndarray]):
    """One array for each of "epoch", "train_loss", "validation_loss", "learning_rate" and "seconds".

    Each has one number per epoch. Epoch 0 is the start, which has no training loss (NaN); without
    held-out rows there is no validation loss. ``best_epoch`` is the one whose weights were kept.
    """

    def __init__(self, columns: Mapping[str, np.ndarray], best_epoch: int) -> None:
        super().__init__(columns)
        self.best_epoch = best_epoch

    def table(self) -> list[dict[str, object]]:
        """One row per epoch."""
        return rows_of(**self)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Losses of training and held-out rows by epoch. Into ``ax``, or new Axes; returns them."""
        ax = plots.axes_or_new(ax)
        plots.losses(ax, self, self.best_epoch)
        return ax

    def __str__(self) -> str:
        epochs, seconds = int(self["epoch"][-1]), float(np.sum(self["seconds"]))
        best, loss = self.best_epoch, self["validation_loss"]
        held_out = ""
        if not np.isnan(loss).all():
            held_out = (
                f"; held-out loss {loss[0]:.4g} at the start, {loss[best]:.4g} in epoch {best}, kept"
            )
        return f"{counted(epochs, 'epoch')} in {seconds:.1f} s{held_out}"
