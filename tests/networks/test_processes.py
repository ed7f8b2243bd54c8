"""Processes in which JAX would hang, and machines on which it does not start."""

import multiprocessing
import os
import subprocess
import sys
import textwrap

import pytest

CODE = """
import multiprocessing, sys
import numpy as np, isthmus
X = np.random.default_rng(0).standard_normal((60, 40))
model = isthmus.LinearAutoencoder(2).fit(X)
network = isthmus.Ensemble(model, 2).fit(X)
network.transform(X)
variational = isthmus.VariationalAutoencoder(2, widths=(4,), max_epochs=2, random_state=0).fit(X)
calls = [
    lambda: network.transform(X),
    lambda: isthmus.geodesic(network, [0.0, 0.0], [1.0, 1.0]),
    lambda: isthmus.export(network, sys.argv[1]),
    lambda: isthmus.sample_prior(variational, 5),
    lambda: isthmus.quality(X, X[:, :2]),
]

def work(connection, call):
    try:
        call()
    except RuntimeError as error:
        connection.send(str(error))

for call in calls:
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=work, args=(there, call))
    process.start()
    there.close()
    try:
        print(here.recv() if here.poll(10) else "no answer")
    except EOFError:
        print("it computed")
    process.kill()
"""


def run(code, *arguments, **environment):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
def test_a_forked_process_says_what_to_do_instead_of_hanging(tmp_path):
    found = run(CODE, str(tmp_path / "map.npz"))
    answers = found.stdout.splitlines()
    assert len(answers) == 5, found.stderr
    for answer in answers:
        assert "forked from one in which isthmus has computed" in answer, found.stdout
        assert "get_context('spawn')" in answer


def test_where_jax_does_not_start_the_error_names_the_setting():
    found = run(
        """
        import numpy as np, isthmus
        isthmus.Autoencoder(1, widths=(2,)).fit(np.random.default_rng(0).standard_normal((60, 4)))
        """,
        JAX_PLATFORMS="cuda",
    )
    assert "BackendError: JAX cannot start with JAX_PLATFORMS='cuda'" in found.stderr
