"""The package as it is imported: quickly, typed, and with all that it promises."""

import ast
import subprocess
import sys
from importlib.metadata import version
from importlib.resources import files

import pytest

import isthmus

STEPS = {
    "import": "import isthmus",
    "names": "isthmus.Autoencoder; isthmus.save",
    "fit": "import numpy; X = numpy.eye(4); isthmus.LinearAutoencoder(2).fit(X).transform(X); "
    "isthmus.compare; isthmus.choose_dimension; isthmus.scan([X])",
}


@pytest.fixture(scope="module")
def loaded():
    """The packages that a process has loaded after each of the steps, taken one after the other."""
    after = "print(*(name.split('.')[0] for name in sys.modules))"
    program = "; ".join(["import sys", *(f"{step}; {after}" for step in STEPS.values())])
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return dict(zip(STEPS, map(str.split, done.stdout.splitlines()), strict=True))


def test_importing_isthmus_loads_nothing_heavy(loaded):
    assert not {"jax", "sklearn", "numpy", "scipy", "matplotlib"}.intersection(loaded["import"])


def test_fitting_loads_no_plotting_and_no_command_line(loaded):
    assert not {"matplotlib", "rich", "click", "polars"}.intersection(loaded["names"])
    # A comparison prints with rich.
    assert not {"matplotlib", "click", "polars"}.intersection(loaded["fit"])


def test_dask_is_loaded_where_one_of_its_collections_came(loaded):
    assert "jax" in loaded["fit"]
    assert not {"dask", "distributed"}.intersection(loaded["fit"])


@pytest.mark.parametrize("name", isthmus.__all__)
def test_every_name_is_there_and_says_what_it_is(name):
    public = getattr(isthmus, name)
    assert public.__name__ == name
    assert public.__doc__
    assert name in dir(isthmus)


def test_type_checkers_see_the_names_that_there_are():
    """They read imports that never run, and no module of Python may be missing there."""
    source = files("isthmus").joinpath("__init__.py").read_text("utf-8")
    (never_run,) = [node for node in ast.parse(source).body if isinstance(node, ast.If)]
    seen = [name.asname for node in never_run.body for name in node.names]
    assert sorted([*seen, "__version__"]) == sorted(dir(isthmus))


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match="has no attribute 'UMAP'"):
        getattr(isthmus, "UM" + "AP")


def test_the_version_is_that_of_the_distribution():
    assert isthmus.__version__ == version("isthmus")


def test_the_package_runs_as_a_module():
    command = [sys.executable, "-m", "isthmus", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"isthmus {isthmus.__version__}\n"


def test_the_package_is_typed():
    assert files("isthmus").joinpath("py.typed").is_file()
