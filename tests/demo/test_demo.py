"""Demonstrations: the figures that they show are those of the data."""

import errno
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.figure import Figure
from rich.console import Console
from scipy.stats import multivariate_normal
from sklearn.datasets import load_digits

import isthmus
from isthmus import demo
from isthmus.demo import variational
from isthmus.demo.digits import SEED, Digits, blank_figure, measure
from isthmus.demo.variational import Likeness

ALL_DIGITS = Digits.load()
DIGITS = Digits(
    *(ALL_DIGITS.train, ALL_DIGITS.test[:150]),
    *(ALL_DIGITS.train_labels, ALL_DIGITS.test_labels[:150]),
)


@pytest.fixture(scope="module")
def outcomes():
    return variational.fit(DIGITS, widths=(32,), max_epochs=12, batch_size=128)


@pytest.fixture
def drawn(outcomes):
    figure = variational.draw(outcomes, DIGITS)
    return dict(zip(("map", "plane", "real", "new"), figure.axes, strict=True))


def test_no_digit_is_in_both_parts():
    rows, labels = load_digits(return_X_y=True)
    parts = np.concatenate([ALL_DIGITS.train, ALL_DIGITS.test])
    of_parts = np.concatenate([ALL_DIGITS.train_labels, ALL_DIGITS.test_labels])
    assert len(ALL_DIGITS.train) > 2 * len(ALL_DIGITS.test)
    both = np.column_stack([parts, of_parts])
    assert len(np.unique(both, axis=0)) == len(rows)
    np.testing.assert_array_equal(
        np.sort(both, axis=0), np.sort(np.column_stack([rows, labels]), axis=0)
    )


def test_what_is_left_out_is_what_the_axes_leave():
    outcome = measure("PCA", isthmus.LinearAutoencoder(5), DIGITS)
    mean = DIGITS.train.mean(axis=0)
    axes = np.linalg.svd(DIGITS.train - mean, full_matrices=False)[2][:5]
    gaps = DIGITS.test - mean
    kept = np.square(gaps @ axes.T).sum() / np.square(gaps).sum()
    assert outcome.left_out == pytest.approx(1 - kept, rel=1e-4)


def test_the_score_of_pca_is_the_density_of_probabilistic_pca(outcomes):
    for pca, model in zip(outcomes[::2], outcomes[1::2], strict=True):
        d = model.model.n_components_
        values, vectors = np.linalg.eigh(np.cov(DIGITS.train.T))
        noise = values[:-d].mean()
        covariance = noise * np.eye(64) + (vectors[:, -d:] * (values[-d:] - noise)) @ vectors[:, -d:].T
        density = multivariate_normal(DIGITS.train.mean(axis=0), covariance)
        assert pca.model.score(DIGITS.test) == pytest.approx(np.mean(density.logpdf(DIGITS.test)))


def test_the_table_has_the_figures_of_the_models(outcomes):
    console = Console(width=80)
    with console.capture() as capture:
        console.print(variational.as_table(outcomes, DIGITS))
    lines = [line for line in capture.get().splitlines() if line.startswith("│ variational")]
    for line, outcome in zip(lines, outcomes[1::2], strict=True):
        cells = [cell.strip() for cell in line.strip("│").split("│")]
        model = outcome.model
        assert cells[1] == f"{model.active_.sum()} of {model.n_components}"
        assert float(cells[2]) == pytest.approx(model.score(DIGITS.test), abs=0.05)
        error = isthmus.reconstruction_error(model, DIGITS.test).mean()
        assert float(cells[3]) == pytest.approx(error, abs=0.5)
        least, most = map(float, cells[6].split("–"))
        assert (least, most) == pytest.approx((model.kl_.min(), model.kl_.max()), abs=0.05)


def test_map_and_plane_share_a_window_that_holds_every_ellipse(outcomes, drawn):
    mean, std = isthmus.posterior(outcomes[1].model, DIGITS.test)
    assert drawn["map"].axis() == drawn["plane"].axis()
    left, right, low, high = drawn["map"].axis()
    assert np.all([left, low] < mean - std)
    assert np.all(mean + std < [right, high])
    assert len(drawn["plane"].images) == 20**2


def test_strips_show_digits_that_were_kept_aside_and_digits_that_were_drawn(outcomes, drawn):
    shown = len(drawn["real"].images)
    assert shown == len(drawn["new"].images) == variational.ACROSS * variational.LINES
    fresh = isthmus.sample(outcomes[3].model, variational.N_DRAWN, SEED)
    for name, images in (("real", DIGITS.test), ("new", np.clip(fresh, 0, 16))):
        for drawn_image, image in zip(drawn[name].images, images, strict=False):
            np.testing.assert_array_equal(drawn_image.get_array(), image.reshape(8, 8))


def test_likeness_counts_images_whose_neighbours_agree():
    left, right = np.zeros((12, 1)), np.full((12, 1), 10.0)
    digits = SimpleNamespace(train=np.concatenate([left, right]), train_labels=np.repeat([3, 7], 12))
    digits.train_labels[0] = 7  # one of the twelve at 0 is of the other class
    assert Likeness.of(np.array([[12.0], [13.0], [14.0]]), digits) == Likeness(1.0, 3.0)
    # Of twelve at the same place, ten are the nearest: with two intruders they cannot agree.
    digits.train_labels[:3] = 7
    assert Likeness.of(np.array([[-1.0], [12.0]]), digits) == Likeness(0.5, 1.5)


def test_the_square_is_where_the_prior_is_flat():
    prior = isthmus.priors.Uniform(half_width=2.0)
    points = variational.square(prior)
    np.testing.assert_allclose([points.min(axis=0), points.max(axis=0)], [[-2, -2], [2, 2]])
    # Single precision at the border.
    np.testing.assert_allclose(prior.log_density(points), -prior.log_volume, rtol=1e-6)


@pytest.mark.parametrize("model", ["neighbour", "autoencoder", "variational"])
def test_run_finds_the_model_by_its_name(model, tmp_path, monkeypatch, capsys):
    picture = tmp_path / "[red]picture.svg"
    monkeypatch.setitem(demo.DEMOS, model, lambda digits, console: blank_figure(2, f"by {model}"))
    demo.run(picture, model)
    assert f"by {model}" in picture.read_text()
    assert capsys.readouterr().out == f"picture: {picture}\n"


def test_a_picture_is_complete_or_not_there(tmp_path, monkeypatch):
    picture = tmp_path / "picture.svg"
    picture.write_text("of before")

    def disk_is_full(figure, path, **_):
        path.write_text("half of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", disk_is_full)
    monkeypatch.setitem(demo.DEMOS, "neighbour", lambda digits, console: Figure())
    with pytest.raises(OSError, match="No space left"):
        demo.run(picture)
    assert picture.read_text() == "of before"
    assert list(tmp_path.iterdir()) == [picture]


def test_run_names_the_models_that_it_has(tmp_path):
    with pytest.raises(ValueError, match=r"model='pca': expected one of 'neighbour', 'auto.*"):
        demo.run(tmp_path / "picture.png", "pca")
