"""Several devices, and several processes, train the map that one trains."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import isthmus

pytestmark = pytest.mark.filterwarnings("ignore:No epoch beat PCA")

N, D = 2000, 12
PROGRAM = Path(__file__).with_name("several.py")


def made_rows():
    rng = np.random.default_rng(0)
    angles = rng.uniform(0, 3, (N, 2))
    rows = np.sin(angles @ rng.standard_normal((2, D))) + 0.05 * rng.standard_normal((N, D))
    return rows.astype(np.float32)


ROWS = made_rows()


def write(folder, rows):
    folder.mkdir()
    for number, part in enumerate(np.split(rows, [700, 1500])):
        table = pa.table({f"c{j}": part[:, j] for j in range(D)})
        pq.write_table(table, folder / f"{number}.parquet", row_group_size=50)


def free_port():
    with socket.socket() as listening:
        listening.bind(("localhost", 0))
        return listening.getsockname()[1]


def fitted(X, **settings):
    model = isthmus.Autoencoder(2, widths=(16,), batch_size=96, max_epochs=3, random_state=0)
    return model.set_params(**settings).fit(X)


def assert_the_same(found, model):
    """The same training but for rounding."""
    losses = np.asarray(model.history_["validation_loss"])
    np.testing.assert_allclose(found["loss"], losses, rtol=1e-4)
    Z = np.asarray(model.encode(ROWS[:50]))
    np.testing.assert_allclose(found["map"], Z, atol=1e-3 * np.abs(Z).max())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rows")
    np.save(folder / "rows.npy", ROWS)
    write(folder / "whole", ROWS)
    broken = ROWS.copy()
    broken[1960, 3] = np.nan
    write(folder / "broken", broken)
    return folder


@pytest.fixture(scope="module")
def of_two(folder):
    """What each of two processes found."""
    port = free_port()
    command = [sys.executable, PROGRAM]
    running = [
        subprocess.Popen([*command, str(index), str(port), folder], stderr=subprocess.PIPE, text=True)
        for index in range(2)
    ]
    for process, (_, errors) in zip(
        running, [one.communicate(timeout=300) for one in running], strict=True
    ):
        assert process.returncode == 0, errors
    return [json.loads((folder / f"{index}.json").read_text()) for index in range(2)]


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr("isthmus.data.stored.parquet.PART_BYTES", 50 * D * 4)


def scanned(folder):
    return isthmus.scan(folder / "whole", block_bytes=2**14)


def test_an_array_gives_the_map_of_one_process(of_two):
    for found in of_two:
        assert_the_same(found["array"], fitted(ROWS))
        assert found["complete"] == found["array"]


def test_files_give_the_map_of_one_process_and_each_reads_its_share(of_two, folder, small_parts):
    model = fitted(scanned(folder))
    for found in of_two:
        assert_the_same(found["sample"], model)
        # In one pass, and the rest comes from the process's own file of these rows.
        assert found["sample"]["read"] == N // 2


def test_blocks_of_files_are_read_in_shares_too(of_two, folder, small_parts, monkeypatch):
    monkeypatch.setattr("isthmus.data.stored.rows.MOST_BYTES", 1000)
    model = fitted(scanned(folder))
    for found in of_two:
        assert_the_same(found["blocks"], model)
        # Half of four passes; runs of 50 rows that lie in both halves of a block are read by both.
        assert found["blocks"]["read"] < 1.2 * 4 * N / 2


def test_processes_agree_on_what_each_would_draw(of_two):
    """Few rows, which are cross-validated, are trained whole by each; without a seed that was given."""
    first, second = of_two
    assert first["own seeds"] == second["own seeds"]
    assert len(first["own seeds"]["loss"]) == 4


def test_an_error_in_one_is_raised_in_all(of_two):
    for index, found in enumerate(of_two):
        message, *notes = found["NaN"]
        assert "NaN" in message
        assert "column 'c3' in row 10 of row group 9" in message
        assert notes == ([] if index else ["raised in process 1 of 2, and so in all"])
        assert found["columns"][0].startswith("X is (2000, 11) of float32, columns ('c1', 'c2', ")
        assert found["unlike"][0].startswith(
            "learning_rate is 0.001 in process 0 and 0.002 in process 1"
        )


ON_EIGHT_DEVICES = """
import json
import sys
from pathlib import Path

import numpy as np
import isthmus
from isthmus.training import _spread

_spread.LEAST_ROWS = 1
parts, made = [], _spread.Devices.__init__

def counted(devices, of_jax, batch):
    made(devices, of_jax, batch)
    parts.append([len(of_jax), devices.n_parts])

_spread.Devices.__init__ = counted
folder = Path(sys.argv[1])
rows = np.load(folder / "rows.npy")
found = {"parts": parts}
files = isthmus.scan(folder / "whole", block_bytes=2**14)
for name, X, batch in ("array", rows, 96), ("files", files, 90):
    model = isthmus.Autoencoder(2, widths=(16,), batch_size=batch, max_epochs=3, random_state=0).fit(X)
    losses = np.asarray(model.history_["validation_loss"])
    found[name] = {"loss": losses.tolist(), "map": np.asarray(model.encode(rows[:50])).tolist()}
(folder / "devices.json").write_text(json.dumps(found))
"""


def test_eight_devices_train_the_map_of_one(folder):
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=8"
    command = [sys.executable, "-W", "error", "-c", ON_EIGHT_DEVICES, folder]
    subprocess.run(command, env={**os.environ, "XLA_FLAGS": flags}, check=True)
    found = json.loads((folder / "devices.json").read_text())
    # 90 rows are divided among two of them, and the others do the same as these.
    assert found["parts"] == [[8, 8], [8, 2]]
    assert_the_same(found["array"], fitted(ROWS))
    assert_the_same(found["files"], fitted(scanned(folder), batch_size=90))


def start(folder, index, port, *arguments):
    """The command line as one of two processes."""
    command = [
        *(sys.executable, "-m", "isthmus", "fit", folder / "rows.npy", "-o", folder / "map.isthmus"),
        *("--widths", "16", "--batch-size", "96", "--seed", "0", *arguments),
        *("--coordinator", f"localhost:{port}", "--processes", "2", "--process", str(index)),
    ]
    return subprocess.Popen(
        [*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_where_one_is_killed_the_other_says_so_and_both_go_on_from_the_checkpoint(folder):
    def started():
        port, settings = free_port(), ("--max-epochs", "15", "--checkpoint", kept)
        return [start(folder, index, port, *settings) for index in range(2)]

    kept = folder / "training"
    first, second = started()
    while not (kept.exists() and list(kept.glob("*.safetensors"))):
        assert first.poll() is None, first.communicate()
        time.sleep(0.02)
    second.send_signal(signal.SIGKILL)
    _, errors = first.communicate(timeout=60)
    second.communicate()
    assert first.returncode == 1
    assert "error: one of the 2 processes that train together has ended" in errors
    assert not (folder / "map.isthmus").exists()
    (of_first, _), (of_second, _) = (process.communicate(timeout=300) for process in started())
    assert f"saved {folder / 'map.isthmus'}" in of_first
    assert "saved" not in of_second
    assert len(isthmus.load(folder / "map.isthmus").history_["epoch"]) == 16
    assert max(kept.iterdir()).name == "isthmus-0000-00000002.safetensors"
