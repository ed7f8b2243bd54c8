"""Run the code of the pages of text: what a reader copies from them works.

Each page's blocks of Python are run in their order, in a folder of their own, and so are its commands
that begin with isthmus, but for the demo and the report, which the tests make. What a page takes for
granted, such as a fitted model, is prepared here. Pages that the tests run are not run again.
"""

from __future__ import annotations

import atexit
import contextlib
import io
import re
import shlex
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import distributed
import fsspec
import jax
import matplotlib
import numpy as np
import pandas as pd
import zarr
from click.testing import CliRunner
from sklearn.datasets import load_digits, load_iris, load_wine

import isthmus
from isthmus import cli

matplotlib.use("agg")
HERE = Path(__file__).parent
NOT_RUN = "demo|report|serve"
QUICK = ["--seed", "0", "--max-epochs", "20"]

Names = dict[str, object]

ADDRESS = "http://127.0.0.1:8000"
"""Where pages look for a service. Another program may listen there, so that ours has a free port."""


def wine() -> Names:
    wine = load_wine(as_frame=True)
    wine.data.assign(kind=wine.target.map(str)).to_csv("wine.csv", index=False)
    return {}


def digits() -> Names:
    X, y = load_digits(return_X_y=True)
    new = {"X_new": X[1200:], "X_train": X[:1200], "X_test": X[1200:]}
    return {"X": X[:1200], "y": y[:1200], **new}


def explored() -> Names:
    iris = load_iris(as_frame=True)
    table = iris.data.assign(species=iris.target.map(str), name=[f"flower {i}" for i in range(150)])
    table.to_csv("measurements.csv", index=False)
    X = load_digits().images[:400]
    np.save("digits.npy", X)
    isthmus.save(isthmus.LinearAutoencoder(2).fit(iris.data), "map.isthmus")
    isthmus.save(isthmus.LinearAutoencoder(2).fit(X), "digits.isthmus")
    return {"isthmus": isthmus, "model": isthmus.LinearAutoencoder(2).fit(X), "X": X, "y": None}


def cells() -> Names:
    """Two kinds of cells, in an object with as much of an AnnData as isthmus uses.

    The package anndata itself refuses the version of pandas that the tests have.
    """
    rng = np.random.default_rng(0)
    rows = rng.poisson(rng.gamma(2.0, 2.0, (2, 20))[rng.integers(2, size=600)]).astype(np.float32)
    names = pd.Index([f"gene {j}" for j in range(20)])
    adata = type("AnnData", (SimpleNamespace,), {})
    return {"adata": adata(X=rows, var_names=names, layers={}, obsm={})}


def exported() -> Names:
    X, y = load_iris(return_X_y=True)
    settings = {"widths": (8,), "max_epochs": 5, "random_state": 0}
    model = isthmus.Autoencoder(2, **settings).fit(X)
    classifier = isthmus.FeedForwardClassifier(**settings).fit(X, y)
    return {"isthmus": isthmus, "model": model, "classifier": classifier, "rows": X}


def served() -> Names:
    iris = load_iris(as_frame=True)
    isthmus.save(isthmus.LinearAutoencoder(2).fit(iris.data), "iris.isthmus")
    service = subprocess.Popen(
        [sys.executable, "-m", "isthmus", "serve", "iris.isthmus", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    atexit.register(service.communicate)
    atexit.register(service.terminate)
    assert service.stdout is not None
    (address,) = re.findall(r"http://127.0.0.1:\d+", service.stdout.readline())
    return {"X": iris.data.to_numpy(), "address": address}


def stored(place: str) -> None:
    """Write three files of Parquet into the folder big/."""
    rng = np.random.default_rng(0)
    files = fsspec.filesystem("memory" if "://" in place else "file")
    files.makedirs(f"{place}big", exist_ok=True)
    for number in range(3):
        x = np.sin(rng.standard_normal((400, 2)) @ rng.standard_normal((2, 5)))
        table = pd.DataFrame(x, columns=list("abcde")).assign(id=np.arange(400))
        with files.open(f"{place}big/{number}.parquet", "wb") as file:
            table.to_parquet(file)


def in_the_cloud() -> Names:
    stored("memory://bucket/")
    images = zarr.create_array("memory://bucket/images.zarr", shape=(50, 8), dtype="f4", overwrite=True)
    images[:] = 1.0
    return {}


def collected() -> Names:
    """Workers of this process stand for a cluster, and a store in its memory for a bucket."""
    spectra = np.tanh(load_digits().data)
    zarr.create_array("memory://bucket/spectra.zarr", data=spectra, chunks=(500, 64), overwrite=True)
    distributed.Client = LocalClient
    return {"rows": load_iris().data[::3]}


class LocalClient(distributed.Client):
    def __init__(self, address: str) -> None:
        super().__init__(processes=False, dashboard_address=":0")
        atexit.register(self.close)


def on_a_cluster() -> Names:
    """One process that need not look for others."""
    stored("")
    table = pd.concat(pd.read_parquet(file) for file in Path("big").iterdir())
    for file in Path("big").iterdir():
        file.unlink()
    table.drop(columns="id").to_parquet("big/0.parquet")
    jax.distributed.initialize = lambda **settings: None
    return {}


PAGES: dict[str, Callable[[], Names]] = {
    "first_map.md": wine,
    "columns.md": dict,
    "explore.md": explored,
    "export.md": exported,
    "serve.md": served,
    "dask.md": collected,
    "cloud.md": in_the_cloud,
    "slurm.md": on_a_cluster,
    "mpi.md": on_a_cluster,
    "coming_from/pca.md": digits,
    "coming_from/umap.md": digits,
    "coming_from/tsne.md": lambda: {"X": load_digits().data[:400], "X_new": load_digits().data[400:500]},
    "coming_from/keras.md": digits,
    "coming_from/pythae.md": digits,
    "coming_from/scvi_tools.md": cells,
}


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.DOTALL | re.MULTILINE)


def as_here(text: str, names: Names) -> str:
    """With a store in the memory of this process for a bucket, and the address of the service."""
    return text.replace("s3://", "memory://").replace(ADDRESS, str(names.get("address", ADDRESS)))


def run_python(code: Sequence[str], names: Names) -> None:
    """Raises what a block raises, with the block."""
    for block in code:
        try:
            exec(compile(as_here(block, names), "<block>", "exec"), names)
        except Exception as error:
            error.add_note(block)
            raise


def commands(page: str) -> list[str]:
    lines = "".join(blocks(page, "console")).replace("\\\n", " ").splitlines()
    return [line for line in lines if re.match(rf"\$ isthmus (?!{NOT_RUN})", line)]


def run_commands(lines: Sequence[str], names: Names) -> None:
    """Raises RuntimeError for a command that fails, with what it says."""
    for line in lines:
        _, _, *words = shlex.split(as_here(line, names), comments=True)
        options = QUICK if words[0] == "fit" else []
        result = CliRunner().invoke(cli.main, [*words, *options])
        if result.exit_code:
            raise RuntimeError(f"{line}\n{result.output}")


def main() -> None:
    warnings.simplefilter("error")
    # Data here are small, and some are drawn at random.
    warnings.filterwarnings("ignore", category=isthmus.NoImprovementWarning)
    warnings.filterwarnings("ignore", category=isthmus.CollapseWarning)
    for name, prepare in PAGES.items():
        began = time.perf_counter()
        page = (HERE / name).read_text(encoding="utf-8")
        for run, found in ((run_python, blocks(page, "python")), (run_commands, commands(page))):
            if not found:
                continue
            with (
                tempfile.TemporaryDirectory() as folder,
                contextlib.chdir(folder),
                contextlib.redirect_stdout(io.StringIO()),
            ):
                run(found, prepare())
        print(f"{name}: {time.perf_counter() - began:.1f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
