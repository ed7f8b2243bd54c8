"""What the pages say of the library is there, and figures are those that were measured."""

import re
from pathlib import Path

import pytest

import isthmus

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
RESULTS = (ROOT / "benchmarks" / "RESULTS.md").read_text(encoding="utf-8")
NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?|\.\d+")


def numbers(text):
    """Numbers of a text as they are written, 10 000 and 10,000 without what groups their digits."""
    return [found.replace(",", "") for found in NUMBER.findall(re.sub(r"(?<=\d) (?=\d{3})", "", text))]


def is_measured(written, measured):
    """Whether a figure is a measured one, to the digits that it is written with."""
    digits = len(written.partition(".")[2])
    return any(round(figure, digits) == float(written) for figure in measured)


def test_a_figure_is_found_as_it_is_rounded():
    assert is_measured(".57", [0.5678])
    assert not is_measured("0.56", [0.5678])
    assert numbers("of 10 000, .57 and 1,866 MiB") == ["10000", ".57", "1866"]


@pytest.mark.parametrize(
    "line",
    [line for line in README.partition("## What it does, measured")[2].splitlines() if line[:2] == "| "],
)
def test_the_readme_quotes_results_and_nothing_else(line):
    measured = [float(number) for number in numbers(RESULTS)]
    strange = [number for number in numbers(line) if not is_measured(number, measured)]
    assert not strange, f"{', '.join(strange)} of this line are not in benchmarks/RESULTS.md: {line}"


def test_the_reference_lists_every_public_name():
    page = (ROOT / "docs" / "api.rst").read_text(encoding="utf-8")
    listed, module = set(), "isthmus"
    for line in page.splitlines():
        if line.startswith(".. currentmodule:: "):
            module = line.rpartition(" ")[2]
        elif re.fullmatch(r"   \w+", line):
            listed.add(f"{module}.{line.strip()}")
    wanted = {f"isthmus.{name}" for name in isthmus.__all__}
    for module, kind in (("noise", "noises"), ("priors", "priors"), ("likelihoods", "likelihoods")):
        choices = getattr(isthmus.registry, kind).words.values()
        wanted |= {f"isthmus.{module}.{choice.__name__}" for choice in choices}
    assert sorted(wanted - listed) == []
    for name in listed - {"isthmus.registry"}:
        module, _, attribute = name.rpartition(".")
        owner = isthmus if module == "isthmus" else getattr(isthmus, module.partition(".")[2])
        assert getattr(owner, attribute).__doc__


def test_the_code_of_every_page_runs():
    """In ``docs/_run_pages.py``, or in a test that reads the page."""
    runner = (ROOT / "docs" / "_run_pages.py").read_text(encoding="utf-8")
    tested = {"larger_than_memory.md", "single_cells.md"}
    for page in sorted((ROOT / "docs").rglob("*.md")):
        name = page.relative_to(ROOT / "docs").as_posix()
        if "```python" in page.read_text(encoding="utf-8") and not name.startswith("built/"):
            assert f'"{name}"' in runner or name in tested, name
