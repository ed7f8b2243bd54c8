"""Which of several processes a command is: what launchers say, and what somebody may give."""

import click
import pytest

from isthmus.cli._processes import Launch, arguments_of

SLURM = {
    "SLURM_JOB_ID": "7",
    "SLURM_NTASKS": "4",
    "SLURM_STEP_NUM_TASKS": "4",
    "SLURM_PROCID": "3",
    "SLURM_LOCALID": "1",
}
OPEN_MPI = {
    "OMPI_COMM_WORLD_SIZE": "4",
    "OMPI_COMM_WORLD_RANK": "2",
    "OMPI_COMM_WORLD_LOCAL_SIZE": "4",
    "OMPI_COMM_WORLD_LOCAL_RANK": "2",
    "PMIX_NAMESPACE": "prterun-7",
}
ON_SEVERAL_MACHINES = {**OPEN_MPI, "OMPI_COMM_WORLD_LOCAL_SIZE": "2"}
MPICH = {"PMI_SIZE": "2", "PMI_RANK": "1", "MPI_LOCALNRANKS": "2", "MPI_LOCALRANKID": "1"}


@pytest.mark.parametrize(
    ("environment", "launcher", "index", "count"),
    [(SLURM, "srun", 3, 4), (OPEN_MPI, "mpirun", 2, 4), (MPICH, "mpiexec", 1, 2)],
)
def test_launchers_are_known_by_what_they_set(environment, launcher, index, count):
    launch = Launch.found(environment)
    assert (launch.launcher, launch.index, launch.count) == (launcher, index, count)


def test_a_batch_script_without_srun_is_alone():
    batch = {name: value for name, value in SLURM.items() if name != "SLURM_STEP_NUM_TASKS"}
    assert Launch.found(batch) is None
    assert arguments_of(Launch.found({**batch, "SLURM_STEP_NUM_TASKS": "1"}), None, None, None) is None
    assert arguments_of(None, None, None, None) is None


def test_processes_of_one_machine_find_one_another():
    each = [
        arguments_of(Launch.found({**OPEN_MPI, "OMPI_COMM_WORLD_RANK": str(index)}), None, None, None)
        for index in range(4)
    ]
    assert len({one["coordinator_address"] for one in each}) == 1
    assert [one["process_id"] for one in each] == [0, 1, 2, 3]
    other = arguments_of(Launch.found({**OPEN_MPI, "PMIX_NAMESPACE": "8"}), None, None, None)
    assert other["coordinator_address"] != each[0]["coordinator_address"]


def test_what_is_given_says_more_than_the_launcher():
    launch = Launch.found(ON_SEVERAL_MACHINES)
    found = arguments_of(launch, "node1:1234", None, None)
    assert found["coordinator_address"] == "node1:1234"
    assert (found["num_processes"], found["process_id"]) == (4, 2)
    assert arguments_of(None, "node1:1234", 2, 0)["process_id"] == 0
    assert arguments_of(None, "node1:1234", 1, 0) is None


@pytest.mark.parametrize(
    ("environment", "given", "message"),
    [
        (ON_SEVERAL_MACHINES, (None, None, None), "several machines.*HOST:PORT"),
        ({}, (None, 2, 1), "need --coordinator"),
        ({}, ("node1:1234", None, 1), "needs --processes"),
        ({}, ("node1:1234", 2, None), "needs --processes"),
        ({}, ("node1:1234", 2, 2), "numbered from 0 to 1"),
        ({}, ("node1", 2, 1), "expected HOST:PORT"),
        ({}, (":99", 2, 1), "expected HOST:PORT"),
        ({}, ("node1:http", 2, 1), "expected HOST:PORT"),
    ],
)
def test_what_does_not_fit_is_refused(environment, given, message):
    with pytest.raises(click.UsageError, match=message):
        arguments_of(Launch.found(environment), *given)
