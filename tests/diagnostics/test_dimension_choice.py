"""The choice of a dimension: right for known surfaces, and never against its own evidence."""

import warnings

import numpy as np
import pytest

import isthmus
from isthmus.diagnostics.dimension.choice import pieces
from isthmus.diagnostics.dimension.evidence import Denoisers, HeldOut, knee_of, train_networks
from isthmus.diagnostics.dimension.verdict import KEPT, Neighbours, judge
from surfaces import cube, waves


@pytest.mark.parametrize("dimension", [2, 3])
def test_the_dimension_of_curved_surfaces_in_fifty_columns(dimension):
    choice = isthmus.choose_dimension(waves(1000, dimension, 0))
    assert choice.dimension == dimension
    assert choice.low <= dimension <= choice.high
    assert choice.knee == dimension
    assert choice.agrees
    assert not choice.noisy
    errors = {error.n_components: error for error in choice.errors}
    # Nothing is gained beyond, while PCA goes on gaining.
    assert errors[dimension].denoiser < 0.5 * errors[dimension - 1].denoiser
    assert errors[dimension].denoiser < 0.2 * errors[dimension].pca
    # With more coordinates than dimensions, networks use them to bend.
    assert choice.jacobian_rank >= dimension
    assert choice.active_units >= dimension
    assert choice.verdict.startswith(f"{dimension} dimensions. Nearest neighbours say")
    assert "they agree" in choice.verdict
    assert "% of the variance" in choice.verdict
    assert "denoiser" in str(choice)


def test_of_flat_data_all_estimates_agree():
    rng = np.random.default_rng(0)
    choice = isthmus.choose_dimension(rng.standard_normal((1000, 2)) @ rng.standard_normal((2, 50)))
    assert choice.dimension == choice.knee == choice.jacobian_rank == choice.active_units == 2
    assert (choice.low, choice.high) == (2, 2)
    components = [scale.estimate for scale in choice.estimates["pca"].scales if scale.value == KEPT]
    assert components == [2]
    assert "PCA needs" not in choice.verdict


def test_while_estimates_still_fall_they_are_an_upper_bound_and_the_knee_decides(monkeypatch):
    """A plane, four times as long as wide, with noise: the long axis is no dimension of its own."""
    monkeypatch.setattr("isthmus.diagnostics.dimension.verdict.MOST_CANDIDATES", 4)  # for speed
    rng = np.random.default_rng(0)
    plane = rng.uniform(-1, 1, (1500, 2)) * [4, 1]
    rows = plane @ np.linalg.qr(rng.standard_normal((20, 2)))[0].T + 0.1 * rng.standard_normal(
        (1500, 20)
    )
    choice = isthmus.choose_dimension(rows)
    assert choice.noisy
    assert choice.dimension == choice.knee == choice.low == 2
    assert choice.high == 3
    assert not choice.agrees
    assert "at most" in choice.verdict
    assert "agree" not in choice.verdict


def errors_of(*denoiser, first=1):
    return tuple(HeldOut(d, error, error) for d, error in enumerate(denoiser, first))


@pytest.mark.parametrize(
    ("repeats", "most", "knee"),
    [
        ([errors_of(0.1, 0.03, 0.029, 0.028)], 20, 2),  # a strong first axis is no knee
        ([errors_of(0.03, 0.029, 0.0285, 0.028)], 20, 1),  # nothing is gained beyond
        ([errors_of(0.5, 0.4, 0.32, 0.256)], 20, None),  # a smooth spectrum
        ([errors_of(0.5, 0.4, 0.32, 0.1)], 20, None),  # the last of the candidates may not be the last
        ([errors_of(0.5, 0.4, 0.32, 0.1)], 4, 4),  # but of four columns it is
        ([errors_of(0.4, 0.1, 0.03, 0.029, first=3)], 20, 5),
        ([errors_of(0.029, 0.028, 0.0275, first=3)], 20, None),  # flat, but from where is not known
        # A knee that one repeat has and another has not.
        ([errors_of(0.1, 0.05, 0.04, 0.03), errors_of(0.1, 0.08, 0.05, 0.04)], 20, None),
    ],
)
def test_a_knee_is_where_the_gain_of_coordinates_ends(repeats, most, knee):
    assert knee_of(repeats, most) == knee


@pytest.mark.parametrize(("candidates", "tried"), [([2, 3], [2, 3, 4]), ([1, 2, 3, 4], [1, 2, 3, 4])])
def test_a_knee_at_the_last_candidate_is_looked_beyond(candidates, tried):
    """Three directions of equal variance: the logarithm of the error falls most at the third."""
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((300, 3)) @ np.linalg.qr(rng.standard_normal((8, 3)))[0].T
    errors = train_networks(Denoisers(rows, 0.05, (8,), 10, 0), candidates).errors
    assert [error.n_components for error in errors[0]] == tried
    assert knee_of(errors, 8) == 3


ONE_COMPONENT = isthmus.intrinsic_dimension(np.linspace(0, 1, 50)[:, None], "pca")


@pytest.mark.parametrize("low", [1.0, 2.2, 3.1])
@pytest.mark.parametrize("settled", [True, False])
@pytest.mark.parametrize("noisy", [True, False])
@pytest.mark.parametrize("knee", [None, 1, 2, 3, 4, 7])
def test_no_verdict_says_agree_where_the_parts_do_not(low, settled, noisy, knee):
    neighbours = Neighbours((low, low + 0.6), noisy or not settled, settled, 20, (low, low))
    verdict = judge(neighbours, knee, ONE_COMPONENT, 1)
    inside = settled and knee is not None and round(low) <= knee <= round(low + 0.6)
    assert verdict.agrees is inside
    assert ("they agree" in verdict.words) is inside
    assert verdict.low <= verdict.dimension <= verdict.high
    assert verdict.is_bound is verdict.words.startswith("At most")
    assert verdict.is_bound is (not settled and (knee is None or knee > neighbours.high))
    if settled and knee is not None and not inside:
        assert "The evidence disagrees, because" in verdict.words


def test_many_dimensions_without_a_knee_are_called_not_low_dimensional():
    verdict = judge(Neighbours((25.4, 29.3), False, True, 40, (29, 29)), None, ONE_COMPONENT, 1)
    assert (verdict.low, verdict.high) == (25, 29)
    assert "not low-dimensional at this sample size" in verdict.words


@pytest.mark.parametrize(("largest", "said"), [(4.8, False), (4.2, True)])
def test_estimates_that_fall_a_little_are_told(largest, said):
    neighbours = Neighbours((4.4, 5.2), False, True, 20, (5.0, largest))
    verdict = judge(neighbours, None, ONE_COMPONENT, 1)
    assert ("noise may be counted too" in verdict.words) is said


def test_another_seed_changes_nothing_that_neighbours_say():
    rows = np.random.default_rng(0).standard_normal((60, 6))
    first, second = (
        {name: isthmus.intrinsic_dimension(rows, name, random_state=seed) for name in ("mle", "gride")}
        for seed in (0, 1)
    )
    assert Neighbours.of(first, rows) == Neighbours.of(second, rows)


def test_separate_pieces_are_counted():
    rng = np.random.default_rng(0)
    centres = 20 * rng.standard_normal((4, 6))
    rows = np.repeat(centres, 50, axis=0) + rng.standard_normal((200, 6))
    assert pieces(rows) == 4
    assert pieces(rows[:50]) == 1
    # Outliers are no pieces.
    assert pieces(np.vstack([rows[:50], 1e3 + 100 * rng.standard_normal((3, 6))])) == 1
    words = judge(Neighbours((2.0, 2.2), False, True, 6, (2, 2)), 2, ONE_COMPONENT, 4).words
    assert "in 4 separate pieces" in words


def test_a_closed_curve_needs_more_coordinates_than_dimensions():
    rng = np.random.default_rng(0)
    angle = rng.uniform(0, 2 * np.pi, (1000, 1))
    circle = np.hstack([np.cos(angle), np.sin(angle)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # those of the networks, among others
        choice = isthmus.choose_dimension(circle @ rng.standard_normal((2, 50)))
    assert choice.dimension == 1
    assert choice.knee == 2
    assert not choice.agrees
    assert "2 is the number for an auto-encoder" in choice.verdict


def test_a_choice_is_the_same_again_and_of_no_more_than_max_rows():
    rows, quick = waves(600, 2, 0, D=4), {"widths": (8,), "max_epochs": 2}
    first, again = (isthmus.choose_dimension(rows, max_rows=500, random_state=3, **quick) for _ in "12")
    assert first.errors == again.errors
    assert str(first) == str(again)
    assert first.estimates["mle"].n_rows == 500


def test_few_rows_have_a_dimension_too():
    rng = np.random.default_rng(0)
    t = rng.uniform(0, 2, 30)
    arc = np.column_stack([np.cos(t), np.sin(t), t**2 / 3])
    # In as many columns as below, for the same programs.
    columns = np.linalg.qr(rng.standard_normal((10, 3)))[0].T
    assert isthmus.choose_dimension(arc @ columns + 0.01 * rng.standard_normal((30, 10))).dimension == 1
    flat = rng.standard_normal((30, 3)) @ rng.standard_normal((3, 10))
    found = isthmus.choose_dimension(flat + 0.05 * rng.standard_normal((30, 10)))
    assert found.dimension == 3
    assert found.low <= 3 <= found.high


def test_a_choice_from_what_is_not_enough():
    with pytest.raises(ValueError, match="29 rows, 29 of them distinct: expected at least 30"):
        isthmus.choose_dimension(cube(29, 3))
    with pytest.raises(ValueError, match="max_rows=20: expected an integer of at least 30"):
        isthmus.choose_dimension(cube(200, 3), max_rows=20)
    with pytest.raises(ValueError, match="noise=0"):
        isthmus.choose_dimension(cube(200, 3), noise=0)
    with pytest.raises(ValueError, match="max_epochs=0"):
        isthmus.choose_dimension(cube(200, 3), max_epochs=0)
    with pytest.raises(ValueError, match="widths="):
        isthmus.choose_dimension(cube(200, 3), widths=64)
    with pytest.raises(ValueError, match="X contains NaN"):
        isthmus.choose_dimension(np.full((200, 3), np.nan))
