"""What docs/larger_than_memory.md says of rows that do not fit into memory, in miniature."""

import re
import runpy
import shlex
from pathlib import Path

import fsspec
import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zarr
from click.testing import CliRunner
from sklearn.model_selection import cross_val_score

import isthmus
from isthmus import cli
from isthmus.data import moments
from isthmus.data.moments import principal_axes

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "larger_than_memory.md").read_text(encoding="utf-8")
N, D = 600, 5
RNG = np.random.default_rng(0)
X = np.tanh(RNG.standard_normal((N, 2)) @ RNG.standard_normal((2, D))) + 0.1 * RNG.standard_normal(
    (N, D)
)
NAMES = [f"x{j}" for j in range(D)]

pytestmark = pytest.mark.filterwarnings("ignore::isthmus.NoImprovementWarning")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """big/ with three files, the same rows as other files, and in a cloud that is in memory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "big").mkdir()
    memory = fsspec.filesystem("memory")
    for number, rows in enumerate(np.split(np.arange(N), 3)):
        columns = {name: X[rows, j] for j, name in enumerate(NAMES)}
        table = pa.table({"id": rows, "kind": ["a", "b"] * (len(rows) // 2), **columns})
        pq.write_table(table, tmp_path / "big" / f"{number}.parquet", row_group_size=50)
        with memory.open(f"/bucket/big/{number}.parquet", "wb") as sink:
            pq.write_table(table, sink)
    with h5py.File("x.h5", "w") as file:
        file["x"] = X
    zarr.create_array("x.zarr", shape=X.shape, dtype="f8")[:] = X
    np.save("x.npy", X)
    yield tmp_path
    memory.rm("/bucket", recursive=True)


def of_readme():
    """The commands of the README that read big/."""
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    return [
        line.replace("-o ", "-o readme_") for line in lines if re.match(r"\$ isthmus \w+.* \W?big", line)
    ]


def test_the_commands_of_the_page_and_of_the_readme_work(place):
    (console,) = blocks("console")
    lines = [*console.splitlines(), *of_readme()]
    assert len(lines) == 6
    for line in lines:
        words = shlex.split(line.removeprefix("$ "))
        if words[1] == "fit":
            words += ["--max-epochs", "1", "--widths", "4", "--seed", "0"]
        result = CliRunner().invoke(cli.main, words[1:], prog_name="isthmus")
        assert result.exit_code == 0, (line, result.output)
    assert pq.read_table("readme_coordinates").column("id").to_pylist() == list(range(N))
    model = isthmus.load("big.isthmus")
    names = list(model.get_feature_names_out())
    table = pq.read_table("coordinates")
    assert table.column("id").to_pylist() == list(range(N))
    known = model.transform(isthmus.scan("big", columns=NAMES))
    np.testing.assert_allclose(np.stack(table.select(names).columns, 1), known, rtol=1e-5, atol=1e-5)
    assert pq.read_table("first.parquet").equals(pq.read_table("coordinates/0.parquet").drop(["kind"]))
    assert isthmus.load("three.isthmus").feature_names_in_.tolist() == ["x0", "x1", "x2"]


def test_the_python_of_the_page_works(place, capsys):
    names = {}
    for block in blocks("python"):
        exec(block.replace("s3://", "memory://"), names)
    assert "3 files written with 600 rows, 0 skipped" in capsys.readouterr().out
    assert names["Z"].shape == (N, 2)
    np.testing.assert_array_equal(names["some"], X[::10])


def test_what_cannot_be_done_from_a_stream_is_one_error_each(place, monkeypatch):
    rows = isthmus.scan("big", columns=NAMES, block_bytes=2000)
    text = r"all 600 rows are needed in memory at once.*pass some of them, such as rows\[::100\]"
    for use in (
        lambda: isthmus.compare(rows),
        lambda: isthmus.choose_dimension(rows),
        lambda: isthmus.intrinsic_dimension(rows),
        lambda: isthmus.experiments.double_descent(rows, X[:, 0]),
    ):
        with pytest.raises(isthmus.StoreError, match=text):
            use()
    with pytest.raises(TypeError, match="as for cross-validation, pass some"):
        cross_val_score(isthmus.LinearAutoencoder(2), rows, error_score="raise")
    with pytest.raises(ValueError, match="takes all rows in each step, and these do not fit one block"):
        isthmus.FeedForwardRegressor((4,), solver="lbfgs").fit(rows, X[:, 0])
    monkeypatch.setattr(moments, "MAX_FULL", 4)
    with pytest.raises(ValueError, match="all 5 axes of 600 × 5 rows need them in memory: ask for"):
        principal_axes(rows, None)
    assert principal_axes(rows, 2).components.shape == (2, D)


def test_the_example_goes_from_files_to_files(tmp_path):
    example = runpy.run_path(str(ROOT / "examples" / "larger_than_memory.py"))
    small = [str(tmp_path), "--files", "2", "--rows", "400", "--block-mib", "0.03", "--max-epochs", "5"]
    done = CliRunner().invoke(example["main"], small)
    assert done.exit_code == 0, done.output
    assert "2 files written with 800 rows" in done.stdout
    assert 0 < float(re.search(r"error on new ones is ([\d.]+) of PCA's", done.stdout)[1]) <= 1.001
    assert re.search(r"720 rows in \d blocks", done.stderr)
    table = pq.read_table(tmp_path / "coordinates")
    assert table.column("id").to_pylist() == list(range(800))
    assert set(table.column("label").to_pylist()) == {"left", "right"}
