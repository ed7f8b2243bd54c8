"""The explorer as a widget of a notebook."""

from __future__ import annotations

from importlib.resources import files

import anywidget
import traitlets


class ExplorerWidget(anywidget.AnyWidget):
    """``data`` goes to the page, and the numbers of selected rows come back."""

    _esm = files("isthmus.explorer").joinpath("built", "widget.js").read_text("utf-8")
    data = traitlets.Bytes(b"").tag(sync=True)
    height = traitlets.Int(620, min=200).tag(sync=True)
    selected = traitlets.List(traitlets.Int()).tag(sync=True)
