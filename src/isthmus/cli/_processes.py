"""``isthmus fit`` in several processes, which srun or mpirun starts, or somebody on each machine."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import click

from isthmus.cli import _options as options

SECONDS_UNTIL_LOST = 30
"""Without a sign of life, after which a process counts as lost."""

LOWEST_PORT, N_PORTS = 61_440, 4_096
"""Of the ports that systems leave to anybody."""

of_processes = options.under("In several processes")


processes_options = options.together(
    of_processes(
        "--coordinator",
        metavar="HOST:PORT",
        help="A free port of the machine of process 0, by which the others find it. srun, and mpirun on "
        "one machine, need none of these.",
    ),
    of_processes("--processes", metavar="COUNT", type=click.IntRange(1), help="How many there are."),
    of_processes(
        "--process",
        metavar="NUMBER",
        type=click.IntRange(0),
        help="Which of them this is, from 0 on. The first one saves the map.",
    ),
)


@dataclass(frozen=True)
class Launch:
    """Which of several processes this is, how many are on this machine, and what tells the job apart."""

    count: int
    index: int
    local_count: int
    local_index: int
    job: str
    launcher: str

    @classmethod
    def found(cls, environment: Mapping[str, str]) -> Launch | None:
        """As srun, Open MPI, or MPICH and what is made from it say; None where none of them did."""
        names = {
            # A script of a batch job has tasks, too, but only srun starts them.
            "srun": ("SLURM_STEP_NUM_TASKS", "SLURM_PROCID", "", "SLURM_LOCALID", "SLURM_JOB_ID"),
            "mpirun": (
                "OMPI_COMM_WORLD_SIZE",
                "OMPI_COMM_WORLD_RANK",
                "OMPI_COMM_WORLD_LOCAL_SIZE",
                "OMPI_COMM_WORLD_LOCAL_RANK",
                "PMIX_NAMESPACE",
            ),
            "mpiexec": ("PMI_SIZE", "PMI_RANK", "MPI_LOCALNRANKS", "MPI_LOCALRANKID", ""),
        }
        for launcher, (count, index, local_count, local_index, job) in names.items():
            if int(environment.get(count, 1)) > 1:
                return cls(
                    int(environment[count]),
                    int(environment[index]),
                    int(environment.get(local_count, 0)),
                    int(environment.get(local_index, 0)),
                    environment.get(job) or str(os.getppid()),
                    launcher,
                )
        return None


@contextlib.contextmanager
def connected(coordinator: str | None, count: int | None, index: int | None) -> Iterator[bool]:
    """Connect this process with the others, if there are any; whether it is the first of them.

    The others print nothing. Where one is lost, each says so and ends at once.
    """
    arguments = arguments_of(Launch.found(os.environ), coordinator, count, index)
    if arguments is None:
        yield True
        return
    import jax
    from jax.experimental import multihost_utils

    from isthmus.training.processes import ProcessLostError

    try:
        jax.distributed.initialize(
            **arguments,
            heartbeat_timeout_seconds=SECONDS_UNTIL_LOST,
            shutdown_timeout_seconds=SECONDS_UNTIL_LOST,
        )
    except RuntimeError as error:
        raise ConnectionError(f"the processes did not find one another: {error}") from error
    with _stdout_on_stderr():
        # What connects processors says so on stdout, where the command's own output belongs.
        multihost_utils.sync_global_devices("isthmus")
    try:
        with warnings.catch_warnings():
            if jax.process_index():
                warnings.simplefilter("ignore")
            yield jax.process_index() == 0
    except (ProcessLostError, KeyboardInterrupt) as error:
        # An ordinary exit would wait for the process that is lost.
        click.echo(f"error: {str(error) or 'interrupted'}", err=True)
        sys.stdout.flush()
        os._exit(1)
    finally:
        jax.distributed.shutdown()  # type: ignore[no-untyped-call]


@contextlib.contextmanager
def _stdout_on_stderr() -> Iterator[None]:
    """Let what libraries print to stdout go to stderr."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def arguments_of(
    launch: Launch | None, coordinator: str | None, count: int | None, index: int | None
) -> dict[str, Any] | None:
    """What ``jax.distributed.initialize`` takes, or None for a process alone."""
    if coordinator is None:
        if count is not None or index is not None:
            raise click.UsageError("--processes and --process need --coordinator HOST:PORT")
        if launch is None:
            return None
        if launch.launcher == "srun":
            return {"cluster_detection_method": "slurm"}
        if launch.local_count < launch.count:
            raise click.UsageError(
                f"{launch.launcher} started {launch.count} processes on several machines, which do not "
                "know the first one's address: give it, with a free port, as --coordinator HOST:PORT"
            )
        port = LOWEST_PORT + zlib.crc32(launch.job.encode()) % N_PORTS
        coordinator = f"127.0.0.1:{port}"
    host, _, port_text = coordinator.rpartition(":")
    if not host or not port_text.isdigit():
        raise click.BadParameter(f"{coordinator!r}: expected HOST:PORT", param_hint="--coordinator")
    if launch is not None:
        count, index = launch.count if count is None else count, launch.index if index is None else index
    if count is None or index is None:
        raise click.UsageError(
            "--coordinator needs --processes, how many there are, and --process, which of them this is"
        )
    if index >= count:
        raise click.UsageError(
            f"--process {index}: {count} processes are numbered from 0 to {count - 1}"
        )
    if count == 1:
        return None
    arguments: dict[str, Any] = {
        "coordinator_address": coordinator,
        "num_processes": count,
        "process_id": index,
    }
    if launch is not None and launch.local_count > 1:
        arguments["local_device_ids"] = [launch.local_index]
    return arguments
