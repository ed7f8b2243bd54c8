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
X = np.random.default_rng(0).standard_normal((60, 4))
model = isthmus.LinearAutoencoder(2).fit(X)
network = isthmus.Ensemble(model, 2).fit(X)
network.transform(X)

def work(connection):
    try:
        network.transform(X)
    except RuntimeError as error:
        connection.send(str(error))

here, there = multiprocessing.Pipe()
process = multiprocessing.get_context("fork").Process(target=work, args=(there,))
process.start()
there.close()
print(here.recv() if here.poll(30) else "no answer")
process.join(10)
"""


def run(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
def test_a_forked_process_says_what_to_do_instead_of_hanging():
    found = run(CODE)
    assert "forked from one in which isthmus has computed" in found.stdout, found.stderr
    assert "get_context('spawn')" in found.stdout


def test_where_jax_does_not_start_the_error_names_the_setting():
    found = run(
        """
        import numpy as np, isthmus
        isthmus.Autoencoder(1, widths=(2,)).fit(np.random.default_rng(0).standard_normal((60, 4)))
        """,
        JAX_PLATFORMS="cuda",
    )
    assert "BackendError: JAX cannot start with JAX_PLATFORMS='cuda'" in found.stderr
