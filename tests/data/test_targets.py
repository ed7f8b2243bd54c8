"""Classes or numbers: one rule, the same for whatever form the targets come in."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from isthmus.cli import main
from isthmus.data.targets import MOST_CLASSES, are_classes, check_targets


@pytest.mark.parametrize(
    ("y", "classes"),
    [
        ([0.0, 1.0], False),
        (np.array([0.0, 1.0], np.float32), False),
        (["a", "b"], True),
        ([b"a", b"b"], True),
        ([True, False], True),
        (range(MOST_CLASSES), True),
        (range(MOST_CLASSES + 1), False),
        (np.arange(300) % MOST_CLASSES, True),
        (np.arange(100, dtype=np.uint8), False),
        # Objects count as what they hold.
        (np.array([1, 2], object), True),
        (np.array([1, 2.5], object), False),
        (np.array([True, False], object), True),
        (np.array([Decimal("1.5"), Decimal("2")]), False),
        (np.arange(30).astype(object), False),
        (np.array(["a", "b"], object), True),
        (pd.Series(range(30), dtype="Int64"), False),
        (pd.Series(["a", "b"], dtype="category"), True),
        (pd.Series(range(3), dtype="category"), True),
        (pd.Series(range(30), dtype="category"), True),
    ],
)
def test_the_rule(y, classes):
    assert are_classes(y) == classes
    checked = check_targets(y, len(y))
    given = np.asarray(y)
    assert (checked.classes is not None) == classes
    assert checked.n_classes == (len(np.unique(given)) if classes else 0)
    assert checked.labels.tolist() == ([float(one) for one in given] if not classes else given.tolist())
    assert classes or checked.values.dtype == np.float64


def test_classes_are_numbered_in_their_order():
    checked = check_targets(["pear", "apple", "pear"], 3)
    assert checked.values.tolist() == [1, 0, 1]
    assert checked.classes.tolist() == ["apple", "pear"]


def test_columns_of_numbers_stay_columns():
    y = np.arange(90).reshape(30, 3)
    np.testing.assert_array_equal(check_targets(y, 30, n_dims=2).values, y)


@pytest.mark.parametrize(
    ("y", "n", "n_dims", "message"),
    [
        ([[1.0]], 1, 1, r"y has shape \(1, 1\) for 1 row: expected one target .* \(1,\)$"),
        ([1.0, 2.0, 3.0], 1, 2, r"y has shape \(3,\) for 1 row: expected .* \(1,\) or \(1, K\)$"),
        (5.0, 1, 1, r"y has shape \(\)"),
        (["a", None], 2, 1, "y has no value in row 1, and in 1 row in all"),
        # As pictures leave such rows grey, nobody is to score them as a class of their own.
        (["a", "", "b", " "], 4, 1, "y has no value in row 1, and in 2 rows in all"),
        (
            np.array([1, pd.NA, pd.NA], object),
            3,
            1,
            "y has no value in row 1, and in 2 rows in all",
        ),
        ([[0.0, 1.0], [2.0, np.inf]], 2, 2, "y is inf in row 1: expected finite numbers"),
        (
            [[0, 1], [1, 0]],
            2,
            2,
            r"y of type int64 and shape \(2, 2\) holds classes: expected one",
        ),
        (np.array(["2020-01-01", "2021-01-01"], "M8[D]"), 2, 1, "y is of type datetime64"),
        (np.array([1j, 2j], object), 2, 1, "y is of type complex128"),
    ],
)
def test_what_are_no_targets(y, n, n_dims, message):
    with pytest.raises(ValueError, match=message):
        check_targets(y, n, n_dims=n_dims)


@pytest.mark.parametrize("command", ["compare", "lab"])
def test_the_command_line_states_the_number(command):
    text = " ".join(CliRunner().invoke(main, [command, "--help"]).output.split())
    assert f"whole numbers of up to {MOST_CLASSES} values" in text


def test_a_missing_label_in_a_list_of_texts_is_no_class_called_nan():
    with pytest.raises(ValueError, match="y has no value in row 1, and in 1 row in all"):
        check_targets(["a", float("nan"), "b"], 3)


def test_texts_of_any_length_are_classes():
    texts = np.array(["a", "b", "a"], dtype=np.dtypes.StringDType())
    assert check_targets(texts, 3).classes.tolist() == ["a", "b"]
