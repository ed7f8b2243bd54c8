"""What the pages on Slurm, on processes and on cloud storage say, in miniature."""

import os
import runpy
import socket
import subprocess
import sys
from pathlib import Path

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import isthmus

pytestmark = pytest.mark.filterwarnings("ignore::isthmus.NoImprovementWarning")

EXAMPLES = Path(__file__).parents[1] / "examples"
N, D = 600, 5
RNG = np.random.default_rng(0)
X = np.tanh(RNG.standard_normal((N, 2)) @ RNG.standard_normal((2, D))) + 0.1 * RNG.standard_normal(
    (N, D)
)

SRUN = f"""#!{sys.executable}
import os, subprocess, sys

arguments = sys.argv[1:]
while arguments[0].startswith("-"):
    del arguments[0]
started = [
    subprocess.Popen(
        arguments,
        env={{
            **os.environ,
            "SLURM_STEP_NODELIST": "localhost",
            "SLURM_NTASKS": "2",
            "SLURM_STEP_NUM_TASKS": "2",
            "SLURM_PROCID": str(number),
            "SLURM_LOCALID": str(number),
        }},
    )
    for number in range(2)
]
sys.exit(max(process.wait() for process in started))
"""
"""What srun does, on one machine."""


def write(folder, filesystem=None):
    filesystem = filesystem or fsspec.filesystem("file")
    filesystem.makedirs(str(folder), exist_ok=True)
    for number, rows in enumerate(np.split(np.arange(N), 3)):
        table = pa.table({"id": rows, **{f"x{j}": X[rows, j] for j in range(D)}})
        with filesystem.open(f"{folder}/{number}.parquet", "wb") as sink:
            pq.write_table(table, sink, row_group_size=50)


def free_job():
    """A job whose port is free: JAX makes it of the job's number."""
    for port in np.random.default_rng().permutation(np.arange(61_440, 65_536)).tolist():
        with socket.socket() as tried:
            if tried.connect_ex(("localhost", port)):
                return port - 61_440
    raise AssertionError("all ports are taken")


def test_the_job_of_the_page_on_slurm(tmp_path):
    write(tmp_path / "big")
    srun = tmp_path / "bin" / "srun"
    srun.parent.mkdir()
    srun.write_text(SRUN)
    srun.chmod(0o755)
    path = os.pathsep.join([str(srun.parent), str(Path(sys.executable).parent), os.environ["PATH"]])
    command = ["bash", EXAMPLES / "slurm.sh", "big", "out", "--max-epochs", "2", "--widths", "8"]
    done = subprocess.run(
        [*command, "--batch-size", "60", "--seed", "0"],
        cwd=tmp_path,
        env={**os.environ, "PATH": path, "SLURM_JOB_ID": str(free_job())},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("saved out/map.isthmus") == 1
    # One process has written two of the files, and the other one.
    assert "2 files written with 400 rows" in done.stderr
    assert "1 file written with 200 rows" in done.stderr
    model = isthmus.load(tmp_path / "out" / "map.isthmus")
    for number in range(3):
        table = pq.read_table(tmp_path / "out" / "coordinates" / f"{number}.parquet").to_pandas()
        rows = table.pop("id")
        np.testing.assert_allclose(table, np.asarray(model.encode(X[rows])), atol=1e-5)
    # The same rows in the same batches as one process takes.
    alone = isthmus.Autoencoder(2, widths=(8,), batch_size=60, max_epochs=2, random_state=0)
    alone.fit(isthmus.scan(tmp_path / "big", drop=["id"]))
    np.testing.assert_allclose(
        model.history_["validation_loss"], alone.history_["validation_loss"], rtol=1e-4
    )


def test_the_example_on_cloud_storage(capsys):
    memory = fsspec.filesystem("memory")
    write("/bucket/big", memory)
    example = runpy.run_path(str(EXAMPLES / "cloud_storage.py"))
    share = example["study"](
        "memory://bucket/big/", "memory://bucket/coordinates/", widths=(8,), max_epochs=2
    )
    assert 0 < share < 2
    assert "3 files written with 600 rows" in capsys.readouterr().out
    with memory.open("/bucket/coordinates/1.parquet") as file:
        assert pq.read_table(file)["id"].to_pylist() == list(range(200, 400))
    copied = isthmus.scan("simplecache::memory://bucket/big/*.parquet", drop=["id"])
    np.testing.assert_array_equal(copied[:], X)
    memory.rm("/bucket", recursive=True)
