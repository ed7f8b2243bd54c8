"""``isthmus lab``: what it hands to a laboratory, and the files that it writes."""

import csv
from importlib import import_module
from inspect import signature

import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

from cli.command import run
from isthmus.cli._lab import LABORATORIES, _write
from isthmus.experiments import double_descent
from isthmus.laboratories.capacity.report import Net
from isthmus.laboratories.double_descent import verdict
from isthmus.laboratories.double_descent.risk import RiskPoint
from isthmus.laboratories.double_descent.verdict import DoubleDescentReport


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty working directory with thirty rows, and their prices and kinds."""
    monkeypatch.chdir(tmp_path)
    rows = ["height,width,price,kind,gap"]
    rows += [f"{i},{i * i},{100 + i},{'ab'[i % 2]},{'' if i == 4 else i}" for i in range(30)]
    (tmp_path / "things.csv").write_text("\n".join(rows))
    return tmp_path


@pytest.fixture
def asked(monkeypatch):
    """What the laboratory of double descent was asked; its report is of closed forms."""
    calls = []
    curve = double_descent(*load_digits(return_X_y=True), [5, 20, 60], n_train=20, n_repeats=2)
    report = DoubleDescentReport("digits", curve, curve, curve, (RiskPoint(10, 1.0, 1.01, 0.02, 20),))

    def kept(*rows, **settings):
        calls.append((rows, settings))
        return report

    monkeypatch.setattr(verdict, "run", kept)
    return calls, report


def test_a_picture_its_records_and_a_verdict(folder, asked):
    calls, report = asked
    result = run("lab", "double-descent", "--seed", "3")
    assert result.exit_code == 0, result.output
    assert calls == [((), {"random_state": 3})]
    assert result.stdout.strip() == report.verdict
    assert (folder / "isthmus-double-descent.png").read_bytes().startswith(b"\x89PNG")
    with (folder / "isthmus-double-descent.csv").open() as file:
        records = list(csv.DictReader(file))
    assert len(records) == len(report.records) == 18
    errors = [float(record["test_error"]) for record in records]
    np.testing.assert_allclose(errors, [record.test_error for record in report.records])
    assert {path.name for path in folder.iterdir()} == {
        "isthmus-double-descent.png",
        "isthmus-double-descent.csv",
        "things.csv",
    }


def test_rows_and_targets_come_from_columns(folder, asked):
    calls, _ = asked
    options = ("--label", "kind", "--drop", "gap,price", "-o", "found.svg")
    assert run("lab", "double-descent", "things.csv", *options).exit_code == 0
    assert (folder / "found.svg").read_text().lstrip().startswith("<?xml")
    assert (folder / "found.csv").exists()
    (((rows, targets), settings),) = calls
    np.testing.assert_array_equal(rows, [[i, i * i] for i in range(30)])
    assert targets.tolist() == ["ab"[i % 2] for i in range(30)]
    assert settings == {"data": "things.csv", "random_state": 0}


def test_whole_numbers_are_handed_on_as_they_are(folder, asked):
    # Whether they are classes or numbers, the laboratory decides by the rule of the library.
    calls, _ = asked
    run("lab", "double-descent", "things.csv", "--label", "price", "--columns", "height")
    (((_, targets), _),) = calls
    assert targets.dtype.kind == "i"
    assert targets.tolist() == [100 + i for i in range(30)]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("double-descent", "things.csv"), 2, "needs --label, the column that is to be predicted"),
        (("double-descent", "--label", "price"), 2, "has no DATA"),
        (("one-number", "things.csv", "--label", "price"), 2, "predicts none; use --drop"),
        (("double-descent", "things.csv", "--label", "weight"), 1, "has no column 'weight'"),
        (
            ("double-descent", "things.csv", "--label", "gap", "--drop", "kind"),
            1,
            "--label gap has 1 empty cells; leave these rows out",
        ),
        (("double-descent", "things.csv", "--label", "price"), 1, "column 'kind' holds text"),
        (("double-descent", "-o", "found.csv"), 2, "the ending is none of .png, .pdf, .svg"),
        (("alchemy",), 2, "'alchemy' is not one of"),
    ],
)
def test_what_is_refused_leaves_no_file(folder, asked, arguments, code, message):
    result = run("lab", *arguments)
    assert result.exit_code == code
    assert message in " ".join(result.output.split())
    assert [path.name for path in folder.iterdir()] == ["things.csv"]
    assert not asked[0]


@pytest.mark.parametrize("name", LABORATORIES)
def test_every_laboratory_takes_what_the_command_gives(name):
    """The command passes rows, and targets where it asks for them, and two settings by name."""
    laboratory = LABORATORIES[name]
    module = import_module(f"isthmus.laboratories.{laboratory.folder}.{laboratory.module}")
    rows = [None] * (1 + laboratory.targets)
    signature(module.run).bind(*rows, data="things.csv", random_state=0)
    assert callable(import_module(f"isthmus.laboratories.{laboratory.folder}.picture").picture)


def test_widths_of_layers_are_one_cell(tmp_path):
    net = Net("waves", 2, (8, 7), 81, 85, 0.01, 0, 0.5, 0.25)
    _write(Figure(), tmp_path / "found.png", [net], tmp_path / "found.csv")
    (record,) = csv.DictReader((tmp_path / "found.csv").read_text().splitlines())
    assert record["widths"] == "8-7"
    assert float(record["test_error"]) == 0.25


def test_a_label_that_is_an_empty_text_is_an_empty_cell(folder):
    (folder / "named.csv").write_text("height,width,kind\n1,2,tall\n2,1,\n3,5,small\n")
    result = run("lab", "double-descent", "named.csv", "--label", "kind")
    assert result.exit_code == 1
    assert "--label kind has 1 empty cells; leave these rows out" in result.stderr
