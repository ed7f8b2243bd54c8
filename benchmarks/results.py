"""Write RESULTS.md: one table of headlines, then what each script printed, out of their JSON files.

``make bench`` runs it last. No figure on the page is typed: ``benchmarks/results/NAME.json`` is what
``benchmarks/NAME.py --json`` wrote.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

HERE = Path(__file__).parent
SHOWN = ("Processor", "Cores", "Memory", "System", "Python", "Libraries")
PREAMBLE = """# Results

What `make bench` measured; scripts whose claims are of time ran alone. In a race a ratio above 1
means that isthmus is faster; where an aim begins with ≤, less is better. Aims that were missed
are left as they are."""


def page(reports: dict[str, dict[str, Any]]) -> Iterator[str]:
    """The paragraphs of the page."""
    yield PREAMBLE
    ran_on: dict[tuple[str, ...], list[str]] = {}
    for name, report in reports.items():
        ran_on.setdefault(tuple(report["machine"].get(fact, "") for fact in SHOWN), []).append(name)
    for machine, names in sorted(ran_on.items(), key=lambda item: -len(item[1])):
        facts = [f"- {fact}: {value}" for fact, value in zip(SHOWN, machine, strict=True)]
        scripts = [f"- Scripts: {', '.join(names)}"] if len(ran_on) > 1 else []
        yield "\n".join(facts + scripts)
    yield "## Claims and aims"
    lines = []
    for name, report in reports.items():
        if report["headlines"]:
            lines.append((f"**[{report['claim']}](#{name})**", "", "", ""))
        for headline in report["headlines"]:
            met = "met" if headline["met"] else "**missed**"
            lines.append((headline["claim"], f"{headline['figure']:.3g}", headline["aim"], met))
    yield markdown_table(("claim", "figure", "aim", ""), lines)
    for name, report in reports.items():
        yield f"## {name}"
        yield f"{report['claim']}. `benchmarks/{name}.py`"
        for table in report["tables"]:
            yield f"**{table['title']}**"
            yield markdown_table(table["columns"], table["rows"])


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The first column is text, the others are figures."""
    lines = [columns, ["---", *["--:"] * (len(columns) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)


@click.command(help=__doc__)
@click.option("--folder", type=click.Path(path_type=Path, exists=True), default=HERE / "results")
@click.option("--output", type=click.Path(path_type=Path), default=HERE / "RESULTS.md")
def main(folder: Path, output: Path) -> None:
    reports = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.json"))}
    quick = [name for name, report in reports.items() if report["quick"]]
    if quick:
        raise click.ClickException(f"figures of --quick mean nothing: {', '.join(quick)}")
    output.write_text("\n\n".join(page(reports)) + "\n", "utf-8")


if __name__ == "__main__":
    main()
