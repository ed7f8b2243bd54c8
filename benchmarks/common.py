"""What the benchmarks share: options, paired timing, memory, tables, and the machine they ran on.

``python benchmarks/common.py`` prints the machine as markdown, to stand above pasted results.
"""

from __future__ import annotations

import gc
import json
import os
import platform
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar

import click
import numpy as np
from rich.console import Console
from rich.table import Table

LIBRARIES = (
    "isthmus",
    "jax",
    "equinox",
    "optax",
    "numpy",
    "scipy",
    "scikit-learn",
    "torch",
    "skorch",
    "pythae",
    "umap-learn",
)

PAUSE = 0.2
"""Seconds between two runs: idle threads of one library spin for a while before they sleep."""

CONSOLE = Console(width=None if Console().is_terminal else 130, highlight=False)

# The options that every script has.

quick_option = click.option("--quick", is_flag=True, help="Tiny sizes: shows that it runs, no more.")
json_option = click.option(
    "--json",
    "json_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the results here too.",
)
mnist_option = click.option(
    "--mnist",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    envvar="MNIST",
    help="t10k-images-idx3-ubyte.gz, the 10 000 MNIST test images; also read from $MNIST.",
)


def rounds_option(default: int) -> Callable[[Any], Any]:
    """``--rounds``: how many times every contestant runs."""
    return click.option("--rounds", type=click.IntRange(1), default=default, show_default=True)


# Warnings.


@contextmanager
def flat_data_allowed() -> Iterator[None]:
    """Inside ``with`` fits that are no better than PCA, or of columns of unlike scales, do not warn."""
    from isthmus import NoImprovementWarning, UnequalScalesWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoImprovementWarning)
        warnings.simplefilter("ignore", UnequalScalesWarning)
        yield


@contextmanager
def umap_without_warnings() -> Iterator[Any]:
    """The package ``umap``, which does not warn inside ``with``."""
    import umap

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield umap


# Memory.

SAMPLE_SECONDS = 0.005


class PeakMemory:
    """Peak of the process's own memory in MiB, mapped files not counted, sampled inside ``with``."""

    def __enter__(self) -> PeakMemory:
        self.before = self.peak = own_memory()
        self._done = threading.Event()
        self._sampler = threading.Thread(target=self._sample)
        self._sampler.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._sampler.join()

    @property
    def extra(self) -> float:
        """Above what there was at the start."""
        return self.peak - self.before

    def _sample(self) -> None:
        while not self._done.wait(SAMPLE_SECONDS):
            self.peak = max(self.peak, own_memory())


def own_memory() -> float:
    """Memory of this process now in MiB, mapped files not counted."""
    return _of_this_process("RssAnon")


def most_memory() -> float:
    """Most resident memory of this process so far in MiB: ``resource`` would count its parent's too."""
    return _of_this_process("VmHWM")


def _of_this_process(name: str) -> float:
    """An entry of /proc/self/status in MiB, or NaN where there is no such file."""
    size = _first_line("/proc/self/status", name)
    return float("nan") if size is None else int(size.split()[0]) / 1024


# Timing.

Item = TypeVar("Item")


def in_rotated_order(
    items: Sequence[Item], rounds: int, *, warm_up: bool = True
) -> Iterator[tuple[bool, Item]]:
    """Every item once a round, which begins with another one each time; and whether the round counts.

    With ``warm_up`` a round that does not count goes first.
    """
    for round_ in range(-1 if warm_up else 0, rounds):
        shift = round_ % len(items)
        for item in (*items[shift:], *items[:shift]):
            yield round_ >= 0, item


@dataclass(frozen=True)
class Contestant:
    """Something to time: ``run`` is called once a round and does ``work``, rows or operations."""

    name: str
    run: Callable[[], object]
    work: float = 1.0


@dataclass(frozen=True)
class Timings:
    """Seconds of every contestant in every round."""

    seconds: dict[str, list[float]]
    work: dict[str, float]

    def median(self, name: str) -> float:
        """Median seconds of a contestant."""
        return float(np.median(self.seconds[name]))

    def rate(self, name: str) -> float:
        """Median work per second of a contestant."""
        return self.work[name] / self.median(name)

    def ratios(self, name: str, peer: str) -> np.ndarray:
        """Rate of ``name`` over the rate of ``peer``, round by round."""
        rates = {key: self.work[key] / np.array(self.seconds[key]) for key in (name, peer)}
        return np.asarray(rates[name] / rates[peer])


def run_paired(contestants: Sequence[Contestant], rounds: int, *, warm_up: bool = True) -> Timings:
    """Run every contestant once a round; with ``warm_up`` a round that does not count goes first."""
    seconds: dict[str, list[float]] = {contestant.name: [] for contestant in contestants}
    for counts, contestant in in_rotated_order(contestants, rounds, warm_up=warm_up):
        gc.collect()
        time.sleep(PAUSE)
        start = time.perf_counter()
        contestant.run()
        elapsed = time.perf_counter() - start
        if counts:
            seconds[contestant.name].append(elapsed)
    return Timings(seconds, {contestant.name: contestant.work for contestant in contestants})


def timed_transform(model: Any, rows: np.ndarray) -> tuple[np.ndarray, float]:
    """Coordinates of rows, and microseconds per row of a call of ``transform`` that is not the first."""
    model.transform(rows)
    start = time.perf_counter()
    coordinates = model.transform(rows)
    microseconds = (time.perf_counter() - start) / len(rows) * 1e6
    return np.asarray(coordinates), microseconds


# What is printed.


def extent(figures: Sequence[float] | np.ndarray, form: str = ".2f") -> str:
    """The least and the largest of some figures."""
    return f"{min(figures):{form}} to {max(figures):{form}}"


@dataclass(frozen=True)
class Aim:
    """A bound on a figure."""

    bound: float
    at_least: bool = True

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.bound:g}"

    def judge(self, figure: float) -> Judged:
        """The aim, and whether ``figure`` meets it."""
        met = figure >= self.bound if self.at_least else figure <= self.bound
        return Judged(self, float(figure), bool(met))


class Judged(str):
    """A cell of a table, such as "≤ 0.57  met", that is a headline of the results."""

    aim: Aim
    figure: float
    met: bool

    def __new__(cls, aim: Aim, figure: float, met: bool) -> Judged:
        cell = super().__new__(cls, f"{aim}  {'met' if met else 'missed'}")
        cell.aim, cell.figure, cell.met = aim, figure, met
        return cell


@dataclass
class Report:
    """Prints tables as they come and keeps them, and which aims are met, for ``--json``."""

    claim: str
    quick: bool
    results: dict[str, Any] = field(default_factory=dict)
    tables: list[dict[str, Any]] = field(default_factory=list)
    headlines: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        CONSOLE.print(self.claim, style="bold")
        print(machine_markdown(), flush=True)
        if self.quick:
            CONSOLE.print("--quick: these figures mean nothing.", style="yellow")

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a table: the first column is text, the others are figures."""
        table = Table(title=title, title_justify="left")
        for index, column in enumerate(columns):
            table.add_column(column, justify="left" if index == 0 else "right")
        for row in rows:
            table.add_row(*row)
        CONSOLE.print(table)
        self.tables.append({"title": title, "columns": list(columns), "rows": [list(r) for r in rows]})
        first = [row[0] for row in rows]
        self.headlines += [
            {
                "claim": ": ".join(
                    part
                    for part in (
                        title,
                        row[0],
                        # Where several rows begin alike, what tells them apart; what is judged.
                        f"{columns[1]} = {row[1]}" if first.count(row[0]) > 1 else "",
                        column,
                    )
                    if part not in ("", "aim")
                ),
                "figure": cell.figure,
                "aim": str(cell.aim),
                "met": cell.met,
            }
            for row in rows
            for column, cell in zip(columns, row, strict=True)
            if isinstance(cell, Judged)
        ]

    def race(
        self,
        title: str,
        timings: Timings,
        ours: str,
        aims: dict[str, Aim | None],
        unit: str = "rows/s",
        scale: float = 1.0,
    ) -> None:
        """Every contestant's median seconds and rate; our rate over that of each peer in ``aims``."""
        rows = []
        for name in timings.seconds:
            row = [name, f"{timings.median(name):.3f}", f"{timings.rate(name) / scale:,.0f}"]
            if name in aims:
                ratios, aim = timings.ratios(ours, name), aims[name]
                median = float(np.median(ratios))
                row += [f"{median:.2f}", extent(ratios)]
                row += [self.judge(aim, median)]
            else:
                row += [""] * 3
            rows.append(row)
        self.table(title, ("", "seconds", unit, f"{ours} / it", "range", "aim"), rows)
        self.results[title] = {
            "seconds": timings.seconds,
            "work": timings.work,
            "ratios": {name: timings.ratios(ours, name).tolist() for name in aims},
            "aims": {name: str(aim) for name, aim in aims.items() if aim},
        }

    def judge(self, aim: Aim | None, figure: float) -> str:
        """The aim, and whether ``figure`` meets it, unless the figure means nothing."""
        if aim is None:
            return "–"
        return str(aim) if self.quick else aim.judge(figure)

    def write(self, path: Path | None) -> None:
        """Write claim, machine and results as JSON, if there is a path."""
        if path is None:
            return
        content = {
            "claim": self.claim,
            "quick": self.quick,
            "machine": machine(),
            "headlines": self.headlines,
            "tables": self.tables,
            "results": self.results,
        }
        path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


# The machine.


def machine() -> dict[str, str]:
    """What ran the benchmark: processor, cores, memory, system, Python, libraries, load."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count()
    return {
        "Processor": _processor(),
        "Cores": str(cores),
        "Memory": _memory(),
        "System": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
        "Libraries": ", ".join(f"{name} {found}" for name in LIBRARIES if (found := _version(name))),
        "Load before the run": f"{os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else "unknown",
    }


def machine_markdown() -> str:
    """The machine as a markdown list."""
    return "\n".join(f"- {name}: {value}" for name, value in machine().items())


def _version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        if library != "isthmus":
            return None
        import isthmus

        return isthmus.__version__


def _processor() -> str:
    return _first_line("/proc/cpuinfo", "model name") or platform.processor() or "unknown"


def _memory() -> str:
    total = _first_line("/proc/meminfo", "MemTotal")
    return f"{int(total.split()[0]) / 2**20:.0f} GiB" if total else "unknown"


def _first_line(path: str, name: str) -> str | None:
    """The value of the first line ``name: value`` of a file under /proc, if there is one."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), None)


if __name__ == "__main__":
    print(machine_markdown())
