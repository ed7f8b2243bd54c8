"""Fit a map to rows and save it."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import isthmus
from isthmus import registry
from isthmus.cli import _options as options
from isthmus.cli._choices import choice_of, map_class, map_classes
from isthmus.cli._io import ColumnKinds, features, labels_to_draw, read_table, say, show
from isthmus.cli._processes import connected, processes_options
from isthmus.cli._sources import Stream, size

if TYPE_CHECKING:
    import numpy as np

    from isthmus.estimators.base import BaseMap
    from isthmus.files.tables import Table


def _loss(ctx: click.Context, param: click.Parameter, value: str | None) -> object:
    """A loss as Python takes it: a word, or an object."""
    is_word = value is None or value in registry.losses.words
    return value if is_word else choice_of(registry.losses)(ctx, param, value)


of_network = options.under("Network")
of_training = options.under("Training")
of_denoising = options.under("Of --model denoising")
of_variational = options.under("Of --model variational")
of_neighbour = options.under("Of --model neighbour")


@click.command(cls=options.Headed)
@options.DATA_FILES
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="FILE",
    callback=options.output(".isthmus", ".safetensors"),
    help="Where to save the map: a name that ends in .isthmus.",
)
@click.option(
    "--model",
    metavar="MODEL",
    callback=map_class,
    default="autoencoder",
    show_default=True,
    help="autoencoder, a network that starts at PCA and is never worse; linear, PCA itself; denoising, "
    "a network that restores noisy rows; variational, one that has a standard deviation for each "
    "coordinate, takes empty cells, and draws new rows; neighbour, a picture with clear islands, whose "
    "neighbours are neighbours. `isthmus choices` lists all.",
)
@click.option(
    "-d",
    "--n-components",
    metavar="NUMBER",
    callback=options.count,
    help="Number of coordinates; for --model linear also the share of the variance to keep, 0.95.",
)
@options.columns_options
@click.option("--label", help="A column, such as a class, that is no feature. See transform --keep.")
@options.kinds_options
@options.SCALING
@click.option(
    "--picture",
    metavar="FILE",
    callback=options.output(".png", ".svg", ".pdf"),
    help="Draw the map here too, coloured by --label; rows whose label is empty are grey.",
)
@click.option("--seed", "random_state", type=int, help="Seed of everything random.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar and no summary.")
@of_network("--widths", metavar="SIZES", callback=options.widths, help="Encoder's widths: 512,256.")
@of_network(
    "--activation",
    metavar="NAMES",
    callback=options.names,
    help="tanh, relu, cos, silu, gelu or identity; or one per layer, with commas between them.",
)
@of_network(
    "--loss",
    metavar="LOSS",
    callback=_loss,
    help="What the network minimises: squared, absolute, huber or cross_entropy; or as in Python, "
    "Huber(0.5). A variational one has --likelihood instead.",
)
@of_network("--skip", type=click.Choice(["pca", "none"]), help="Whether the network starts at PCA.")
@of_network("--tied", is_flag=True, default=None, help="Use each weight in both directions.")
@of_training("--max-epochs", type=int, help="Most passes over the rows.")
@of_training("--batch-size", type=int, help="Rows in a step.")
@of_training("--learning-rate", type=float, help="Largest rate of the optimiser.")
@of_training("--validation-fraction", type=float, help="Share of the rows held out to choose the epoch.")
@of_training("--patience", type=int, help="Epochs without a better one before training ends.")
@of_training(
    "--block-size",
    "block_bytes",
    metavar="SIZE",
    callback=size,
    help="Bytes of rows in memory that are trained on at a time, where DATA is read in parts: 256M.",
)
@of_training(
    "--checkpoint",
    metavar="FOLDER",
    help="Keep the training in this folder, once a minute. The same command goes on from there when it "
    "was killed, and ends with the same map.",
)
@of_training(
    "--input-noise",
    type=float,
    help="Noise that the encoder sees in training, in units of a feature's spread; 0 for none. Not of "
    "--model denoising, which has --noise.",
)
@of_denoising(
    "--noise",
    metavar="NOISE",
    callback=choice_of(registry.noises),
    help="What is done to a row: Gaussian(0.3), the default; Masking, SaltAndPepper, Neighbours, "
    "ImageJitter((8, 8)), or Compose([Neighbours(5), Gaussian(0.1)]). Written as in Python; a bare "
    "name has its defaults.",
)
@of_denoising("--draws", type=int, help="Draws of the noise for each row in each step.")
@of_variational(
    "--likelihood",
    metavar="LIKELIHOOD",
    callback=choice_of(registry.likelihoods),
    help="How data scatter: Gaussian, the default; Gaussian('feature') for an error per feature; "
    "Bernoulli for 0 and 1; Poisson or NegativeBinomial for counts.",
)
@of_variational(
    "--prior",
    metavar="PRIOR",
    callback=choice_of(registry.priors),
    help="Where the coordinates lie: StandardNormal, the default; Uniform, or Mixture(20).",
)
@of_variational("--beta", type=float, help="Weight of the KL divergence; 1 is the bound itself.")
@of_variational("--warm-up", type=float, help="Share of training in which that weight climbs from 0.")
@of_variational("--free-bits", type=float, help="Nats of KL that each coordinate has for nothing.")
@of_neighbour("--n-neighbors", type=int, help="Nearest rows that are kept near each row: 15.")
@of_neighbour("--landmarks", type=int, help="Cluster centres that place a row: one per row, up to 1000.")
@of_neighbour(
    "--rounds",
    type=int,
    help="Between a smooth map, 0, and clear islands, 6; 4 if not given.",
)
@of_neighbour("--repulsion", type=float, help="Weight of keeping other rows apart: 15.")
@processes_options
def fit(coordinator: str | None, processes: int | None, process: int | None, **settings: Any) -> None:
    """Learn a map from the rows of DATA and save it.

    What is not given has the default that it has in Python. Ctrl-C ends training and saves the best
    map so far. Several Parquet files, a folder of them, a quoted pattern, a URL, a Zarr folder, an HDF5
    file, and a Parquet file of more than 1 GiB of numbers are read in parts. Below srun or mpirun all
    processes train one map.

    \b
      isthmus fit iris.csv --label species -d 2 -o iris.isthmus --picture iris.png
      isthmus fit images.npy -d 10 --widths 512,256 --seed 0 -o images.isthmus
      isthmus fit images.npy --checkpoint training -o images.isthmus
      isthmus fit iris.csv --drop species --model linear -d 0.95 -o pca.isthmus
      isthmus fit images.npy --model denoising --noise "ImageJitter((8, 8))" -o images.isthmus
      isthmus fit cells.parquet --label type --model neighbour -o cells.isthmus --picture cells.png
      isthmus fit counts.csv --model variational --likelihood Poisson -o counts.isthmus
      isthmus fit big/*.parquet --drop id --label type -o big.isthmus --picture big.png
      srun -n 4 isthmus fit big/*.parquet --batch-size 4096 --checkpoint training -o big.isthmus
    """
    with connected(coordinator, processes, process) as is_first:
        _fit_and_save(**settings, is_first=is_first)


def _fit_and_save(
    data: Path | Stream,
    output: Path,
    model: type[BaseMap],
    columns: Sequence[str],
    drop: Sequence[str],
    header: bool | None,
    label: str | None,
    periodic: Mapping[str, float],
    categorical: Sequence[str],
    scaling: str | None,
    picture: Path | None,
    quiet: bool,
    block_bytes: int | None,
    checkpoint: str | None,
    is_first: bool,
    **settings: object,
) -> None:
    """What the command does; of several processes the first alone writes and shows anything."""
    given = {name: value for name, value in settings.items() if value is not None}
    if scaling != "auto":
        given["scaling"] = "none" if scaling is None else scaling
    kinds = ColumnKinds(periodic, categorical)
    estimator = _estimator(model, given | kinds.given)
    kept = {} if checkpoint is None else _checkpoint(model, checkpoint)
    rows: Any
    labels, parameters = None, dict[str, Any]()
    if isinstance(data, Stream):
        from isthmus.cli._streams import rows_to_draw, rows_to_fit

        rows = rows_to_fit(data, estimator, columns, drop, label, header, kinds, block_bytes)
    else:
        _check_no_blocks(data, block_bytes)
        table = read_table(data, header)
        rows, parameters = features(table, columns, [*drop, *([label] if label else [])], kinds)
        estimator.set_params(**parameters)
        _check_missing(estimator, table, rows)
        labels = labels_to_draw(table, label) if picture and label else None
    if scaling == "auto" and "scaling" in estimator.get_params(deep=False):
        kind, note = _automatic_scaling(estimator, rows, parameters)
        estimator.set_params(scaling=kind)
        if note and is_first:
            say(f"the {note}; --scaling none takes them as they are")
    estimator.set_params(verbose=sys.stderr.isatty() and not quiet)
    started = time.perf_counter()
    estimator.fit(rows, **kept)
    seconds = time.perf_counter() - started
    if not is_first:
        return
    isthmus.save(estimator.set_params(verbose=None), output)
    if picture is not None:
        drawn, labels = rows_to_draw(rows, label) if isinstance(data, Stream) else (rows, labels)
        _draw(picture, estimator, drawn, labels, label)
    if not quiet:
        from isthmus.cli._description import describe, summarise

        show({"rows": rows.shape[0], **summarise(describe(estimator)), "seconds": f"{seconds:.1f}"})
        click.echo(f"saved {output}")
        if picture is not None:
            click.echo(f"picture: {picture}")


def _check_no_blocks(data: Path, block_bytes: int | None) -> None:
    if block_bytes is not None:
        raise click.UsageError(
            f"--block-size is for rows that are read in parts, and {data} is read into memory"
        )


def _check_missing(estimator: BaseMap, table: Table, rows: Any) -> None:
    """Raise where cells are empty and the map takes none, with the command that does."""
    from sklearn.utils import get_tags

    has_columns = hasattr(rows, "column_names")  # an Arrow table, which empty cells come in
    if not has_columns or get_tags(estimator).input_tags.allow_nan:
        return
    empty = [name for name in rows.column_names if rows.column(name).null_count]
    if not empty:
        return
    row = rows.column(empty[0]).is_null().to_pylist().index(True)
    others = f", of {len(empty)} columns with empty cells" if len(empty) > 1 else ""
    raise ValueError(
        f"{table.path} contains NaN: column {empty[0]!r} in row {row} is the first{others}. The model "
        f"that takes them: {_with_model('variational')}"
    )


def _with_model(word: str) -> str:
    """The command that is running, with another model."""
    arguments = iter(sys.argv[1:])
    kept = []
    for argument in arguments:
        if argument == "--model":
            next(arguments, None)
        elif not argument.startswith("--model="):
            kept.append(argument)
    return shlex.join(["isthmus", *kept, "--model", word])


def _checkpoint(cls: type[BaseMap], folder: str) -> dict[str, str]:
    """What ``fit`` takes beside the rows, or an error where a map is not trained."""
    import inspect

    if "checkpoint" not in inspect.signature(cls.fit).parameters:
        raise click.UsageError(
            f"--model {registry.estimators.word(cls)} does not take --checkpoint: it has no training "
            "that could go on"
        )
    return {"checkpoint": folder}


def _draw(
    picture: Path, model: BaseMap, rows: object, labels: np.ndarray | None, label: str | None
) -> None:
    """The map of the rows, in a file that is complete or not there."""
    from isthmus.data.atomic import replacing
    from isthmus.plots import figure_in_memory

    figure = figure_in_memory(7, 7)
    isthmus.plot(model, rows, labels, y_name=label, ax=figure.subplots())
    with replacing(picture) as temporary:
        figure.savefig(temporary, format=picture.suffix[1:], dpi=150)


def _automatic_scaling(
    estimator: BaseMap, rows: object, kinds: Mapping[str, Any]
) -> tuple[str | None, str]:
    """The scaling that "auto" chooses, and one line on it, or an empty one.

    Losses and likelihoods of shares and of counts take data as they are, so it is None with these.
    """
    from isthmus.data.coding import coded_table
    from isthmus.data.conversion import as_rows
    from isthmus.data.frames import column_labels
    from isthmus.data.units import chosen_scaling
    from isthmus.variational.estimator import takes_scaled_columns

    if not takes_scaled_columns(estimator):
        return None, ""
    coded = coded_table(rows, kinds.get("periodic"), kinds.get("categorical"))
    return chosen_scaling("auto", as_rows(coded), column_labels(coded))


def _estimator(cls: type[BaseMap], given: Mapping[str, object]) -> BaseMap:
    """The unfitted estimator with the parameters that were given, and no others."""
    import inspect

    unknown = [name for name in given if name not in inspect.signature(cls).parameters]
    if unknown:
        refused = ", ".join(f"--{name.replace('_', '-')}" for name in unknown)
        able = [
            word
            for word, other in map_classes().items()
            if set(unknown) <= set(inspect.signature(other).parameters)
        ]
        advice = f"; --model {' or '.join(able)} does" if able else ""
        word = registry.estimators.word(cls)
        raise click.UsageError(f"--model {word} does not take {refused}{advice}")
    return cls(**{name: None if value == "none" else value for name, value in given.items()})
