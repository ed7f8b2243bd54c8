"""Claim: a thousand networks side by side train many times faster than one after the other elsewhere.

Members are 20-64-1 regressors on 500 rows, with Adam: in batches of 32 the cost of a step decides, in
batches of 200, scikit-learn's default, more and more the matrix products. scikit-learn trains with
joblib on all cores, PyTorch one after the other with one thread, which is best for so small a network.
Work is members: the peers train fewer, which changes nothing for them. Compilation is not counted.
"""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import click
import jax
import numpy as np
import torch
from bounds import training_flops
from common import Aim, Contestant, Report, json_option, quick_option, rounds_option, run_paired
from jax import Array
from jax.lax import optimization_barrier
from joblib import Parallel, delayed
from peers import LEARNING_RATE, chain
from torch import nn

from isthmus import Ensemble, FeedForwardRegressor

SIZES = (20, 64, 1)
N_ROWS = 500
ISTHMUS = "isthmus"
TOGETHER = 64
"""Members whose matrix products are computed side by side."""


def data() -> tuple[np.ndarray, np.ndarray]:
    """A smooth function of three of twenty columns, with noise: (500, 20), (500,)."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N_ROWS, SIZES[0])).astype(np.float32)
    y = np.sin(X[:, 0]) + X[:, 1] * X[:, 2] + 0.1 * rng.standard_normal(N_ROWS)
    return X, y.astype(np.float32)


def fit_isthmus(n_members: int, batch_size: int, epochs: int) -> Ensemble:
    """Every epoch trained, no rows held out."""
    member = FeedForwardRegressor(
        SIZES[1:-1],
        activation="relu",
        learning_rate=LEARNING_RATE,
        batch_size=batch_size,
        max_epochs=epochs,
        validation_fraction=0.0,
    )
    return Ensemble(member, n_members, random_state=0).fit(*data())


def fit_sklearn_member(seed: int, batch_size: int, epochs: int) -> object:
    """MLPRegressor without its stopping rules."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPRegressor

    model = MLPRegressor(
        hidden_layer_sizes=SIZES[1:-1],
        alpha=0.0,
        batch_size=batch_size,
        learning_rate_init=LEARNING_RATE,
        max_iter=epochs,
        tol=0.0,
        n_iter_no_change=epochs + 1,
        random_state=seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(*data())


def fit_torch_member(batch_size: int, epochs: int) -> nn.Module:
    """The hand-written loop, tight: rows in memory, a permutation, Adam, mean squared error."""
    torch.set_num_threads(1)
    X, y = map(torch.from_numpy, data())
    network = chain(SIZES)
    optimiser = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    for _ in range(epochs):
        for batch in torch.randperm(N_ROWS).split(batch_size):
            loss = nn.functional.mse_loss(network(X[batch])[:, 0], y[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return network


def products(n_members: int, batch_size: int, steps: int) -> Callable[[], None]:
    """The matrix products alone, of ``TOGETHER`` members at a time and all steps in one program."""
    rng = np.random.default_rng(0)
    x = jax.device_put(rng.standard_normal((TOGETHER, batch_size, SIZES[0]), np.float32))
    weights = [
        jax.device_put(rng.standard_normal((TOGETHER, b, a), np.float32) / np.float32(a**0.5))
        for a, b in pairwise(SIZES)
    ]

    @jax.jit
    def program(x: Array, first: Array, last: Array) -> Array:
        def step(carry: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], None]:
            first, last = carry
            hidden = optimization_barrier(x @ first.mT)
            output = optimization_barrier(hidden @ last.mT)
            by_last = output.mT @ hidden
            back = optimization_barrier(output @ last)
            # A little of the gradient, so that no product can be left out.
            return (first + 1e-30 * (back.mT @ x), last + 1e-30 * by_last), None

        return jax.lax.scan(step, (first, last), None, length=steps)[0][0]

    def run() -> None:
        for _ in range(-(-n_members // TOGETHER)):
            jax.block_until_ready(program(x, *weights))

    return run


def peak_memory(n_members: int, epochs: int) -> float:
    """GiB that a process of its own holds at most while it trains so many members."""
    code = (
        "from common import most_memory; from ensembles import fit_isthmus; "
        f"fit_isthmus({n_members}, 200, {epochs}); print(most_memory())"
    )
    here = Path(__file__).parent
    out = subprocess.run([sys.executable, "-c", code], cwd=here, capture_output=True, check=True)
    return float(out.stdout.split()[-1]) / 2**10


def compare(report: Report, batch_size: int, epochs: int, rounds: int) -> None:
    """Members per second of every library, and what a step of one costs."""
    n_members, n_sklearn, n_torch = (8, 4, 1) if report.quick else (1000, 40, 4)
    steps = epochs * -(-N_ROWS // batch_size)

    def sklearn() -> None:
        parallel(delayed(fit_sklearn_member)(seed, batch_size, epochs) for seed in range(n_sklearn))

    def pytorch() -> None:
        for _ in range(n_torch):
            fit_torch_member(batch_size, epochs)

    with Parallel(n_jobs=-1) as parallel:
        timings = run_paired(
            [
                Contestant(ISTHMUS, lambda: fit_isthmus(n_members, batch_size, epochs), n_members),
                Contestant("scikit-learn, joblib", sklearn, n_sklearn),
                Contestant("PyTorch eager", pytorch, n_torch),
                Contestant("jax products", products(n_members, batch_size, steps), n_members),
            ],
            rounds,
        )
    aims: dict[str, Aim | None] = {
        "scikit-learn, joblib": Aim(10),
        "PyTorch eager": Aim(10),
        "jax products": None,
    }
    layers = "-".join(map(str, SIZES))
    title = f"{n_members} members {layers}, {N_ROWS} rows, batch {batch_size}, {epochs} epochs"
    report.race(title, timings, ISTHMUS, aims, unit="members/s")
    flops = steps * training_flops(SIZES) * batch_size
    rows = [
        [name, f"{1e6 / timings.rate(name) / steps:,.1f}", f"{timings.rate(name) * flops / 1e9:,.1f}"]
        for name in timings.seconds
    ]
    report.table(f"One step of one member, batch {batch_size}", ("", "µs", "GFLOP/s"), rows)


@click.command(help=__doc__)
@quick_option
@rounds_option(3)
@json_option
def main(quick: bool, rounds: int, json_path: Path | None) -> None:
    report = Report("Ensembles: members trained per second, after warm-up", quick)
    rounds = 1 if quick else rounds
    for batch_size, epochs in ((32, 50), (200, 200)):
        compare(report, batch_size, 2 if quick else epochs, rounds)
    gib = peak_memory(1000, 2 if quick else 20)
    aim = Aim(2, at_least=False)
    report.table(
        "Memory", ("", "GiB at most", "aim"), [["1000 members", f"{gib:.2f}", report.judge(aim, gib)]]
    )
    report.results["memory"] = {"GiB": gib, "aim": str(aim)}
    report.write(json_path)


if __name__ == "__main__":
    main()
