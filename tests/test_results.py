"""Results read well: short text in a console, a table in a notebook and in a data frame, a picture."""

import builtins
import importlib
import pkgutil
from html.parser import HTMLParser

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits

import isthmus
from isthmus.estimators.history import History
from isthmus.laboratories.averaging.run import AveragingReport
from isthmus.laboratories.one_number.animals import animals
from isthmus.laboratories.one_number.run import one_number
from isthmus.results import MOST_SHOWN, Result, html_table

X = load_digits().data[:400]
CLOUD = np.random.default_rng(0).standard_normal((300, 2))
pytestmark = pytest.mark.filterwarnings(
    "ignore::isthmus.NoImprovementWarning", "ignore::isthmus.UnequalScalesWarning"
)


@pytest.fixture(autouse=True)
def _no_figure_stays_open():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def model():
    return isthmus.Autoencoder(2, widths=(16,), max_epochs=5, random_state=0).fit(X[:200])


@pytest.fixture(scope="module")
def results(model):
    Z = model.transform(X)
    curve = isthmus.experiments.double_descent(X, sizes=(5, 200), n_train=50, n_repeats=2)
    return {
        "quality": isthmus.quality(X, Z),
        "reliability": isthmus.reliability(model, X[:200], known=X[200:]),
        "loadings": isthmus.loadings(model, X),
        "distortion": isthmus.distortion(model, Z),
        "geodesic": isthmus.geodesic(model, Z[0], Z[1]),
        "intrinsic_dimension": isthmus.intrinsic_dimension(X),
        "choose_dimension": isthmus.choose_dimension(CLOUD, max_epochs=1, widths=(4,)),
        "compare": isthmus.compare(X[:100], methods=("PCA",)),
        "double_descent": curve,
        "one_number": one_number(animals(30).images, models={}, n_draws=2),
        "history": model.history_,
    }


class Page(HTMLParser):
    """Collects the cells of tables; knows whether every element was closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.cells = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        if tag != "br":
            self.open.append(tag)
        if tag == "td":
            self.cells.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1] == "td":
            self.cells[-1] += data


def every_kind(cls=Result):
    for kind in cls.__subclasses__():
        yield kind
        yield from every_kind(kind)


def test_no_result_shows_its_arrays_instead_of_its_text():
    for module in pkgutil.walk_packages(isthmus.__path__, "isthmus."):
        if not module.name.startswith("isthmus.cli"):
            importlib.import_module(module.name)
    kinds = set(every_kind())
    assert {isthmus.Quality, isthmus.ComparisonReport, AveragingReport, History} <= kinds
    assert {kind for kind in kinds if kind.__repr__ is not Result.__repr__} == set()


def test_the_last_line_of_a_cell_is_what_print_shows(results):
    for name, result in results.items():
        assert repr(result) == str(result), name
        assert len(repr(result)) < 6000, name
        assert "array(" not in repr(result), name


def test_a_notebook_says_how_many_rows_it_draws_and_of_what_kinds_the_columns_are():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"phi": 360 * rng.random(1500), "x": rng.random(1500)})
    table["kind"] = rng.choice(["a", "b"], 1500)
    model = isthmus.LinearAutoencoder(2, periodic={"phi": 360}, categorical=["kind"]).fit(table)
    page = model._repr_html_()
    assert "2 coordinates of 3 columns (angles: 1, categories: 1)" in page
    assert "750 of 1,500 rows of the fit" in page


def test_a_notebook_shows_a_table_of_the_first_rows(results):
    for name, result in results.items():
        page = Page(result._repr_html_())
        assert page.open == [], name
        if name != "compare":
            rows = result.table()
            assert len(page.cells) == min(len(rows), MOST_SHOWN) * len(rows[0]), name


def test_a_frame_has_the_numbers(results):
    found = results["reliability"]
    frame = found.to_frame()
    assert isinstance(frame, pd.DataFrame)
    np.testing.assert_array_equal(frame["p_value"], found.p_value)
    np.testing.assert_array_equal(frame["flagged"], found.flagged)
    np.testing.assert_array_equal(
        results["history"].to_frame()["train_loss"], results["history"]["train_loss"]
    )
    loadings = results["loadings"].to_frame()
    assert len(loadings) == 2 * 64
    feature = loadings.query("coordinate == 1 and feature == 'x20'")
    assert feature["mean"].item() == results["loadings"].mean[1, 20]
    for name, result in results.items():
        assert len(result.to_frame()) == len(result.table()) > 0, name


def test_without_pandas_the_error_names_the_other_way(results, monkeypatch):
    there = builtins.__import__

    def missing(name, *args, **kwargs):
        if name == "pandas":
            raise ImportError(name)
        return there(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ImportError, match=r"pip install pandas.*table\(\)"):
        results["quality"].to_frame()


def test_names_of_features_are_text_in_a_page():
    page = html_table([{"<script>": "<b>bold & 1</b>", "value": 0.123456}])
    assert "<script>" not in page
    assert "<b>" not in page
    assert Page(page).cells == ["<b>bold & 1</b>", "0.1235"]


def test_every_result_with_a_picture_draws_into_the_axes_that_it_is_given(results):
    for name in ("quality", "reliability", "loadings", "intrinsic_dimension", "choose_dimension"):
        _, ax = plt.subplots()
        n_open = len(plt.get_fignums())
        assert results[name].plot(ax) is ax
        assert len(plt.get_fignums()) == n_open, name
        assert ax.has_data(), name
        new = results[name].plot()
        assert new is not ax
        assert len(plt.get_fignums()) == n_open + 1, name


def test_bars_of_quality_are_its_measures(results):
    found = results["quality"]
    ax = found.plot()
    widths = {
        label.get_text(): bar.get_width()
        for label, bar in zip(ax.get_yticklabels(), ax.patches, strict=True)
    }
    for name in ("trustworthiness", "continuity", "overlap", "spearman"):
        assert widths[name] == pytest.approx(getattr(found, name))


def test_lines_of_quality_are_over_k(model):
    found = isthmus.quality(X, model.transform(X), k=(5, 20))
    lines = {line.get_label(): line.get_xydata() for line in found.plot().lines}
    np.testing.assert_allclose(lines["overlap"], np.c_[[5, 20], found.overlap])


def test_flagged_rows_are_drawn_apart(results):
    found = results["reliability"]
    usual, flagged = found.plot().collections
    expected = np.c_[found.sparsity, found.reconstruction_error]
    np.testing.assert_allclose(usual.get_offsets(), expected[~found.flagged])
    np.testing.assert_allclose(flagged.get_offsets(), expected[found.flagged])


def test_bars_of_a_coordinate_are_its_loadings(results):
    found = results["loadings"]
    ax = found.plot(coordinate=1, n=3)
    assert ax.get_title() == "coordinate 1"
    means = [bar.get_width() for bar in ax.patches[-3:]][::-1]
    assert means == pytest.approx([one.mean for one in found.strongest(1, 3).values()])


def test_loadings_of_scaled_columns_are_compared_in_scaled_units():
    rows = X[:, 20:23] * [1.0, 1.0, 1000.0]
    raw, scaled = (
        isthmus.loadings(isthmus.LinearAutoencoder(2, scaling=kind).fit(rows), rows)
        for kind in (None, "standard")
    )
    assert next(iter(raw.strongest(0))) == "x2"
    strength = scaled.strength[0] / rows.std(axis=0, ddof=1)
    order = [f"x{j}" for j in np.argsort(-strength)]
    assert list(scaled.strongest(0)) == order
    ax = scaled.plot(coordinate=0)
    assert "scaled units" in ax.get_xlabel()
    assert max(bar.get_width() for bar in ax.patches) == pytest.approx(strength.max())
    assert "scaled units" not in raw.plot().get_xlabel()


def test_the_history_shows_the_epoch_that_was_kept(model):
    history = model.history_
    ax = history.plot()
    kept = ax.lines[-1].get_xydata()
    np.testing.assert_allclose(
        kept, [[model.best_epoch_, history["validation_loss"][model.best_epoch_]]]
    )
    assert f"epoch {model.best_epoch_}, kept" in str(history)


def test_the_history_is_one_after_loading_too(model, tmp_path):
    isthmus.save(model, tmp_path / "map.isthmus")
    assert isinstance(isthmus.load(tmp_path / "map.isthmus").history_, History)


def test_a_history_without_held_out_rows_has_a_text_and_a_picture():
    model = isthmus.Autoencoder(2, widths=(8,), max_epochs=3, validation_fraction=0.0).fit(X[:50])
    assert str(model.history_).startswith("3 epochs in")
    assert [line.get_label() for line in model.history_.plot().lines] == ["training rows"]
