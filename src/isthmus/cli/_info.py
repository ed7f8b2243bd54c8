"""Say what a map is, what there is to choose from, and what the library does: info, choices, demo."""

from __future__ import annotations

import json
from pathlib import Path

import click

from isthmus import registry
from isthmus.cli._choices import map_classes, summary_of, usage_of
from isthmus.cli._io import show
from isthmus.cli._options import MODEL, Command
from isthmus.cli._options import output as output_file


@click.command(cls=Command)
@MODEL
@click.option("--json", "as_json", is_flag=True, help="All facts as one JSON object.")
def info(model: Path, as_json: bool) -> None:
    """What a saved map is and how good it is.

    \b
      isthmus info iris.isthmus
      isthmus info iris.isthmus --json
    """
    from isthmus.cli._description import describe_file, summarise

    facts = describe_file(model)
    if as_json:
        click.echo(json.dumps(facts, indent=2))
        return
    parameters = ", ".join(f"{name}={value!r}" for name, value in facts["parameters"].items())
    names = ", ".join(facts["feature_names"] or []) or "without names"
    show(
        {
            "class": f"{facts['class']} (schema {facts['schema']}, isthmus {facts['isthmus']})",
            **summarise(facts),
            "feature names": names,
            **({"layers": " → ".join(map(str, facts["sizes"]))} if "sizes" in facts else {}),
            "weights": facts["weights"],
            "parameters": parameters,
        }
    )


@click.command(cls=Command)
@click.argument("kind", required=False, type=click.Choice(list(registry.KINDS)))
def choices(kind: str | None) -> None:
    """What can be written for --model, --loss, --noise, --prior and --likelihood.

    With `isthmus --import MODULE choices`, those of a module of your own too.

    \b
      isthmus choices
      isthmus choices noise
    """
    for name in [kind] if kind else registry.KINDS:
        of_kind = registry.KINDS[name]
        click.echo(click.style(f"--{name}", bold=True))
        if of_kind is registry.estimators:
            show({word: summary_of(cls) for word, cls in map_classes().items()})
        else:
            show({usage_of(cls): summary_of(cls) for cls in of_kind.classes.values()})


@click.command(cls=Command)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    callback=output_file(".png", ".pdf", ".svg"),
    default="isthmus-demo.png",
    show_default=True,
    help="Where to write the picture.",
)
@click.option(
    "--model",
    type=click.Choice(["neighbour", "autoencoder", "variational"]),
    default="neighbour",
    show_default=True,
    help="Which map to show.",
)
def demo(output: Path, model: str) -> None:
    """Map 1 797 handwritten digits, next to PCA, and draw both.

    \b
      isthmus demo
      isthmus demo -o digits.pdf
      isthmus demo --model autoencoder
      isthmus demo --model variational
    """
    from isthmus.demo import run

    run(output, model=model)
