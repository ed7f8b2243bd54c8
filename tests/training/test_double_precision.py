"""Everything works, and says the same, where JAX computes in double precision.

One process of its own has it enabled from the start. Models that were fitted and saved in single
precision must give the same numbers there, and models fitted there must be as good.
"""

import os
import subprocess
import sys
import warnings

import jax
import numpy as np
import optax
import pytest

import isthmus
from isthmus import likelihoods, noise, priors

RNG = np.random.default_rng(0)
T = RNG.uniform(-1.5, 1.5, (120, 2))
X = np.column_stack([T, T[:, 0] ** 2, np.sin(2 * T[:, 1]), T[:, 0] * T[:, 1]])
X += 0.05 * RNG.standard_normal(X.shape)
HOLES = np.where(RNG.random(X.shape) < 0.1, np.nan, X)
COUNTS = RNG.poisson(np.exp(1.0 + 0.5 * X))
LABELS = X[:, 2] > 0.5
MEMBER = {"widths": (8,), "max_epochs": 3}
SMALL = MEMBER | {"random_state": 0}
# Cross-validation is in both precisions what it is for the map, and would double the time of the others.
ALL_ROWS = SMALL | {"validation_fraction": 0}


def fitted():
    """A model of every kind."""
    schedule = optax.cosine_decay_schedule(1e-2, 20)
    models = {
        "map": isthmus.Autoencoder(2, solver=optax.adam(schedule), **SMALL).fit(X),
        "denoiser": isthmus.DenoisingAutoencoder(2, noise=noise.Gaussian(0.1), **ALL_ROWS).fit(X),
        "variational": isthmus.VariationalAutoencoder(2, **ALL_ROWS).fit(HOLES, x_error=0.1),
        "counts": isthmus.VariationalAutoencoder(
            2, likelihood=likelihoods.NegativeBinomial(), prior=priors.Mixture(3), **ALL_ROWS
        ).fit(COUNTS),
        "classifier": isthmus.FeedForwardClassifier((8,), max_epochs=3, random_state=0).fit(X, LABELS),
        "regressor": isthmus.FeedForwardRegressor(
            (8,), solver="lbfgs", weight_decay=0.1, max_epochs=3, random_state=0
        ).fit(X[:, :4], X[:, 4]),
        "ensemble": isthmus.Ensemble(isthmus.Autoencoder(2, **MEMBER), 2, random_state=0).fit(X),
    }
    models["map"].partial_fit(X)
    return models


def scores(models):
    """How good each model is, in units that compare."""
    rows = {"variational": (HOLES,), "counts": (COUNTS,), "classifier": (X, LABELS)}
    rows["regressor"] = (X[:, :4], X[:, 4])
    return {name: model.score(*rows.get(name, (X,))) for name, model in models.items()}


def answers(models):
    """What the models say, by functions that draw nothing, or what does not depend on the precision."""
    found = {}
    model = models["ensemble"]
    Z = np.asarray(model.transform(X))
    found |= {
        "coordinates": Z,
        "decoded": model.inverse_transform(Z),
        "jacobian": isthmus.jacobian(model, X),
        "metric": isthmus.metric(model, Z),
        "loadings": isthmus.loadings(model, X[:20]).values,
        "geodesic": isthmus.geodesic(model, Z[0], Z[1], n_points=16).length,
        "reliability": isthmus.reliability(model, X[:20], X).reconstruction_error,
        "spread": isthmus.coordinate_spread(model, X),
        "restored": isthmus.denoise(models["map"], X),
    }
    for name, rows in (("variational", HOLES), ("counts", COUNTS)):
        model = models[name]
        rows = np.where(np.arange(5) == 3, np.nan, rows)
        given = {"x_error": 0.2} if name == "variational" else {}
        complete, std = isthmus.impute(model, rows, 30, random_state=0, **given)
        found |= {
            f"{name} posterior": np.hstack(isthmus.posterior(model, rows, **given)),
            f"{name} density": isthmus.log_likelihood(model, rows, 30, random_state=0, **given),
            f"{name} imputed": complete,
            f"{name} spread": std,
            f"{name} prior": isthmus.sample_prior(model, 20, random_state=0),
            f"{name} draws": isthmus.sample_posterior(model, rows[:9], 2, random_state=0),
        }
    found["score function"] = isthmus.score_function(models["denoiser"], X)
    found["denoised"] = isthmus.denoise(models["denoiser"], X)
    found["probabilities"] = models["classifier"].predict_proba(X)
    found["predicted"] = models["regressor"].predict(X[:, :4])
    quality = isthmus.quality(X, Z, k=5)
    found["quality"] = [quality.trustworthiness, quality.continuity]
    return found


def in_double_precision(folder):
    """What the other process does."""
    assert jax.config.jax_enable_x64
    warnings.simplefilter("ignore")
    models = fitted()
    for name, model in models.items():
        isthmus.save(model, f"{folder}/{name}.double")
        isthmus.load(f"{folder}/{name}.double")
    found = {f"own score of {name}": score for name, score in scores(models).items()}
    smaller = [
        isthmus.prune(models["map"], X, trials=1),
        isthmus.distill(models["map"], X, (4,), max_epochs=2),
    ]
    drawn = [isthmus.sample(models[name], 9, random_state=0) for name in ("variational", "counts")]
    found["all finite"] = np.all([np.isfinite(rows).all() for rows in drawn])
    found["smaller"] = [model.score(X) for model in smaller]
    theirs = {name: isthmus.load(f"{folder}/{name}.single") for name in models}
    np.savez(f"{folder}/found.npz", **found, **answers(theirs))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_double_precision_gives_the_same_numbers(tmp_path):
    models = fitted()
    for name, model in models.items():
        isthmus.save(model, tmp_path / f"{name}.single")
    call = "import runpy, sys; runpy.run_path(sys.argv[1])['in_double_precision'](sys.argv[2])"
    subprocess.run(
        [sys.executable, "-c", call, __file__, str(tmp_path)],
        env=os.environ | {"JAX_ENABLE_X64": "1"},
        check=True,
    )
    with np.load(tmp_path / "found.npz") as found:
        assert found["all finite"]
        for name, score in scores(models).items():
            # Draws of noise differ between the precisions, and three epochs leave their mark.
            assert found[f"own score of {name}"] == pytest.approx(score, rel=0.2), name
        assert np.all(found["smaller"] > 2 * scores(models)["map"])
        for name, expected in answers(models).items():
            size = np.max(np.abs(expected))
            np.testing.assert_allclose(found[name], expected, rtol=1e-3, atol=1e-4 * size, err_msg=name)
