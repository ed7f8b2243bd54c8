"""The documentation site: pages of text, scripts that run while it is built, and the reference."""

import os
import re
import warnings
from pathlib import Path

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util.logging import getLogger
from sphinx.util.typing import ExtensionMetadata
from sphinx.writers.html5 import HTML5Translator

import isthmus

LOGGER = getLogger(__name__)
# joblib takes compiled programs for a leak, and starts another process.
warnings.filterwarnings("ignore", "A worker stopped while some jobs were given", UserWarning)
os.environ.setdefault("MPLBACKEND", "agg")  # draws without a screen
# Most of the time goes to compiling: the processes that run the scripts share what they compile, and
# XLA's older emitters take half the time.
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_use_fusion_emitters=false")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parent / "built" / ".programs"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")

project = "isthmus"
author = copyright = "The isthmus developers"
version = release = isthmus.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_click",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["built", "**/GALLERY_HEADER.rst"]
templates_path = ["_templates"]
default_role = "literal"
smartquotes = False  # two dashes begin an option
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3

autodoc_typehints = "none"  # the docstrings say it, with shapes
autosummary_generate = True
# On disks that take "Quality" and "quality" for the same name, one would overwrite the other.
autosummary_filename_map = {
    "isthmus.Quality": "isthmus.Quality-result",
    "isthmus.Hidden": "isthmus.Hidden-result",
}
numpydoc_show_class_members = False

html_theme = "pydata_sphinx_theme"
html_title = "isthmus"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_math_renderer = "mathml"
html_theme_options = {
    "navbar_align": "left",
    "header_links_before_dropdown": 7,
    "secondary_sidebar_items": ["page-toc", "sg_download_links"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_sidebars = {"index": []}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

sphinx_gallery_conf = {
    "examples_dirs": ["../examples/course", "../examples/how_to", "../examples/gallery"],
    "gallery_dirs": ["course", "how_to", "gallery"],
    "filename_pattern": r"\.py$",
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "only_warn_on_example_error": False,
    "download_all_examples": False,
    "write_computation_times": False,
    "min_reported_time": 600,
    "doc_module": ("isthmus",),
    "backreferences_dir": "api/used_in",
    "parallel": 2,
}


def mathml(translator: HTML5Translator, node: nodes.math | nodes.math_block) -> None:
    """A formula as MathML, which browsers draw themselves: no script, and nothing from a network."""
    try:
        formula = tex2mathml(node.astext(), as_block=isinstance(node, nodes.math_block))
    except MathError as error:
        LOGGER.warning("the formula %r: %s", node.astext(), error, location=node)
    else:
        translator.body.append(re.sub(r"\s*\n\s*", "", formula))
    raise nodes.SkipNode


MARKS = re.compile(
    r"``.*?``|:\w+:`.*?`|\*\w[^*]*\*|((?<=.)\||(?<=[ (/])\*(?=[\w.])|(?<=\w)_(?=[\s,;:.)]|$))"
)
"""Marks of reStructuredText outside code: |r|, *.csv, and names that end in an underscore."""


def as_text(lines: list[str]) -> None:
    """Docstrings and help are written to be read as they are: their marks are not markup."""
    in_example = False
    for number, line in enumerate(lines):
        in_example = line.lstrip().startswith(">>>") or (in_example and bool(line.strip()))
        if not in_example:
            lines[number] = MARKS.sub(lambda mark: f"\\{mark[1]}" if mark[1] else mark[0], line)


def setup(app: Sphinx) -> ExtensionMetadata:
    app.add_html_math_renderer("mathml", (mathml, None), (mathml, None))
    app.connect("autodoc-process-docstring", lambda *event: as_text(event[-1]))
    for part in ("description", "usage", "options", "epilog"):
        app.connect(f"sphinx-click-process-{part}", lambda app, context, lines: as_text(lines))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
