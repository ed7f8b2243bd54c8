"""The command line against the same calls in Python."""

import io
import json
import os
import shlex
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA

import isthmus
from isthmus import cli
from isthmus.cli._io import show
from isthmus.data import scaling
from isthmus.files import tables
from isthmus.networks import layers as networks
from isthmus.objectives import losses
from isthmus.training import _groups as training

COMMANDS = [
    *("fit", "transform", "inverse", "denoise", "impute", "sample", "export", "serve"),
    *("explore", "info", "choices", "quality", "dimension", "compare", "report", "lab", "demo"),
]
PROGRAM = [sys.executable, "-c", "from isthmus.cli import main; main(prog_name='isthmus')"]


def run(*arguments):
    return CliRunner().invoke(cli.main, [str(argument) for argument in arguments], prog_name="isthmus")


def succeed(*arguments):
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture(scope="module")
def frame():
    """Iris with its species as text, in a shuffled order of columns and rows."""
    data = load_iris(as_frame=True)
    frame = data.frame.rename(columns=lambda name: name.replace(" (cm)", ""))
    frame["species"] = data.target_names[frame.pop("target")]
    return frame.sample(frac=1, random_state=0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, frame):
    """iris.csv, and iris.isthmus: PCA of it with two coordinates, by the command line."""
    folder = tmp_path_factory.mktemp("iris")
    frame.to_csv(folder / "iris.csv", index=False)
    succeed(
        *("fit", folder / "iris.csv", "--label", "species", "--model", "linear"),
        *("-o", folder / "iris.isthmus"),
    )
    return folder


@pytest.fixture(scope="module")
def autoencoder(folder):
    """What ``fit`` printed for a tiny auto-encoder with its options set, and the saved map."""
    path = folder / "autoencoder.isthmus"
    result = succeed(
        *("fit", folder / "iris.csv", "--drop", "species", "-d", 2, "-o", path),
        *("--widths", "8", "--activation", "tanh", "--scaling", "range", "--loss", "huber"),
        *("--skip", "none", "--tied", "--max-epochs", 3, "--batch-size", 32, "--learning-rate", 0.01),
        *("--validation-fraction", 0.3, "--patience", 2, "--seed", 7),
    )
    return result, isthmus.load(path)


def features(frame):
    return frame.drop(columns="species")


def test_fit_is_the_estimators_fit(folder, frame):
    model = isthmus.load(folder / "iris.isthmus")
    expected = isthmus.LinearAutoencoder(2).fit(features(frame))
    np.testing.assert_array_equal(model.components_, expected.components_)
    assert list(model.feature_names_in_) == list(features(frame).columns)
    # A second method: scikit-learn's PCA, whose signs are its own.
    other = PCA(2).fit(features(frame))
    np.testing.assert_allclose(np.abs(model.components_), np.abs(other.components_), atol=1e-10)


def test_only_what_was_given_differs_from_the_defaults(folder, autoencoder):
    parameters = isthmus.load(folder / "iris.isthmus").get_params()
    assert parameters == isthmus.LinearAutoencoder().get_params()
    same = isthmus.Autoencoder(
        2, widths=(8,), activation="tanh", scaling="range", loss="huber", skip=None, tied=True,
        max_epochs=3, batch_size=32, learning_rate=0.01, validation_fraction=0.3, patience=2,
        random_state=7,
    )  # fmt: skip
    assert autoencoder[1].get_params() == same.get_params()


def test_fit_says_what_came_out(folder, autoencoder):
    result, model = autoencoder
    shown = dict(line.split("  ", 1) for line in result.stdout.splitlines() if "  " in line)
    shown = {name.strip(): value.strip() for name, value in shown.items()}
    assert shown["rows"] == "150"
    assert (shown["features"], shown["coordinates"]) == ("4", "2")
    assert float(shown["held-out error"]) == pytest.approx(model.validation_loss_, rel=1e-4)
    pca = float(shown["PCA's held-out error"].split()[0])
    assert pca == pytest.approx(model.pca_validation_loss_, rel=1e-4)
    epochs = len(model.history_["epoch"]) - 1
    assert shown["best epoch"] == f"{model.best_epoch_} of {epochs}"
    assert result.stdout.splitlines()[-1] == f"saved {folder / 'autoencoder.isthmus'}"


def test_warnings_are_one_line_each(autoencoder):
    lines = autoencoder[0].stderr.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("warning: No epoch beat PCA")


def test_quiet_prints_nothing(folder, tmp_path):
    result = succeed(
        *("fit", folder / "iris.csv", "--drop", 4, "--model", "linear", "-d", 1, "-q"),
        *("-o", tmp_path / "map.isthmus"),
    )
    assert result.output == ""
    assert isthmus.load(tmp_path / "map.isthmus").n_components_ == 1


def test_a_share_of_the_variance(folder, frame, tmp_path):
    path = tmp_path / "map.isthmus"
    arguments = ("--model", "linear", "-d", "0.99", "-o", path)
    succeed("fit", folder / "iris.csv", "--drop", "species", *arguments)
    # scikit-learn's rule for a share: as few components as exceed it.
    assert isthmus.load(path).n_components_ == PCA(0.99).fit(features(frame)).n_components_


def test_transform_is_the_models_transform(folder, frame):
    succeed(
        *("transform", folder / "iris.isthmus", folder / "iris.csv", "--keep", "species"),
        *("-o", folder / "coordinates.parquet"),
    )
    written = pd.read_parquet(folder / "coordinates.parquet")
    model = isthmus.load(folder / "iris.isthmus")
    assert list(written.columns) == ["species", *model.get_feature_names_out()]
    np.testing.assert_array_equal(written.iloc[:, 1:], model.transform(features(frame)))
    assert list(written["species"]) == list(frame["species"])


def test_without_output_csv_goes_to_stdout(folder, tmp_path):
    arguments = ("transform", folder / "iris.isthmus", folder / "iris.csv")
    succeed(*arguments, "-o", tmp_path / "coordinates.csv")
    result = succeed(*arguments)
    assert result.stdout == (tmp_path / "coordinates.csv").read_text()
    assert result.stderr == ""


def test_columns_are_found_by_name(folder, frame, tmp_path):
    frame[frame.columns[::-1]].assign(more=1).to_feather(tmp_path / "other.feather")
    result = succeed("transform", folder / "iris.isthmus", tmp_path / "other.feather")
    assert result.stdout == succeed("transform", folder / "iris.isthmus", folder / "iris.csv").stdout


def test_columns_without_names_are_taken_in_order(folder, frame, tmp_path):
    rows = features(frame).to_numpy()
    np.save(tmp_path / "rows.npy", np.column_stack([np.arange(150), rows]))
    succeed(
        *("fit", tmp_path / "rows.npy", "--label", 0, "--model", "linear"),
        *("-o", tmp_path / "map.isthmus"),
    )
    result = succeed("transform", tmp_path / "map.isthmus", tmp_path / "rows.npy", "--keep", 0)
    written = pd.read_csv(io.StringIO(result.stdout))
    expected = isthmus.LinearAutoencoder(2).fit(rows)
    np.testing.assert_array_equal(written["x0"], np.arange(150))
    np.testing.assert_allclose(written.iloc[:, 1:], expected.transform(rows), atol=1e-12)
    for option in ("--drop=0", "--columns=1,2,3,4"):
        other = succeed("transform", tmp_path / "map.isthmus", tmp_path / "rows.npy", option)
        assert len(pd.read_csv(io.StringIO(other.stdout)).columns) == 2


def test_a_map_of_full_rank_gives_the_data_back(folder, frame, tmp_path):
    model, points, decoded = (tmp_path / name for name in ("map.isthmus", "z.npy", "x.csv"))
    arguments = ("--label", "species", "--model", "linear", "-d", 4)
    succeed("fit", folder / "iris.csv", *arguments, "-o", model)
    succeed("transform", model, folder / "iris.csv", "-o", points)
    succeed("inverse", model, points, "-o", decoded)
    pd.testing.assert_frame_equal(
        # float64 throughout: rounding alone.
        pd.read_csv(decoded),
        features(frame).reset_index(drop=True),
        rtol=0,
        atol=1e-12,
    )


def test_inverse_ignores_the_columns_that_were_kept(folder, frame, tmp_path):
    model, points = folder / "iris.isthmus", tmp_path / "points.csv"
    succeed("transform", model, folder / "iris.csv", "--keep", "species", "-o", points)
    decoded = pd.read_csv(io.StringIO(succeed("inverse", model, points).stdout))
    loaded = isthmus.load(model)
    expected = loaded.inverse_transform(loaded.transform(features(frame)))
    # Shortest decimal notation loses nothing; both directions are in float64.
    np.testing.assert_allclose(decoded, expected, atol=1e-12)


def test_a_map_of_neighbours_is_fitted_and_told_of(folder):
    path = folder / "neighbours.isthmus"
    fitted = ("--model", "neighbour", "--max-epochs", "3", "--rounds", "2", "--seed", "0")
    succeed("fit", folder / "iris.csv", "--label", "species", "-o", path, "--n-neighbors", "9", *fitted)
    model = isthmus.load(path)
    assert (model.rounds, model.n_neighbors, model.max_epochs) == (2, 9, 3)
    shown = succeed("info", path).stdout
    assert "landmarks" in shown
    assert "layers" not in shown


def test_info_tells_the_facts(autoencoder, folder):
    model = autoencoder[1]
    facts = json.loads(succeed("info", folder / "autoencoder.isthmus", "--json").stdout)
    assert facts["class"] == "Autoencoder"
    assert facts["isthmus"] == isthmus.__version__
    assert facts["sizes"] == [4, 8, 2, 8, 4]
    # Tied, without a PCA path: W₁ 8×4 and W₂ 2×8 with their shifts 8 and 2, those of the mirrored
    # layers, 8 and 4.
    assert facts["weights"] == 8 * 4 + 2 * 8 + (8 + 2) + (8 + 4)
    assert facts["feature_names"] == list(model.feature_names_in_)
    assert facts["validation_loss"] == model.validation_loss_
    assert facts["pca_validation_loss"] == model.pca_validation_loss_
    assert (facts["epochs"], facts["best_epoch"]) == (
        len(model.history_["epoch"]) - 1,
        model.best_epoch_,
    )
    assert facts["parameters"]["widths"] == [8]
    shown = succeed("info", folder / "autoencoder.isthmus").stdout
    assert "4 → 8 → 2 → 8 → 4" in shown
    assert "sepal length" in shown


def test_what_is_shown_is_shown_as_it_is_called(capsys):
    show({"feature names": "temperature:b:2, [red]c[/red]"})
    assert "temperature:b:2, [red]c[/red]" in capsys.readouterr().out


def test_ctrl_c_saves_the_best_so_far(folder, tmp_path, interrupt_in_call):
    interrupt_in_call(20, training, "batch_orders")
    path = tmp_path / "map.isthmus"
    result = succeed(
        *("fit", folder / "iris.csv", "--drop", "species", "--widths", 8, "--seed", 0),
        *("--max-epochs", 1000, "-o", path),
    )
    assert result.stderr.startswith("warning: training was interrupted after ")
    assert len(isthmus.load(path).history_["epoch"]) < 1000


def test_ctrl_c_elsewhere_is_130(folder, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(tables, "read", interrupted)
    result = run("transform", folder / "iris.isthmus", folder / "iris.csv")
    assert result.exit_code == 130
    assert result.output == "isthmus: interrupted\n"


@pytest.mark.parametrize("fault", [AttributeError("a bug"), KeyError("a bug"), ZeroDivisionError()])
def test_a_fault_of_the_program_is_shown_in_full(folder, monkeypatch, fault):
    def broken(*_):
        raise fault

    monkeypatch.setattr(tables, "read", broken)
    assert run("transform", folder / "iris.isthmus", folder / "iris.csv").exception is fault


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (MemoryError("Unable to allocate 7 TiB"), "not enough memory. Unable to allocate 7 TiB"),
        (PermissionError(13, "Permission denied", "iris.csv"), "iris.csv: Permission denied"),
    ],
)
def test_memory_and_permission_are_faults_of_the_input(folder, monkeypatch, fault, told):
    def broken(*_):
        raise fault

    monkeypatch.setattr(tables, "read", broken)
    result = run("transform", folder / "iris.isthmus", folder / "iris.csv")
    assert (result.exit_code, result.output) == (1, f"isthmus: error: {told}\n")


def test_traceback_shows_where_an_error_was_raised(folder, tmp_path):
    result = run("--traceback", "fit", folder / "iris.csv", "-o", tmp_path / "map.isthmus")
    assert isinstance(result.exception, ValueError)


def test_options_of_another_model_are_refused(folder, tmp_path):
    arguments = ("--model", "linear", "--tied", "--batch-size", 3, "-o", tmp_path / "map.isthmus")
    result = run("fit", folder / "iris.csv", "--drop", 4, *arguments)
    assert result.exit_code == 2
    assert (
        "--model linear does not take --tied, --batch-size; --model autoencoder or denoising does"
        in result.stderr
    )


@pytest.mark.parametrize(
    ("output", "told"),
    [
        ("map.csv", "the ending is none of .isthmus, .safetensors"),
        ("nowhere/map.isthmus", "there is no folder"),
        ("folder.isthmus", "is a folder"),
    ],
)
def test_an_output_is_checked_before_the_work(folder, tmp_path, monkeypatch, output, told):
    monkeypatch.setattr(tables, "read", None)
    (tmp_path / "folder.isthmus").mkdir()
    result = run("fit", folder / "iris.csv", "-o", tmp_path / output)
    assert result.exit_code == 2
    assert told in " ".join(result.stderr.split())


def test_keep_needs_an_output_with_names(folder, tmp_path):
    arguments = ("--keep", "species", "-o", tmp_path / "z.npy")
    result = run("transform", folder / "iris.isthmus", folder / "iris.csv", *arguments)
    assert result.exit_code == 2
    assert "--keep needs an output with named columns, and z.npy is a plain array" in result.stderr


def test_demo_writes_where_it_is_told(tmp_path, monkeypatch):
    from isthmus import demo

    monkeypatch.setattr(demo, "run", lambda output, model: output.write_text(f"drawn by {model}"))
    succeed("demo", "-o", tmp_path / "picture.svg")
    assert (tmp_path / "picture.svg").read_text() == "drawn by neighbour"
    succeed("demo", "--model", "variational", "-o", tmp_path / "picture.svg")
    assert (tmp_path / "picture.svg").read_text() == "drawn by variational"


def test_choices_are_those_of_the_library():
    options = {option.name: option for option in cli.fit.params}
    for name in losses.named_losses():
        assert name in options["loss"].help
    assert {*options["scaling"].type.choices} == {"auto", *(kind or "none" for kind in scaling.SCALINGS)}
    for name in networks.ACTIVATIONS:
        assert name in options["activation"].help


def test_commands_come_in_the_order_of_their_use():
    lines = succeed("-h").stdout.partition("Commands:")[2].splitlines()
    assert [line.split()[0] for line in lines if line.strip()] == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_shows_an_example(command):
    for flag in ("-h", "--help"):
        assert f"  isthmus {command}" in succeed(command, flag).stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_examples_parse(command):
    """Every example in a help text uses options that exist."""
    names = {name for parameter in cli.main.commands[command].params for name in parameter.opts}
    lines = [line for line in succeed(command, "-h").stdout.splitlines() if "  isthmus " in line]
    for line in lines:
        words = shlex.split(line.split("|")[0])
        assert words[:2] == ["isthmus", command]
        assert {word for word in words if word.startswith("-")} <= names


def test_the_version():
    assert succeed("--version").stdout == f"isthmus {isthmus.__version__}\n"


def process(*arguments, **options):
    command = [*PROGRAM, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, **options)


def test_help_loads_nothing_but_click():
    script = (
        "import sys; from isthmus.cli import main; main(['fit', '-h'], standalone_mode=False); "
        "heavy = {'jax', 'numpy', 'sklearn', 'pyarrow', 'scipy', 'equinox', 'rich', 'matplotlib'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"


def test_exit_codes_of_the_process(tmp_path):
    missing = process("fit", tmp_path / "missing.csv", "-o", tmp_path / "map.isthmus")
    assert (missing.returncode, missing.stdout) == (1, "")
    assert missing.stderr == f"isthmus: error: {tmp_path / 'missing.csv'}: No such file or directory\n"
    usage = process("fit", "--no-such-option")
    assert (usage.returncode, usage.stdout) == (2, "")
    assert "No such option" in usage.stderr


def test_the_process_ends_quietly_when_its_reader_does(folder, tmp_path):
    # More than a pipe holds, so that writing goes on after the reader has gone.
    np.save(tmp_path / "points.npy", np.zeros((50_000, 2)))
    reader, writer = os.pipe()
    os.close(reader)
    command = [*PROGRAM, "inverse", str(folder / "iris.isthmus"), str(tmp_path / "points.npy")]
    try:
        result = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    finally:
        os.close(writer)
    assert (result.returncode, result.stderr) == (1, "")
