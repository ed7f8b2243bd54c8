"""Claim: rows in Parquet files cost as much as rows in memory, and need no memory of theirs.

Files of float32 columns are written first and deleted afterwards: curved data of five hidden variables,
with noise. Each fit runs in a process of its own, of which the peak of resident memory is read. PCA
from one pass is compared with that of the rows in memory, and with scikit-learn's IncrementalPCA on the
same file. Finally rows of ten classes are fitted from a file in random order, and from one sorted by
class.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from common import Aim, Report, flat_data_allowed, json_option, most_memory, quick_option

HIDDEN = 5
ROWS_PER_FILE = 500_000
ROWS_PER_GROUP = 20_000
"""16 MB of 200 columns: readers of Parquet advise 10⁵ to 10⁶ rows, of fewer columns."""

PARTS = ("cost", "pca", "order")
PHASES = ("fit", "score", "transform")


def generated(n: int, n_columns: int, seed: int) -> np.ndarray:
    """Curved rows with noise (n, D), float32."""
    mix = np.random.default_rng(0)
    inward, outward = mix.standard_normal((HIDDEN, 32)), mix.standard_normal((32, n_columns)) / 6
    rng = np.random.Generator(np.random.SFC64(seed))
    hidden = rng.standard_normal((n, HIDDEN), np.float32)
    rows = np.tanh(hidden @ inward.astype(np.float32)) @ outward.astype(np.float32)
    rows += 0.2 * rng.standard_normal((n, n_columns), np.float32)
    return rows


def write_file(path: Path, rows: np.ndarray, group: int = ROWS_PER_GROUP) -> None:
    table = pa.table({f"x{j}": rows[:, j] for j in range(rows.shape[1])})
    pq.write_table(table, path, row_group_size=group, compression="none", use_dictionary=False)


def write_folder(folder: Path, n: int, n_columns: int) -> None:
    """Files of half a million rows, in turn two different ones."""
    folder.mkdir()
    drawn: dict[int, np.ndarray] = {}
    for number, start in enumerate(range(0, n, ROWS_PER_FILE)):
        seed = number % 2
        if seed not in drawn:
            drawn[seed] = generated(ROWS_PER_FILE, n_columns, seed)
        write_file(folder / f"{number:04}.parquet", drawn[seed][: n - start])


def in_own_process(kind: str, folder: Path) -> dict[str, float]:
    """What a fit, a score and a transform take, from files or from memory; its peak of memory in MiB."""
    done = subprocess.run(
        [sys.executable, __file__, "--work", kind, str(folder)], capture_output=True, text=True
    )
    if done.returncode:
        raise click.ClickException(done.stderr)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def work(kind: str, folder: Path) -> None:
    """Fit, score and transform, and print seconds and memory."""
    import isthmus

    rows = isthmus.scan(folder, block_bytes=2**28)
    X: object = rows
    started = time.perf_counter()
    if kind == "memory":
        X = np.concatenate([rows[a : a + 10**6] for a in range(0, len(rows), 10**6)])
    read = time.perf_counter()
    # A first fit of few rows compiles.
    with flat_data_allowed():
        isthmus.Autoencoder(2, random_state=0, max_epochs=2).fit(rows[:5_000])
        begin = time.perf_counter()
        model = isthmus.Autoencoder(2, random_state=0).fit(X)
        fitted = time.perf_counter()
        score = model.score(X)
        scored = time.perf_counter()
        Z = model.transform(X)
        transformed = time.perf_counter()
    assert Z.shape == (len(rows), 2)
    print(
        json.dumps(
            {
                "read": read - started,
                "fit": fitted - begin,
                "score": scored - fitted,
                "transform": transformed - scored,
                "error": -score,
                "mib": most_memory(),
            }
        )
    )


def cost(report: Report, sizes: Sequence[int], n_columns: int, most_in_memory: int) -> None:
    """Seconds and memory from files and from memory, and what they say of a hundred million rows."""
    table = []
    for n in sizes:
        with tempfile.TemporaryDirectory(prefix="isthmus-streams-") as place:
            folder = Path(place) / "rows"
            write_folder(folder, n, n_columns)
            stream = in_own_process("stream", folder)
            memory = in_own_process("memory", folder) if n <= most_in_memory else None
        row = [f"{n:,}", f"{4 * n * n_columns / 1e9:.2f} GB"]
        for found in (stream, memory):
            if found is None:
                row += ["–"] * 4
                continue
            row += [f"{found[part]:.1f}" for part in PHASES]
            row += [f"{found['mib']:,.0f}"]
        total = sum(stream[part] for part in PHASES)
        row += [f"{1e6 * total / n:.1f}"]
        if memory is not None:
            in_memory = sum(memory[part] for part in ("read", *PHASES))
            row += [
                report.judge(Aim(1.15, at_least=False), total / in_memory),
                f"{total / in_memory:.2f}",
            ]
        else:
            row += ["", ""]
        table.append(row)
        report.results.setdefault("cost", []).append({"n": n, "stream": stream, "memory": memory})
    row = ["100,000,000 (extrapolated)", f"{4 * 10**8 * n_columns / 1e9:.0f} GB"]
    (fewer, before), (more, last) = ((one["n"], one["stream"]) for one in report.results["cost"][-2:])
    per_row = {part: (last[part] - before[part]) / (more - fewer) for part in PHASES}
    beyond = {part: last[part] + per_row[part] * (10**8 - more) for part in PHASES}
    row += [*(f"{beyond[part]:.0f}" for part in PHASES), *["–"] * 5]
    table.append([*row, f"{1e6 * sum(beyond.values()) / 10**8:.1f}", "", ""])
    columns = ("rows", "size", "fit s", "score s", "transform s", "MiB")
    columns += ("fit s, memory", "score s", "transform s", "MiB", "µs a row", "aim", "stream / memory")
    report.table(f"{n_columns} columns, from files and from memory (with reading)", columns, table)


def pca(report: Report, n: int, n_columns: int, rounds: int) -> None:
    """PCA from one pass over a file, beside the exact one and IncrementalPCA."""
    from sklearn.decomposition import PCA, IncrementalPCA

    import isthmus

    d = 10
    with tempfile.TemporaryDirectory(prefix="isthmus-streams-") as place:
        path = Path(place) / "rows.parquet"
        X = generated(n, n_columns, 0)
        write_file(path, X)
        seconds: dict[str, list[float]] = {"isthmus": [], "IncrementalPCA": []}
        for _ in range(rounds):
            started = time.perf_counter()
            ours = isthmus.LinearAutoencoder(d).fit(path)
            seconds["isthmus"].append(time.perf_counter() - started)
            started = time.perf_counter()
            theirs = IncrementalPCA(d)
            file = pq.ParquetFile(path)
            for group in range(file.num_row_groups):
                columns = file.read_row_group(group).columns
                theirs.partial_fit(np.column_stack([column.to_numpy() for column in columns]))
            seconds["IncrementalPCA"].append(time.perf_counter() - started)
    exact = PCA(d, svd_solver="covariance_eigh").fit(X.astype(np.float64))
    table = []
    for name, model in (("isthmus", ours), ("IncrementalPCA", theirs)):
        signs = np.sign(np.sum(model.components_ * exact.components_, axis=1))
        gap = float(np.abs(signs[:, None] * model.components_ - exact.components_).max())
        of_variance = float(np.abs(model.explained_variance_ / exact.explained_variance_ - 1).max())
        aim = report.judge(Aim(1e-8, at_least=False), gap) if name == "isthmus" else "–"
        median = float(np.median(seconds[name]))
        table.append([name, f"{median:.2f}", f"{gap:.1e}", f"{of_variance:.1e}", aim])
    ratio = float(np.median(seconds["IncrementalPCA"]) / np.median(seconds["isthmus"]))
    report.table(
        f"PCA of {n:,} × {n_columns} from a file, d = {d}",
        ("", "seconds", "components off by", "variances off by", "aim"),
        table,
    )
    report.table(
        "Speed of one pass",
        ("", "IncrementalPCA / isthmus", "aim"),
        [["seconds", f"{ratio:.1f}", report.judge(Aim(5.0), ratio)]],
    )
    report.results["pca"] = {"seconds": seconds, "ratio": ratio}


def order(report: Report, seeds: int, quick: bool) -> None:
    """The held-out error of maps of the same rows: in memory, in files as they come, and sorted."""
    import isthmus

    n, n_columns, n_classes = (20_000, 50, 10) if quick else (400_000, 100, 10)
    rng = np.random.default_rng(5)
    classes = np.sort(rng.integers(n_classes, size=n))
    centres = 2.0 * rng.standard_normal((n_classes, n_columns))
    X = (generated(n, n_columns, 3) + centres[classes]).astype(np.float32)
    unseen = rng.permutation(n)[: n // 20]
    known = np.setdiff1d(np.arange(n), unseen)
    mixed = rng.permutation(known)
    table = []
    errors: dict[str, list[float]] = {"memory": [], "file, any order": [], "file, sorted by class": []}
    with tempfile.TemporaryDirectory(prefix="isthmus-streams-") as place:
        for name, rows in (("mixed", mixed), ("sorted", known)):
            write_file(Path(place) / f"{name}.parquet", X[rows], group=max(500, n // 80))
        # Blocks of an eighth of the rows.
        block_bytes = 4 * n * n_columns // 8
        sources = {
            "memory": X[mixed],
            "file, any order": isthmus.scan(Path(place) / "mixed.parquet", block_bytes=block_bytes),
            "file, sorted by class": isthmus.scan(
                Path(place) / "sorted.parquet", block_bytes=block_bytes
            ),
        }
        for seed in range(seeds):
            for name, source in sources.items():
                with flat_data_allowed():
                    model = isthmus.Autoencoder(2, random_state=seed).fit(source)
                errors[name].append(-model.score(X[unseen]))
    means = {name: float(np.mean(found)) for name, found in errors.items()}
    bounds = {"file, any order": 1.01, "file, sorted by class": 1.02}
    for name, mean in means.items():
        ratio = mean / means["memory"]
        aim = report.judge(Aim(bounds[name], at_least=False), ratio) if name in bounds else "–"
        spread = "–"
        if seeds > 1:
            spread = f"{np.std(errors[name], ddof=1) / mean / seeds**0.5:.2%}"
        table.append([name, f"{mean:.4f}", spread, f"{ratio:.4f}", aim])
    report.table(
        f"Error of unseen rows, {n:,} × {n_columns} of {n_classes} classes, {seeds} seeds",
        ("", "error", "standard error", "to that of memory", "aim"),
        table,
    )
    report.results["order"] = errors


@click.command(help=__doc__)
@quick_option
@json_option
@click.option("--part", "parts", type=click.Choice(PARTS), multiple=True, help="Only this.")
@click.option("--gigabytes", type=float, default=20.0, show_default=True, help="Of the largest files.")
@click.option("--seeds", type=int, default=3, show_default=True)
@click.option("--work", "worker", nargs=2, hidden=True, default=None)
def main(
    quick: bool,
    json_path: Path | None,
    parts: Sequence[str],
    gigabytes: float,
    seeds: int,
    worker: tuple[str, str] | None,
) -> None:
    if worker is not None:
        work(worker[0], Path(worker[1]))
        return
    report = Report("Rows in Parquet files: time and memory, beside rows in memory", quick)
    n_columns = 20 if quick else 200
    largest = 10_000 if quick else int(gigabytes * 1e9 / (4 * n_columns))
    if "cost" in parts or not parts:
        smaller = (2_000,) if quick else (10**4, 10**5, 10**6, 3 * 10**6)
        sizes = [*(n for n in smaller if n < largest), largest]
        cost(report, sizes, n_columns, most_in_memory=3 * 10**6)
    if "pca" in parts or not parts:
        pca(report, 20_000 if quick else 500_000, n_columns, rounds=1 if quick else 3)
    if "order" in parts or not parts:
        order(report, 1 if quick else seeds, quick)
    report.write(json_path)


if __name__ == "__main__":
    main()
