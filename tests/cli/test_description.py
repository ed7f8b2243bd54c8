"""Facts about fitted maps: counts in closed form, and how they are told."""

import json
import warnings

import numpy as np
import pytest

import isthmus
from isthmus.cli._description import describe, summarise

ROWS = np.random.default_rng(0).standard_normal((40, 4))
pytestmark = pytest.mark.filterwarnings("ignore::isthmus.NoImprovementWarning")


@pytest.fixture(scope="module")
def variational():
    """4 → 8 → 2 → 8 → 4 with a mixture of three as prior, of rows with a missing entry."""
    rows = ROWS.copy()
    rows[0, 0] = np.nan
    prior = isthmus.priors.Mixture(3)
    model = isthmus.VariationalAutoencoder(
        2, prior=prior, widths=(8,), max_epochs=1, validation_fraction=0, random_state=0
    )
    return model.fit(rows)


def test_sizes_and_weights_of_a_variational_map(variational):
    facts = describe(variational)
    assert facts["sizes"] == [4, 8, 2, 8, 4]
    encoder = (2 * 4 + 2) + (8 * 8 + 8) + (4 * 8 + 4) + 2
    """PCA path; the correction, which also sees what is missing and gives μ and log σ²; log σ²."""
    decoder = (4 * 2 + 4) + (8 * 2 + 8) + (4 * 8 + 4)
    prior, likelihood = 3 * 2 + 3 * 2 + 3, 1
    """Means, variances and shares; σ. What fills missing entries is no weight: training leaves it."""
    assert facts["weights"] == encoder + decoder + prior + likelihood


def test_facts_are_plain_and_choices_as_they_are_written(variational):
    facts = json.loads(json.dumps(describe(variational)))
    assert facts["parameters"]["prior"] == "Mixture(n=3)"
    assert facts["parameters"]["likelihood"] == "Gaussian(scale='shared')"
    assert repr(describe(variational)["parameters"]["prior"]) == "Mixture(n=3)"


def test_sizes_of_pca():
    facts = describe(isthmus.LinearAutoencoder(2).fit(ROWS))
    assert facts["sizes"] == [4, 2, 4]
    assert "yardstick" not in facts


def test_what_an_earlier_network_lost_is_not_said():
    model = isthmus.Autoencoder(2, widths=(4,), skip=None, max_epochs=40, random_state=0)
    losses = {"validation_loss", "pca_validation_loss"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", isthmus.NoImprovementWarning)
        model.fit(ROWS)
    assert losses <= describe(model).keys()
    assert not losses & describe(model.partial_fit(ROWS)).keys()


def facts_of(**more):
    known = {"features": 4, "coordinates": 2, "parameters": {"beta": 1.0}, "yardstick": "PCA"}
    return {"class": "VariationalAutoencoder" if "kl" in more else "Autoencoder", **known, **more}


def test_errors_compare_by_their_ratio():
    shown = summarise(facts_of(validation_loss=1.0, pca_validation_loss=4.0))
    assert shown["held-out error"] == "1"
    assert shown["PCA's held-out error"] == "4 (ratio 0.250)"


@pytest.mark.parametrize(
    ("loss", "of_pca", "told"),
    [(-2.0, 1.5, "1.5 (3.5 more)"), (1.5, -2.0, "-2 (3.5 less)"), (3.0, 3.0, "3 (the same)")],
)
def test_bounds_compare_by_their_difference(loss, of_pca, told):
    """A density has units, so a bound of its logarithm has no zero to take a ratio to."""
    facts = facts_of(
        kl=[1.234, 0.001], active=[True, False], validation_loss=loss, pca_validation_loss=of_pca
    )
    shown = summarise(facts | {"yardstick": "probabilistic PCA"})
    assert float(shown["held-out −ELBO, nats"]) == loss
    assert shown["probabilistic PCA's held-out −ELBO, nats"] == told
    assert shown["active coordinates"] == "1 of 2, without number 1"
    assert shown["KL of each, nats"] == "1.23, 0.00"


def test_a_long_list_is_cut():
    shown = summarise(facts_of(kl=[1.0] * 12, active=[False] * 12))
    assert shown["KL of each, nats"] == ", ".join(["1.00"] * 10 + ["…"])
    assert shown["active coordinates"] == "0 of 12, without number 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, …"


def test_a_classifier_is_told_by_its_classes():
    labels = np.repeat(["a", "b", "c", "d"], 10)
    model = isthmus.FeedForwardClassifier((8,), max_epochs=1, random_state=0).fit(ROWS, labels)
    facts = json.loads(json.dumps(describe(model)))
    assert facts["sizes"] == [4, 8, 4]
    assert facts["weights"] == (4 + 1) * 8 + (8 + 1) * 4
    shown = summarise(facts)
    assert shown["classes"] == "4: a, b, c, d"
    assert float(shown["held-out loss"]) == pytest.approx(model.validation_loss_, rel=1e-4)
    assert "coordinates" not in shown


def test_a_regressor_is_told_by_its_targets():
    model = isthmus.FeedForwardRegressor((), max_epochs=1, random_state=0).fit(ROWS, ROWS[:, :2])
    facts = describe(model)
    assert (facts["sizes"], facts["weights"], summarise(facts)["targets"]) == ([4, 2], 10, 2)


def test_an_ensemble_is_told_by_its_members():
    model = isthmus.Ensemble(isthmus.Autoencoder(2, widths=(8,), max_epochs=2), 3, random_state=0)
    facts = json.loads(json.dumps(describe(model.fit(ROWS))))
    one = describe(model.members_[0])
    assert (facts["sizes"], facts["weights"]) == ([4, 8, 2, 8, 4], 3 * one["weights"])
    mean = np.mean([member.validation_loss_ for member in model.members_])
    assert facts["validation_loss"] == pytest.approx(mean)
    shown = summarise(facts)
    assert shown["members"] == "3, each of class Autoencoder"
    assert "best epoch" not in shown
    assert float(shown["held-out error, mean of the members"]) == pytest.approx(mean, rel=1e-4)


def test_a_map_of_neighbours_has_landmarks_and_says_what_it_keeps():
    model = isthmus.NeighbourAutoencoder(max_epochs=2, random_state=0).fit(ROWS)
    facts = json.loads(json.dumps(describe(model)))
    # A third of 40 rows is held out, and there are as many landmarks as other rows.
    assert (facts["landmarks"], facts["weights"]) == (27, 2 * 27)
    assert facts["neighbours_kept"] == model.held_out_.kept
    assert facts["neighbour_recall"] == 1.0
    assert "neighbours found" not in summarise(facts)
    assert summarise(facts | {"neighbour_recall": 0.97})["neighbours found"].startswith("0.970")
    shown = summarise(facts)
    assert shown["landmarks"] == 27
    assert shown["held-out neighbours kept"].startswith(f"{model.held_out_.kept:.3f} (at the mean of")
    assert "best epoch" not in shown
