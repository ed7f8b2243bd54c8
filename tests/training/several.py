"""What one of two processes does that train together; it writes what came out to a file.

python several.py INDEX PORT FOLDER
"""

import json
import sys
import warnings
from pathlib import Path

import jax
import numpy as np

import isthmus
from isthmus.data.stored import parquet
from isthmus.data.stored import rows as stored_rows

n_read = 0
of_part = parquet.ParquetStore.read


def counted(store, part):
    """The rows of a part, which are counted."""
    global n_read
    block = of_part(store, part)
    n_read += len(block)
    return block


def train(index: int, folder: Path) -> dict:
    rows = np.load(folder / "rows.npy")
    parquet.PART_BYTES = 50 * rows.shape[1] * 4
    parquet.ParquetStore.read = counted

    def fitted(X, checkpoint=None, **settings):
        global n_read
        model = isthmus.Autoencoder(2, widths=(16,), batch_size=96, max_epochs=3, random_state=0)
        n_read = 0
        model.set_params(**settings).fit(X, checkpoint=checkpoint)
        return {
            "loss": np.asarray(model.history_["validation_loss"]).tolist(),
            "map": np.asarray(model.encode(rows[:50])).tolist(),
            "read": n_read,
        }

    def refused(X, **settings):
        try:
            fitted(X, **settings)
        except ValueError as error:
            return [str(error), *getattr(error, "__notes__", [])]
        raise AssertionError("there was no error")

    def scanned(name):
        return isthmus.scan(folder / name, block_bytes=2**14)

    found = {
        "array": fitted(rows, folder / "kept"),
        "complete": fitted(rows, folder / "kept"),
        "sample": fitted(scanned("whole")),
        "own seeds": fitted(rows[:60], random_state=None),
        "NaN": refused(scanned("broken")),
        "columns": refused(isthmus.scan(folder / "whole", drop=[f"c{index}"])),
        "unlike": refused(rows, learning_rate=0.001 * (1 + index)),
    }
    stored_rows.MOST_BYTES = 1000
    return found | {"blocks": fitted(scanned("whole"))}


def main(index: int, port: str, folder: Path) -> None:
    jax.distributed.initialize(
        f"localhost:{port}", 2, index, heartbeat_timeout_seconds=10, initialization_timeout=60
    )
    warnings.simplefilter("error")
    warnings.filterwarnings("ignore", "No epoch beat PCA")
    (folder / f"{index}.json").write_text(json.dumps(train(index, folder)))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
