"""Two variational auto-encoders of digits: their uncertainty, and new digits that they generate.

One has two coordinates, for a plot, and a uniform prior: it spreads the digits over a square, and all of
the square decodes to images. The other has ten coordinates, for sampling, with a mixture prior that is
fitted to the clusters of digits, and a variance of its own for each pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from rich.console import Console
from rich.table import Table
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from isthmus.demo.digits import SEED, SHAPE, Digits, Outcome, blank_figure, measure
from isthmus.estimators.base import BaseMap
from isthmus.variational.estimator import VariationalAutoencoder
from isthmus.variational.inference import posterior, sample
from isthmus.variational.likelihoods import Gaussian
from isthmus.variational.priors import Mixture, Uniform

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ACROSS, LINES = 14, 6
"""Numbers of digits per line and of lines in a strip: the first ones drawn, not a selection."""

N_DRAWN = 1000
"""Number of new digits from which the statistics of a strip are computed."""

N_NEIGHBOURS = 10
"""Number of nearest training digits that must be of one class for an image to be clear."""

WHITE, BLACK = 0.0, 16.0
"""Grey levels between which samples are clipped: a Gaussian error goes beyond them."""

TITLE, CAPTION = 15, 13
"""Font sizes."""


def show(digits: Digits, console: Console) -> Figure:
    """Fit both models and PCA, print a table, and draw the picture."""
    console.print(
        f"{len(digits.train)} digits of 8×8 pixels → coordinates and their uncertainty → 8×8 pixels; "
        f"evaluated on {len(digits.test)} digits that no method has seen"
    )
    outcomes = fit(digits)
    console.print(as_table(outcomes, digits))
    console.print(
        "ELBO: a lower bound on the log-density of a digit, in nats; for probabilistic PCA the density "
        "itself, with one error for all pixels; the map of ten coordinates has one for each pixel. "
        "KL: information in a coordinate about a digit, in nats, the least and the most of any."
    )
    return draw(outcomes, digits)


def fit(digits: Digits, **settings: object) -> list[Outcome]:
    """PCA and a variational auto-encoder of two coordinates, and of ten.

    ``settings`` are parameters of both auto-encoders, such as ``max_epochs``.
    """
    plane = VariationalAutoencoder(2, prior=Uniform(edge=0.02), random_state=SEED)
    source = VariationalAutoencoder(
        10, prior=Mixture(50), likelihood=Gaussian("feature"), random_state=SEED
    )
    outcomes = []
    for model in (plane, source):
        # scikit-learn's PCA is probabilistic: its score is the mean log-density.
        outcomes.append(measure("PCA", PCA(model.n_components), digits))
        outcomes.append(measure("variational", model.set_params(**settings), digits))
    return outcomes


def as_table(outcomes: Sequence[Outcome], digits: Digits) -> Table:
    """PCA and variational maps in pairs: bound, error, trustworthiness, KL divergence."""
    table = Table("map")
    for heading in (
        *("coordi-\nnates\nin use", "held-\nout\nELBO", "held-\nout\nerror", "of\nPCA's"),
        *("trust-\nworthi-\nness", "KL per\ncoordi-\nnate", "sec-\nonds\nto fit"),
    ):
        table.add_column(heading, justify="right", no_wrap=True)
    for pair in _pairs(outcomes):
        for outcome in pair:
            in_use, carried = _coordinates(outcome.model)
            table.add_row(
                outcome.name,
                in_use,
                f"{outcome.model.score(digits.test):.1f}",
                f"{outcome.error:.0f}",
                f"{outcome.error / pair[0].error:.0%}",
                f"{outcome.trustworthiness:.3f}",
                carried,
                f"{outcome.seconds:.1f}",
            )
        table.add_section()
    return table


def draw(outcomes: Sequence[Outcome], digits: Digits) -> Figure:
    """Unseen digits as ellipses, the decoded plane, and new digits next to real ones."""
    figure = blank_figure(8.5, "Variational auto-encoders say how sure they are, and draw new digits")
    axes = figure.subplot_mosaic([["map", "plane", "real"], ["map", "plane", "new"]])
    of_two, of_ten = _pairs(outcomes)
    draw_plane(axes["map"], axes["plane"], *of_two, digits)
    draw_strips(axes["real"], axes["new"], *of_ten, digits)
    return figure


def draw_plane(map_ax: Axes, plane_ax: Axes, pca: Outcome, variational: Outcome, digits: Digits) -> None:
    """The map of two coordinates with its uncertainty, and the same window decoded."""
    from isthmus.plots import decoded_grid, posterior_map

    model = variational.model
    posterior_map(map_ax, *posterior(model, digits.test), digits.test_labels)
    decoded_grid(plane_ax, model, square(model.prior), SHAPE, n_across=20)
    limit = np.max(np.abs([ax.axis() for ax in (map_ax, plane_ax)]))
    for ax in (map_ax, plane_ax):
        ax.axis((-limit, limit, -limit, limit))
    map_ax.set_title(
        "each ellipse is an unseen digit: where it lies,\nand one standard deviation of its uncertainty",
        fontsize=TITLE,
        pad=10,
    )
    plane_ax.set_title(
        "two coordinates, spread over a square:\nevery point of it decodes to an image",
        fontsize=TITLE,
        pad=10,
    )
    map_ax.set_xlabel(_compare_bounds(pca, variational, digits), fontsize=CAPTION, labelpad=10)
    plane_ax.set_xlabel(_compare_errors(pca, variational), fontsize=CAPTION, labelpad=10)


@dataclass(frozen=True)
class Likeness:
    """Similarity of images to the training digits.

    ``clear`` is the share of images whose nearest training digits are all of one class, and
    ``distance`` the median distance to the nearest, in grey levels.
    """

    clear: float
    distance: float

    @classmethod
    def of(cls, images: Float[np.ndarray, "n D"], digits: Digits) -> Likeness:
        neighbours = NearestNeighbors(n_neighbors=N_NEIGHBOURS).fit(digits.train)
        distances, indices = neighbours.kneighbors(images)
        classes = digits.train_labels[indices]
        agree = np.all(classes == classes[:, :1], axis=1)
        return cls(float(np.mean(agree)), float(np.median(distances[:, 0])))


def draw_strips(real_ax: Axes, new_ax: Axes, pca: Outcome, variational: Outcome, digits: Digits) -> None:
    """Digits that the model has not seen, and as many that it drew, with statistics to compare them."""
    from isthmus.plots import image_grid

    drawn = np.clip(sample(variational.model, N_DRAWN, random_state=SEED), WHITE, BLACK)
    real, new = Likeness.of(digits.test, digits), Likeness.of(drawn, digits)
    for ax, images in ((real_ax, digits.test), (new_ax, drawn)):
        image_grid(ax, images[: ACROSS * LINES], SHAPE, n_across=ACROSS, darkest=BLACK)
    for ax, what, likeness in (
        (real_ax, "real digits that the models have not seen", real),
        (new_ax, "new digits, drawn from ten coordinates, not selected", new),
    ):
        ax.set_title(
            f"{what}:\n{likeness.clear:.0%} clear, "
            f"half within {likeness.distance:.0f} grey levels of a training digit",
            fontsize=TITLE,
            pad=10,
        )
    new_ax.set_xlabel(
        f"clear: the {N_NEIGHBOURS} nearest training digits are all of one class\n"
        + _compare_bounds(pca, variational, digits),
        fontsize=CAPTION,
        labelpad=10,
    )


def square(prior: Uniform, n: int = 50) -> Float[np.ndarray, "n 2"]:
    """A grid of points over the square on which a uniform prior of two coordinates is constant."""
    steps = np.linspace(-prior.half_width, prior.half_width, n)
    return np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)


def _pairs(outcomes: Sequence[Outcome]) -> list[tuple[Outcome, Outcome]]:
    """PCA and the variational map of the same number of coordinates."""
    return list(zip(outcomes[::2], outcomes[1::2], strict=True))


def _coordinates(model: BaseMap) -> tuple[str, str]:
    """How many coordinates are in use, and the least and the largest KL divergence of one."""
    if not isinstance(model, VariationalAutoencoder):
        return f"{model.n_components_}", ""
    in_use = f"{np.sum(model.active_)} of {model.n_components_}"
    return in_use, f"{model.kl_.min():.1f}–{model.kl_.max():.1f}"


def _compare_bounds(pca: Outcome, variational: Outcome, digits: Digits) -> str:
    bound, of_pca = (
        f"{outcome.model.score(digits.test):.0f}".replace("-", "−") for outcome in (variational, pca)
    )
    return (
        f"log-density of an unseen digit: at least {bound} nats on average;\n"
        f"by probabilistic PCA {of_pca}"
    )


def _compare_errors(pca: Outcome, variational: Outcome) -> str:
    return (
        f"squared error of unseen digits, decoded: {variational.error / pca.error:.0%} of PCA's;\n"
        f"trustworthiness {variational.trustworthiness:.2f}, of PCA {pca.trustworthiness:.2f}"
    )
