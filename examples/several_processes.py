"""One map of Parquet files, trained by several processes of this machine.

``python examples/several_processes.py FOLDER MAP`` starts them. On a cluster they are started by srun or
mpirun, and the program is what ``fit`` does here.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import click


def fit(folder: Path, output: Path, address: str, count: int, number: int) -> None:
    """What each process does."""
    import jax

    # Below srun it takes no arguments.
    jax.distributed.initialize(address, num_processes=count, process_id=number)
    import isthmus

    rows = isthmus.scan(folder)
    model = isthmus.Autoencoder(2, batch_size=1024, random_state=0).fit(rows)
    if jax.process_index() == 0:
        isthmus.save(model, output)
        share = model.validation_loss_ / model.pca_validation_loss_
        print(f"{len(rows):,} rows, error {share:.2f} of PCA's")


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("localhost", 0))
        return int(listening.getsockname()[1])


@click.command(help=__doc__)
@click.argument("folder", type=click.Path(exists=True, path_type=Path))
@click.argument("output", type=click.Path(path_type=Path))
@click.option("--processes", "count", default=2, show_default=True)
@click.option("--process", "number", type=int, hidden=True)
@click.option("--address", hidden=True)
def main(folder: Path, output: Path, count: int, number: int | None, address: str | None) -> None:
    if number is not None and address is not None:
        fit(folder, output, address, count, number)
        return
    command = [sys.executable, __file__, str(folder), str(output), "--processes", str(count)]
    command += ["--address", f"localhost:{free_port()}", "--process"]
    running = [subprocess.Popen([*command, str(number)]) for number in range(count)]
    sys.exit(max(process.wait() for process in running))


if __name__ == "__main__":
    main()
