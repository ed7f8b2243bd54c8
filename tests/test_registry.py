"""One choice of each kind, from one module outside the package: fitted, saved, loaded, and named."""

import contextlib
import importlib
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import isthmus
from cli.command import run, succeed
from isthmus import registry
from isthmus.cli import main

pytestmark = [
    pytest.mark.filterwarnings("ignore::isthmus.NoImprovementWarning"),
    pytest.mark.filterwarnings("ignore::isthmus.CollapseWarning"),
]

ROOT = Path(__file__).parents[1]
MODULE = "my_choices"
IMPORTS = """
from __future__ import annotations
from dataclasses import dataclass, replace
import equinox as eqx, jax, jax.numpy as jnp, numpy as np
from isthmus import registry
from isthmus.estimators.autoencoder import Autoencoder
from isthmus.estimators.maps import Objectives, Start
from isthmus.networks.layers import Constant, single
from isthmus.objectives.corruption import Corruption, TrainingRows
from isthmus.training.problem import Objective
from isthmus.variational.distributions import Known
from isthmus.variational.likelihoods import LEAST_VARIANCE
"""
X = np.random.default_rng(0).standard_normal((60, 4)) @ np.diag([3.0, 2.0, 0.5, 0.3])
TINY = {"widths": (4,), "max_epochs": 2, "validation_fraction": 0, "random_state": 0}


@pytest.fixture(scope="module")
def code():
    """What CONTRIBUTING adds in its examples, as the code of one module."""
    page = (ROOT / "CONTRIBUTING.md").read_text()
    first_change = re.search(r"```python\n(.*?)```", page, re.DOTALL)[1]
    diffs = re.findall(r"```diff\n(.*?)```", page, re.DOTALL)
    added = [line[1:] for diff in diffs for line in diff.splitlines() if re.match(r"\+(?!\+\+)", line)]
    lines = [line for line in added if not re.fullmatch(r' +"\w+",', line)]  # entries of __all__
    return "\n".join([IMPORTS, first_change, *lines])


@pytest.fixture
def folder(tmp_path, monkeypatch, code):
    """The working directory, from which the module can be imported."""
    (tmp_path / f"{MODULE}.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@contextlib.contextmanager
def nothing_stays_registered():
    """The registry is afterwards as it was before, and the module is not imported."""
    kinds = registry.KINDS.values()
    for kind in kinds:
        kind.load()
    known = [registry._classes, registry._names, *(kind._found for kind in kinds)]
    before = [dict(table) for table in known]
    try:
        yield
    finally:
        sys.modules.pop(MODULE, None)
        for table, kept in zip(known, before, strict=True):
            table.clear()
            table.update(kept)


@pytest.fixture
def mine(folder):
    with nothing_stays_registered():
        yield importlib.import_module(MODULE)


def models(mine):
    return {
        "noise": isthmus.DenoisingAutoencoder(1, noise=mine.Gain(0.3), **TINY),
        "prior": isthmus.VariationalAutoencoder(1, prior=mine.Logistic(), **TINY),
        "likelihood": isthmus.VariationalAutoencoder(1, likelihood=mine.Laplace(), **TINY),
        "loss": isthmus.Autoencoder(1, loss="log_cosh", **TINY),
        "model": mine.SparseAutoencoder(1, **TINY),
    }


@pytest.mark.parametrize(
    ("kind", "written", "shown", "listed"),
    [
        (
            *("noise", ["--model", "denoising", "--noise", "Gain(0.3)"]),
            *("noise=Gain(scale=0.3)", "Gain(scale=0.1)"),
        ),
        (
            *("prior", ["--model", "variational", "--prior", "Logistic"]),
            *("prior=Logistic()", "Logistic()"),
        ),
        (
            *("likelihood", ["--model", "variational", "--likelihood", "laplace"]),
            *("likelihood=Laplace()", "Laplace()"),
        ),
        ("loss", ["--loss", "log_cosh"], "loss='log_cosh'", "LogCosh()"),
        ("model", ["--model", "sparse"], "SparseAutoencoder", "sparse"),
    ],
)
def test_each_kind_fits_saves_and_loads_in_python_and_on_the_command_line(
    folder, kind, written, shown, listed
):
    pd.DataFrame(X, columns=list("abcd")).to_csv("rows.csv", index=False)

    def with_mine(*arguments):
        done = succeed("--no-cache", "--import", MODULE, *arguments)
        return " ".join(done.stdout.split())

    with nothing_stays_registered():
        few = ("--widths", 4, "--max-epochs", 2, "--validation-fraction", 0, "--seed", 0, "-d", 1)
        with_mine("fit", "rows.csv", *written, *few, "-o", "map.isthmus")
        assert shown in with_mine("info", "map.isthmus")
        with_mine("transform", "map.isthmus", "rows.csv", "-o", "z.npy")
        assert listed in with_mine("choices", kind)
        model = models(importlib.import_module(MODULE))[kind].fit(X)
        np.testing.assert_array_equal(np.load("z.npy"), model.transform(X))
        isthmus.save(model, folder / "own.isthmus")
        loaded = isthmus.load(folder / "own.isthmus")
        assert type(loaded) is type(model)
        np.testing.assert_array_equal(loaded.transform(X), model.transform(X))
    assert MODULE not in sys.modules
    if kind == "loss":  # which is a text in the parameters, and no part of the network
        return
    # A file is not code: where the module is not imported, loading says so.
    name = {"noise": "noise.Gain", "model": "SparseAutoencoder"}.get(kind, "")
    told = f"holds '[^']*{name}[^']*', which the module {MODULE} registers"
    with pytest.raises(isthmus.ModelFileError, match=told):
        isthmus.load(folder / "own.isthmus")
    assert MODULE not in sys.modules


def test_a_module_that_is_not_there():
    done = run("--no-cache", "--import", "no_such_module", "choices")
    assert done.exit_code == 2
    assert "no_such_module cannot be imported: No module named 'no_such_module'" in done.stderr


def test_the_own_choices_are_listed_with_their_defaults():
    done = CliRunner(env={"COLUMNS": "300"}).invoke(main, ["--no-cache", "choices"])
    listed = " ".join(done.stdout.split())
    for wanted in (
        "--model autoencoder",
        "linear",
        "Huber(delta=1.0) ½ r² where |r| ≤ delta",
        "SaltAndPepper(fraction=0.1)",
        "Mixture(n=10) A learnt mixture",
        "Gaussian(scale='shared')",
    ):
        assert wanted in listed
    # Neither can be fitted to rows alone.
    assert "ensemble" not in listed
    assert "classifier" not in listed


@pytest.mark.parametrize("kind", registry.KINDS.values(), ids=registry.KINDS)
def test_a_choice_is_found_by_all_its_names(kind):
    for name, cls in kind.classes.items():
        for written in (name, name.upper(), kind.word(cls), f"{kind.namespace}.{name}"):
            assert kind.find(written) is cls
        assert kind.find(f"os.{name}") is None
    assert kind.find("NoSuchThing") is None
    assert kind.find("") is None


def test_two_classes_cannot_have_one_name(mine):
    with pytest.raises(ValueError, match=r"'noise.Masking' belongs to isthmus.objectives.noise.Masking"):
        registry.noises(type("Masking", (mine.Gain,), {}))
    # Defined again, as in a notebook, it is the same class.
    again = type("Gain", (mine.Gain,), {"__module__": MODULE, "__qualname__": "Gain"})
    assert registry.noises(again) is again
    assert registry.noises.find("Gain") is again
    assert registry.name_of(mine.Gain) == registry.name_of(again) == "noise.Gain"


def test_a_class_without_fields_is_refused():
    with nothing_stays_registered():
        with pytest.raises(TypeError, match="Bare is neither a dataclass nor an Equinox module"):
            registry.noises(type("Bare", (), {}))
        assert registry.noises.find("Bare") is None


def test_a_choice_of_the_package_needs_no_other_name():
    """What a file of the package registers is there, though no list of names has it."""
    for kind in (registry.losses, registry.estimators):
        for name, cls in kind.classes.items():
            assert getattr(isthmus, name) is cls
    for kind in (registry.noises, registry.priors, registry.likelihoods):
        names = importlib.import_module(kind.namespace).__dict__
        for name, cls in kind.classes.items():
            assert names[name] is cls
