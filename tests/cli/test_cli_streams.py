"""Rows that are read in parts, on the command line, against the same rows in Python."""

import io
import os
import re
import sys
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zarr

import isthmus
from cli.command import run, succeed
from isthmus.cli import _sources, _streams
from isthmus.estimators import fitting
from isthmus.files.coordinates import FileProgress
from isthmus.plots import maps

N, D = 1000, 4
RNG = np.random.default_rng(0)
X = RNG.standard_normal((N, D)) * [40.0, 1.4, 1.0, 0.5] + 10.0
NAMES = list("abcd")
FRAME = pd.DataFrame(X, columns=NAMES)
KIND = np.array(["cat", "dog", None, "ox"], object)[RNG.integers(4, size=N)]
LINEAR = ("--model", "linear", "-d", 2)

# The spread of one column is what --scaling auto is tried with.
pytestmark = pytest.mark.filterwarnings("ignore::isthmus.UnequalScalesWarning")


def table_of(rows):
    features = {name: X[rows, j] for j, name in enumerate(NAMES)}
    return pa.table({"id": rows, **features, "kind": pa.array(KIND[rows])})


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """Three files with row groups of 90 rows in big/, and map.isthmus: PCA of them."""
    folder = tmp_path_factory.mktemp("original")
    (folder / "big").mkdir()
    for number, rows in enumerate(np.split(np.arange(N), [300, 777])):
        pq.write_table(table_of(rows), folder / "big" / f"{number}.parquet", row_group_size=90)
    isthmus.save(isthmus.LinearAutoencoder(2, scaling="standard").fit(FRAME), folder / "map.isthmus")
    return folder


@pytest.fixture
def large(monkeypatch):
    """Every Parquet file is too large for memory."""
    monkeypatch.setattr(_sources, "LARGE_BYTES", 1000)


FILES = [f"big/{number}.parquet" for number in range(3)]
SOURCES = {"a folder": ["big"], "a pattern": ["big/*.parquet"], "files": FILES}


@pytest.mark.parametrize("source", SOURCES)
def test_fit_of_a_stream_is_that_of_the_rows_in_memory(folder, source):
    result = succeed("fit", *SOURCES[source], "--drop", "id,kind", *LINEAR, "-o", "out.isthmus")
    assert re.search(r"rows +1000\b", result.stdout)
    # The spreads of the columns decide the scaling, as they do of rows in memory.
    assert "columns have different units, so each is standardised" in result.stderr
    ours, theirs = isthmus.load("out.isthmus"), isthmus.load("map.isthmus")
    assert ours.feature_names_in_.tolist() == NAMES
    np.testing.assert_allclose(ours.components_, theirs.components_, atol=1e-8)
    np.testing.assert_allclose(ours.scaling_.scale, theirs.scaling_.scale, rtol=1e-10)


def test_columns_are_chosen_by_name_or_position(folder):
    for options in (["--columns", "d,b"], ["--columns", "4", "--columns", "b"]):
        succeed("fit", "big", *options, *LINEAR, "-o", "out.isthmus")
        model = isthmus.load("out.isthmus")
        assert model.feature_names_in_.tolist() == ["d", "b"]
        known = isthmus.LinearAutoencoder(2).fit(FRAME[["d", "b"]])
        np.testing.assert_allclose(model.components_, known.components_, atol=1e-8)


@pytest.mark.parametrize("write", ["zarr", "h5"])
def test_arrays_in_files_are_streams(folder, write):
    if write == "zarr":
        array = zarr.create_array(folder / "x.zarr", shape=X.shape, chunks=(64, 2), dtype="f8")
        array[:] = X
    else:
        with h5py.File(folder / "x.h5", "w") as file:
            file["x"] = X
    succeed("fit", f"x.{write}", *LINEAR, "--scaling", "none", "-o", "out.isthmus")
    known = isthmus.LinearAutoencoder(2).fit(X)
    np.testing.assert_allclose(isthmus.load("out.isthmus").components_, known.components_, atol=1e-8)
    succeed("transform", "out.isthmus", f"x.{write}", "-o", "z.npy")
    np.testing.assert_allclose(np.load("z.npy"), known.transform(X), rtol=1e-10, atol=1e-8)
    printed = succeed("transform", "out.isthmus", f"x.{write}").stdout
    np.testing.assert_allclose(pd.read_csv(io.StringIO(printed)), known.transform(X), atol=1e-8)
    assert refused("fit", f"x.{write}", "--drop", "a", *LINEAR, "-o", "o.isthmus").endswith(
        f"--drop: columns are chosen by name, and those of x.{write} have none"
    )


def test_a_picture_of_a_stream_shows_some_rows_with_their_labels(folder, monkeypatch):
    monkeypatch.setattr(_streams, "MOST_DRAWN", 200)
    shown = []
    plot = maps.plot
    monkeypatch.setattr(
        isthmus,
        "plot",
        lambda model, X, y, **named: (shown.append((X, y)), plot(model, X, y, **named))[1],
    )
    arguments = ("--label", "kind", "--drop", "id", "--picture", "map.png")
    result = succeed("fit", "big", *arguments, *LINEAR, "-o", "out.isthmus")
    assert "note: the picture shows 200 of the 1,000 rows, evenly spaced" in result.stderr
    assert (folder / "map.png").read_bytes().startswith(b"\x89PNG")
    ((some, labels),) = shown
    places = [int(np.flatnonzero(X[:, 0] == value)[0]) for value in some.column("a").to_numpy()]
    np.testing.assert_array_equal(np.array(places) // 5, np.arange(200))
    np.testing.assert_array_equal(np.stack([some.column(name) for name in NAMES], 1), X[places])
    assert labels.tolist() == KIND[places].tolist()


@pytest.mark.filterwarnings("ignore::isthmus.NoImprovementWarning")
def test_blocks_are_as_large_as_asked_for_and_told_where_progress_is(folder, monkeypatch, capsys):
    sources = []
    source = fitting.ArraySource
    monkeypatch.setattr(
        fitting, "ArraySource", lambda *a, **k: (sources.append(source(*a, **k)), sources[-1])[1]
    )
    few = ("--widths", 4, "--max-epochs", 1, "--seed", 0, "--scaling", "none", "-q")
    arguments = ("fit", "big", "--columns", "a,b,c,d", *few, "-o", "out.isthmus")
    succeed(*arguments, "--block-size", "4K")
    # 900 rows, those not held out, of 16 bytes.
    assert (sources[0].block_bytes, sources[0].n_blocks) == (4096, 4)
    rows = isthmus.scan("big", columns=NAMES, block_bytes=4096)
    model = isthmus.Autoencoder(2, widths=(4,), max_epochs=1, random_state=0, verbose=True).fit(rows)
    assert "900 rows in 4 blocks, of each 225 rows (0.003433 MiB) at a time" in capsys.readouterr().err
    ours = isthmus.load("out.isthmus")
    np.testing.assert_allclose(ours.transform(FRAME), model.transform(FRAME), rtol=1e-4, atol=1e-4)


def test_transform_writes_a_file_for_each_and_goes_on_where_it_was(folder):
    arguments = ("transform", "map.isthmus", "big/*.parquet", "--keep", "id,kind", "-o", "out")
    result = succeed(*arguments)
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        "out/0.parquet: 300 rows written",
        "out/1.parquet: 477 rows written",
        "out/2.parquet: 223 rows written",
        "3 files written with 1,000 rows, 0 skipped that were complete",
    ]
    model = isthmus.load("map.isthmus")
    table = pq.read_table("out")
    assert table.column_names == ["id", "kind", *model.get_feature_names_out()]
    assert table.column("kind").to_pylist() == KIND.tolist()
    coordinates = np.stack([table.column(name) for name in model.get_feature_names_out()], 1)
    np.testing.assert_array_equal(coordinates, model.transform(FRAME))
    os.remove("out/1.parquet")
    lines = succeed(*arguments).stderr.splitlines()
    assert lines[:2] == ["out/0.parquet: complete, left as it is", "out/1.parquet: 477 rows written"]
    assert lines[-1] == "1 file written with 477 rows, 2 skipped that were complete"


def test_a_large_file_is_a_stream_and_a_small_one_is_read_as_before(folder, large, monkeypatch):
    model = isthmus.load("map.isthmus")
    succeed("transform", "map.isthmus", "big/0.parquet", "--keep", "kind", "-o", "z.parquet")
    table = pq.read_table("z.parquet")
    assert table.column("kind").to_pylist() == KIND[:300].tolist()
    np.testing.assert_array_equal(table.column(1), model.transform(FRAME[:300])[:, 0])
    assert pq.read_metadata("z.parquet").num_row_groups == 4
    assert "of large files" not in refused("transform", "map.isthmus", "big/0.parquet")
    for output in ([], ["-o", "z.csv"]):
        told = refused("transform", "map.isthmus", "big/0.parquet", *output)
        assert "is read in parts, and its coordinates are written as Parquet" in told
    told = refused("transform", "map.isthmus", "big/0.parquet", "-o", "big/0.parquet")
    assert "is a file that isthmus transform reads, and would be written over" in told
    monkeypatch.undo()
    os.chdir(folder)
    printed = succeed("transform", "map.isthmus", "big/0.parquet").stdout
    np.testing.assert_allclose(pd.read_csv(io.StringIO(printed)), model.transform(FRAME[:300]))


def test_a_map_without_names_takes_all_columns_of_numbers_but_those_left_out(folder):
    model = isthmus.LinearAutoencoder(2).fit(X)
    isthmus.save(model, "plain.isthmus")
    for number, options in enumerate((["--keep", "id"], ["--drop", "0"], ["--columns", "a,b,c,d"])):
        succeed("transform", "plain.isthmus", "big", *options, "-o", f"out{number}")
        tables = pq.read_table(f"out{number}").select(list(model.get_feature_names_out()))
        np.testing.assert_array_equal(np.stack(tables.columns, 1), model.transform(X))


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_the_bar_names_any_file_as_it_is_called(monkeypatch):
    name = "out[/a]:key:.parquet"
    monkeypatch.setattr("sys.stderr", Terminal())
    with _streams._progress() as progress:
        for n_written in (1, 3):
            progress(FileProgress("0.parquet", Path(name), n_written, 3))
        shown = sys.stderr
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.getvalue())
    assert f"{name}: 3 rows written" in text
    # The bar itself, beside that line.
    assert text.count(name) > text.count(f"{name}:")


def refused(*arguments, code=2):
    """What a command says that is refused, on one line."""
    result = run(*arguments)
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    # A usage error is wrapped to the width of a terminal.
    return " ".join(result.stderr.split())


FIT = ("-o", "o.isthmus", *LINEAR)


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("fit", "big", "--periodic", "a=360", *FIT[:2]), 2, "--periodic: big is read in"),
        (("fit", "big", "--categorical", "kind", *FIT[:2]), 2, "a column of zeros and ones for each"),
        (("fit", "big", "--header", *FIT), 2, "--header and --no-header are for text files"),
        (("fit", *FILES, "--drop", "id", *FIT), 1, "'kind' holds no numbers. Leave it out with --drop"),
        (("fit", "big", "--drop", "species", *FIT), 1, "big/0.parquet has no column 'species'"),
        (("fit", "big", "--label", "species", *FIT), 1, "big/0.parquet has no column 'species'"),
        (("fit", "nothing/*.parquet", *FIT), 1, "there is no file nothing/*.parquet, and"),
        (("fit", "empty", *FIT), 1, "the folder empty has no Parquet files"),
        (("fit", "big/0.parquet", "map.isthmus", *FIT), 2, "and map.isthmus is none by its name"),
        (("fit", "big", "--block-size", "some", *FIT), 2, "expected a number of bytes, as in 256M"),
        (("fit", "big/0.parquet", "--block-size", "1M", *FIT), 2, "big/0.parquet is read into memory"),
        (("transform", "map.isthmus", "big"), 2, "-o is missing; give it the name of a folder"),
        (("transform", "map.isthmus", "big", "-o", "z.csv"), 2, "-o z.csv is another kind of file"),
        (("transform", "map.isthmus", "big", "-o", "big"), 1, "is a folder that is read, or within one"),
        (("transform", "map.isthmus", "big/0.parquet", "-o", "z"), 2, "z: the ending is none of .csv"),
        (("transform", "map.isthmus", "other", "-o", "z"), 1, "lacks 1 of the 4 columns of numbers"),
        (("transform", "map.isthmus", "big", "--keep", "x", "-o", "z"), 1, "has no column 'x'"),
    ],
)
def test_what_is_wrong_is_one_line_with_what_to_do(folder, arguments, code, told):
    (folder / "empty").mkdir()
    (folder / "other").mkdir()
    pq.write_table(table_of(np.arange(9)).drop(["a"]), folder / "other" / "x.parquet")
    assert told in refused(*arguments, code=code)
    assert not (folder / "o.isthmus").exists()
    assert not (folder / "z").exists() or not list((folder / "z").iterdir())


def test_a_file_that_is_damaged_is_named_and_those_before_it_are_complete(folder):
    path = folder / "big" / "1.parquet"
    path.write_bytes(path.read_bytes()[:-40])
    told = refused("transform", "map.isthmus", "big", "-o", "out", code=1)
    assert "isthmus: error: big/1.parquet cannot be read as Parquet; it is empty, truncated" in told
    assert [file.name for file in (folder / "out").iterdir()] == ["0.parquet"]
