"""Files of coordinates are what ``transform`` gives of the same rows, whatever happens on the way."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import isthmus
from isthmus.data.stored import parquet, schema
from isthmus.files import _columns, coordinates
from isthmus.files.models import fingerprint

N, D = 1000, 5
RNG = np.random.default_rng(0)
X = RNG.standard_normal((N, D)) * [1.8, 1.4, 1.0, 0.5, 0.2] + 10.0
NAMES = list("abcde")
KIND = np.array(["cat", "dog", None, "ox"], object)[RNG.integers(4, size=N)]
FRAME = pd.DataFrame(X, columns=NAMES)
MODEL = isthmus.LinearAutoencoder(2)
UNNAMED = isthmus.LinearAutoencoder(2)
PARTS = np.split(np.arange(N), [300, 777])


@pytest.fixture(autouse=True, scope="module")
def _fitted_maps():
    MODEL.fit(FRAME)
    UNNAMED.fit(X)


def table_of(rows):
    """Rows of these numbers, with columns beside the features in types of their own."""
    return pa.table(
        {
            "id": pa.array(rows, pa.int32()),
            **{name: X[rows, j] for j, name in enumerate(NAMES)},
            "kind": pa.array(KIND[rows]).dictionary_encode(),
            "day": pa.array(rows.astype("M8[D]")),
        }
    )


@pytest.fixture
def folder(tmp_path):
    """Three files with row groups of 90 rows, one of them in a folder of its own."""
    place = tmp_path / "in"
    (place / "sub").mkdir(parents=True)
    for name, rows in zip(("0", "1", "sub/2"), PARTS, strict=True):
        pq.write_table(table_of(rows), place / f"{name}.parquet", row_group_size=90)
    return place


def contents(folder):
    """Every file below a folder by its name, with hidden ones."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def coordinates_in(folder):
    """The coordinates in all files of a folder, in the order of their names."""
    tables = [pq.read_table(path) for path in sorted(folder.rglob("*.parquet"))]
    return np.stack([pa.concat_tables(tables).column(name) for name in MODEL.get_feature_names_out()], 1)


def test_files_hold_what_transform_gives_and_the_kept_columns_as_they_are(folder, tmp_path):
    out = tmp_path / "out"
    found = isthmus.transform_files(MODEL, folder, out, keep=["kind", "id", "day"])
    assert list(map(str, found.written)) == [
        str(out / name) for name in ("0.parquet", "1.parquet", "sub/2.parquet")
    ]
    assert (found.skipped, found.n_rows) == ((), N)
    np.testing.assert_array_equal(coordinates_in(out), MODEL.transform(FRAME))
    for name in ("0.parquet", "1.parquet", "sub/2.parquet"):
        before, after = pq.ParquetFile(folder / name), pq.ParquetFile(out / name)
        kept = after.read(["kind", "id", "day"])
        assert kept.equals(before.read().select(["kind", "id", "day"]))
        assert after.schema_arrow.names == ["kind", "id", "day", *MODEL.get_feature_names_out()]
        assert after.schema_arrow.types[3:] == [pa.float64()] * 2
        rows = [
            [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
            for file in (before, after)
        ]
        assert rows[0] == rows[1]


@pytest.mark.parametrize(
    ("source", "names"),
    [
        (lambda place: place / "0.parquet", ["0.parquet"]),
        (lambda place: str(place / "*.parquet"), ["0.parquet", "1.parquet"]),
        (lambda place: str(place / "*"), ["0.parquet", "1.parquet", "sub/2.parquet"]),
        (lambda place: [place / "sub", place / "1.parquet"], ["1.parquet", "2.parquet"]),
    ],
)
def test_names_are_those_within_what_was_given(folder, tmp_path, source, names):
    isthmus.transform_files(MODEL, source(folder), tmp_path / "out")
    assert sorted(contents(tmp_path / "out")) == names


def test_files_in_the_cloud_are_read_by_their_url(tmp_path):
    import fsspec

    memory = fsspec.filesystem("memory")
    for number, rows in enumerate(PARTS):
        with memory.open(f"/lake/sub/{number}.parquet", "wb") as sink:
            pq.write_table(table_of(rows), sink)
    for n_written in (3, 0):
        found = isthmus.transform_files(MODEL, "memory://lake", tmp_path / "out")
        assert len(found.written) == n_written
    np.testing.assert_array_equal(coordinates_in(tmp_path / "out" / "sub"), MODEL.transform(FRAME))
    with memory.open("/lake/sub/1.parquet", "wb") as sink:
        pq.write_table(table_of(PARTS[0]), sink)
    with pytest.raises(ValueError, match=r"1.parquet is of another input"):
        isthmus.transform_files(MODEL, "memory://lake", tmp_path / "out")
    memory.rm("/lake", recursive=True)


def test_features_are_found_by_name_or_are_all_columns_of_numbers_but_the_kept_ones(folder, tmp_path):
    # The columns of a map with names may stand in any order among others.
    reordered = table_of(PARTS[0]).select(["day", "e", "kind", *NAMES[:4], "id"])
    pq.write_table(reordered, folder / "0.parquet")
    isthmus.transform_files(MODEL, folder / "0.parquet", tmp_path / "named")
    np.testing.assert_array_equal(coordinates_in(tmp_path / "named"), MODEL.transform(FRAME[:300]))
    source = folder / "1.parquet"
    for number, chosen in enumerate(
        ({"keep": ["id"]}, {"drop": ["id"]}, {"columns": NAMES}, {"columns": NAMES, "keep": ["a"]})
    ):
        out = tmp_path / str(number)
        isthmus.transform_files(UNNAMED, source, out, **chosen)
        np.testing.assert_array_equal(coordinates_in(out), UNNAMED.transform(X[300:777]))
    with pytest.raises(ValueError, match=r"has 6 features \('id', 'a', .*, and the map was fitted on 5"):
        isthmus.transform_files(UNNAMED, source, tmp_path / "more")
    assert not contents(tmp_path / "more")


def test_vectors_in_one_column_are_the_features_that_fit_saw(tmp_path):
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(X.ravel()), D)
    pq.write_table(pa.table({"id": range(N), "v": vectors}), tmp_path / "x.parquet", row_group_size=400)
    rows = isthmus.scan(tmp_path / "x.parquet", columns=["v"])
    model = isthmus.LinearAutoencoder(2).fit(rows)
    isthmus.transform_files(model, tmp_path / "x.parquet", tmp_path / "out", keep=["id"])
    np.testing.assert_array_equal(coordinates_in(tmp_path / "out"), model.transform(rows))


def test_a_large_row_group_is_transformed_in_pieces_and_small_ones_together(
    folder, tmp_path, monkeypatch
):
    sizes = []
    matrix = schema.Columns.matrix
    monkeypatch.setattr(
        schema.Columns, "matrix", lambda self, table: (sizes.append(len(table)), matrix(self, table))[1]
    )
    pq.write_table(table_of(np.arange(N)), tmp_path / "x.parquet", row_group_size=800)
    monkeypatch.setattr(parquet, "PART_BYTES", 100 * D * 8)
    isthmus.transform_files(MODEL, tmp_path / "x.parquet", tmp_path / "out")
    assert sizes == [100] * 8 + [200]
    np.testing.assert_array_equal(coordinates_in(tmp_path / "out"), MODEL.transform(FRAME))
    calls = []
    transform = _columns.Choice.transform
    monkeypatch.setattr(
        _columns.Choice,
        "transform",
        lambda self, rows: (calls.append(len(rows)), transform(self, rows))[1],
    )
    monkeypatch.setattr(coordinates, "PART_BYTES", 200 * D * 8)
    isthmus.transform_files(MODEL, folder, tmp_path / "small")
    # One row beforehand tells the type of the coordinates.
    assert calls == [1, 180, 120, 180, 180, 117, 180, 43]
    np.testing.assert_array_equal(coordinates_in(tmp_path / "small"), MODEL.transform(FRAME))


def test_a_file_without_rows_gives_one_without_rows(folder, tmp_path):
    pq.write_table(table_of(np.arange(0)), folder / "0.parquet")
    isthmus.transform_files(MODEL, folder, tmp_path / "out", keep=["kind"])
    empty = pq.read_table(tmp_path / "out" / "0.parquet")
    assert empty.shape == (0, 3)
    assert empty.schema.field("kind").type == pq.read_schema(folder / "0.parquet").field("kind").type
    assert empty.schema.types[1:] == pq.read_schema(tmp_path / "out" / "1.parquet").types[1:]


def test_complete_files_are_skipped_and_the_others_written(folder, tmp_path):
    out = tmp_path / "out"
    isthmus.transform_files(MODEL, folder, out)
    whole = contents(out)
    times = {path: path.stat().st_mtime_ns for path in out.rglob("*.parquet")}
    (out / "1.parquet").unlink()
    told = []
    found = isthmus.transform_files(MODEL, folder, out, progress=told.append)
    assert found.written == (out / "1.parquet",)
    assert found.n_rows == 477
    assert [(one.output.name, one.n_written, one.n_rows, one.skipped) for one in told] == [
        ("0.parquet", 300, 300, True),
        *(("1.parquet", n, 477, False) for n in (90, 180, 270, 360, 450, 477)),
        ("2.parquet", 223, 223, True),
    ]
    assert contents(out) == whole
    assert all(path.stat().st_mtime_ns == times[path] for path in found.skipped)


def test_a_map_is_the_same_after_it_was_saved_and_another_is_not(tmp_path):
    members = isthmus.Ensemble(isthmus.Autoencoder(2, widths=(4,), max_epochs=2), 2, random_state=0)
    with pytest.warns(isthmus.NoImprovementWarning):
        members.fit(FRAME)
    models = [MODEL, members.members_[0], members]
    others = [isthmus.LinearAutoencoder(2).fit(FRAME * 1.001), UNNAMED]
    for model in models:
        isthmus.save(model, tmp_path / "map.isthmus")
        assert fingerprint(isthmus.load(tmp_path / "map.isthmus")) == fingerprint(model)
    assert len({fingerprint(model) for model in [*models, *others]}) == 5


def test_what_is_of_another_map_input_or_columns_is_refused_before_anything_is_written(folder, tmp_path):
    out = tmp_path / "out"
    isthmus.transform_files(MODEL, folder / "1.parquet", out)
    before = contents(out)
    other = isthmus.LinearAutoencoder(2).fit(FRAME[:500])
    advice = "1.parquet {}: delete it, or write to another folder"

    def refused(text, model=MODEL, **chosen):
        with pytest.raises(isthmus.StoreError, match=advice.format(text)):
            isthmus.transform_files(model, folder, out, **chosen)
        assert contents(out) == before

    refused("is of another model", other)
    refused(r"was written with other columns \(keep, columns or drop\)", keep=["id"])
    status = os.stat(folder / "1.parquet")
    os.utime(folder / "1.parquet", ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    refused("is of another input, or its input was written anew since")
    for content in (b"half of a file", (folder / "1.parquet").read_bytes()):
        (out / "1.parquet").write_bytes(content)
        before = contents(out)
        refused("was not written by isthmus.transform_files")


def test_outputs_do_not_lie_among_the_inputs(folder, tmp_path):
    before = contents(folder)
    for source, out in (
        (folder, folder),
        (folder, folder / "out"),
        (folder / "0.parquet", folder),
        (str(folder / "*.parquet"), folder.parent / "in" / ".." / "in"),
        (folder / "sub" / "2.parquet", folder),
    ):
        with pytest.raises(isthmus.StoreError, match="is a folder that is read, or within one"):
            isthmus.transform_files(MODEL, source, out)
    assert contents(folder) == before
    with pytest.raises(isthmus.StoreError, match=r"2 inputs have the name 0.parquet"):
        isthmus.transform_files(MODEL, [folder / "0.parquet", str(folder / "0*")], tmp_path / "out")
    with pytest.raises(NotADirectoryError, match="a folder is needed, and this is a file"):
        isthmus.transform_files(MODEL, folder / "sub", folder / "0.parquet")


def damage(path):
    """Bytes of a row group lost, with the footer in its place."""
    content = bytearray(path.read_bytes())
    start = pq.read_metadata(path).row_group(2).column(1).data_page_offset
    content[start : start + 200] = b"\xff" * 200
    path.write_bytes(bytes(content))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-40]), "1.parquet cannot be read as Parquet"),
        (damage, "row group 2 of .*1.parquet cannot be read; it is truncated"),
        (
            lambda path: pq.write_table(pq.read_table(path).drop(["b", "d"]), path),
            r"1.parquet lacks 2 of the 5 columns of numbers .*: 'b', 'd'. It has 'id', 'a', 'c'",
        ),
        (
            lambda path: pq.write_table(pq.read_table(path).drop(["kind"]), path),
            "1.parquet has no column 'kind' to keep; it has 'id'",
        ),
    ],
)
def test_files_before_one_that_is_damaged_are_complete_and_it_goes_on_there(
    folder, tmp_path, change, text
):
    whole = (folder / "1.parquet").read_bytes()
    status = os.stat(folder / "1.parquet")
    change(folder / "1.parquet")
    with pytest.raises(isthmus.StoreError, match=text):
        isthmus.transform_files(MODEL, folder, tmp_path / "out", keep=["kind"])
    assert list(contents(tmp_path / "out")) == ["0.parquet"]
    (folder / "1.parquet").write_bytes(whole)
    os.utime(folder / "1.parquet", ns=(status.st_atime_ns, status.st_mtime_ns))
    found = isthmus.transform_files(MODEL, folder, tmp_path / "out", keep=["kind"])
    assert len(found.skipped) == 1
    np.testing.assert_array_equal(coordinates_in(tmp_path / "out"), MODEL.transform(FRAME))


def test_a_full_disk_is_one_error_that_names_the_output_and_finished_files_stay(
    folder, tmp_path, monkeypatch
):
    write = pq.ParquetWriter.write_table
    n_written = []

    def full(self, table, **settings):
        n_written.append(len(table))
        if len(n_written) > 6:
            raise OSError(28, "No space left on device")
        write(self, table, **settings)

    monkeypatch.setattr(pq.ParquetWriter, "write_table", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*1.parquet'"):
        isthmus.transform_files(MODEL, folder, tmp_path / "out")
    assert list(contents(tmp_path / "out")) == ["0.parquet"]
    monkeypatch.undo()
    assert len(isthmus.transform_files(MODEL, folder, tmp_path / "out").written) == 2


KILLED = """
import sys, time, isthmus, pyarrow.parquet as pq
write = pq.ParquetWriter.write_table
def slowly(self, table, **settings):
    write(self, table, **settings)
    time.sleep(0.02)
pq.ParquetWriter.write_table = slowly
isthmus.transform_files(isthmus.load(sys.argv[1]), sys.argv[2], sys.argv[3], keep=["id"])
"""


def test_what_was_killed_goes_on_and_no_reader_ever_sees_a_part_of_a_file(tmp_path):
    isthmus.save(MODEL, tmp_path / "map.isthmus")
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    out.mkdir()
    for number in range(4):
        pq.write_table(table_of(np.arange(N)), source / f"{number}.parquet", row_group_size=20)
    running = subprocess.Popen(
        [sys.executable, "-c", KILLED, tmp_path / "map.isthmus", source, out], stderr=subprocess.PIPE
    )
    # A reader that looks all the time, until the second file is being written.
    seen, deadline = 0, time.monotonic() + 100
    while not ((out / "0.parquet").exists() and list(out.glob(".1.parquet.*.tmp"))):
        assert running.poll() is None, running.stderr.read()
        assert time.monotonic() < deadline
        for path in out.glob("*.parquet"):
            assert pq.read_table(path).num_rows == N
            seen += 1
        time.sleep(0.002)
    time.sleep(0.1)
    running.send_signal(signal.SIGKILL)
    running.wait()
    running.stderr.close()
    (left_over,) = out.glob(".*.tmp")
    assert sorted(path.name for path in out.glob("*.parquet")) == ["0.parquet"]
    with pytest.raises(pa.ArrowInvalid):
        pq.read_table(left_over)
    found = isthmus.transform_files(MODEL, source, out, keep=["id"])
    assert [path.name for path in found.skipped] == ["0.parquet"]
    assert sorted(contents(out)) == [f"{number}.parquet" for number in range(4)]
    for number in range(4):
        table = pq.read_table(out / f"{number}.parquet")
        assert table.column("id").to_pylist() == list(range(N))
        np.testing.assert_allclose(table.column(1), MODEL.transform(FRAME)[:, 0], rtol=1e-5, atol=1e-5)


def test_what_cannot_be_transformed_is_refused_with_what_to_do(folder, tmp_path):
    for source in ([X], X, 5, isthmus.scan(folder, columns=NAMES)):
        with pytest.raises(TypeError, match=r"expected Parquet files.*model.transform\(isthmus.scan"):
            isthmus.transform_files(MODEL, source, tmp_path / "out")
    with pytest.raises(TypeError, match="model is a int"):
        isthmus.transform_files(5, folder, tmp_path / "out")
    with pytest.raises(TypeError, match=r"such as keep=\['id'\]"):
        isthmus.transform_files(MODEL, folder, tmp_path / "out", keep="id")
    with pytest.raises(ValueError, match="'linearautoencoder1' is written already"):
        isthmus.transform_files(MODEL, folder, tmp_path / "out", keep=["linearautoencoder1"])
    with pytest.raises(isthmus.StoreError, match="the output is a folder on a disk"):
        isthmus.transform_files(MODEL, folder, "s3://bucket/out")
    with pytest.raises(FileNotFoundError, match="none that matches"):
        isthmus.transform_files(MODEL, folder / "9.parquet", tmp_path / "out")
