"""Pictures of maps and of results: ``plot``, and what it and the results of isthmus are drawn with."""

from isthmus.plots._style import CLASS_COLOURS, FAINT, OTHER, OURS, WARM, axes_or_new, figure_in_memory
from isthmus.plots.classes import class_map, histograms, posterior_map
from isthmus.plots.decoding import decoded_features, decoded_grid, image_grid
from isthmus.plots.maps import Map, plot, points, value_map
from isthmus.plots.records import (
    bars,
    curves,
    dimension_scales,
    dots,
    error_by_dimension,
    flagged_rows,
    loading_bars,
    losses,
)

__all__ = [
    "CLASS_COLOURS",
    "FAINT",
    "OTHER",
    "OURS",
    "WARM",
    "Map",
    "axes_or_new",
    "bars",
    "class_map",
    "curves",
    "decoded_features",
    "decoded_grid",
    "dimension_scales",
    "dots",
    "error_by_dimension",
    "figure_in_memory",
    "flagged_rows",
    "histograms",
    "image_grid",
    "loading_bars",
    "losses",
    "plot",
    "points",
    "posterior_map",
    "value_map",
]
