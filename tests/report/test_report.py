"""The page about a map: its numbers are those of the records, and it needs nothing else."""

import base64
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris, make_s_curve

import isthmus
from isthmus.comparison import Method
from isthmus.diagnostics.dimension.choice import DimensionChoice
from isthmus.diagnostics.dimension.evidence import HeldOut
from isthmus.report import _distrust as distrust
from isthmus.report import gather, gathering, page, write

pytestmark = [
    pytest.mark.filterwarnings("ignore::isthmus.NoImprovementWarning"),
]


class Page(HTMLParser):
    """Texts of table cells, sources of pictures, and the JSON."""

    def __init__(self, text):
        super().__init__()
        self.cells, self.sources, self.json, self.inside = [], [], "", None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.inside = tag if tag in ("td", "script") else self.inside
        if tag == "td":
            self.cells.append("")
        if tag == "img":
            self.sources.append(dict(attributes)["src"])

    def handle_endtag(self, tag):
        self.inside = None if tag in ("td", "script") else self.inside

    def handle_data(self, data):
        if self.inside == "td":
            self.cells[-1] += data.strip()
        elif self.inside == "script":
            self.json += data


def choice_without_networks(X, random_state, scaling=None):
    """Two dimensions, with estimates of the rows and errors that no network was trained for."""
    methods = ("two_nn", "mle", "gride", "pca")
    estimates = {
        name: isthmus.intrinsic_dimension(X, name, scaling=scaling, random_state=random_state)
        for name in methods
    }
    errors = tuple(HeldOut(d, pca=0.6 / d, denoiser=0.4 / d**2) for d in (1, 2, 3))
    return DimensionChoice(
        *(2, 2, 3, False, (2.1, 2.6), 2, True, False, 1),
        *(estimates, errors, np.array([1.0, 0.9, 0.1]), 2, 2, "The data have two dimensions."),
    )


QUICK = Method(
    "Autoencoder", lambda d, seed: isthmus.Autoencoder(d, widths=(4,), max_epochs=3, random_state=seed)
)


@pytest.fixture(scope="module", autouse=True)
def _no_networks_choose_the_dimension():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gathering, "choose_dimension", choice_without_networks)
        yield


@pytest.fixture(scope="module")
def found():
    """An S-curve with a constant column, whose labels are halves of it and whose name is markup."""
    X, t = make_s_curve(300, random_state=0)
    frame = pd.DataFrame(np.column_stack([X, np.ones(300)]), columns=["x", "y", "z <b>", "one"])
    return gather(
        frame,
        np.where(t > 0, "right", "left"),
        model=isthmus.Autoencoder(2, widths=(16,), max_epochs=20),
        methods=["PCA", "MDS", QUICK],
        data="curve <i>",
        label_name="side",
    )


@pytest.fixture(scope="module")
def written(found, tmp_path_factory):
    output = tmp_path_factory.mktemp("page") / "report.html"
    write(found, output, command="isthmus report 'curve.csv' --label side")
    return output.read_text(encoding="utf-8")


def test_the_map_is_evaluated_on_rows_that_it_has_not_seen(found):
    assert len(found.test) == 75
    assert not set(found.train) & set(found.test)
    unseen = found.rows[found.test]
    expected = np.mean(isthmus.reconstruction_error(found.model, unseen))
    assert found.reconstruction_error == pytest.approx(expected)
    spread = np.mean(np.sum((unseen - found.rows[found.train].mean(axis=0)) ** 2, axis=1))
    assert found.variance_left_out == pytest.approx(expected / spread)
    again = isthmus.quality(unseen, found.model.transform(unseen), k=(5, 10))
    np.testing.assert_array_equal(found.quality.trustworthiness, again.trustworthiness)


def test_the_pages_numbers_are_the_records(found, written):
    parsed = Page(written)
    records = json.loads(parsed.json)
    assert records["reconstruction_error"] == found.reconstruction_error
    assert records["dimension"]["choice"] == found.dimension.dimension
    for row, record in zip(records["comparison"], found.comparison.table(), strict=True):
        assert row["method"] == record["method"]
        assert row["train_trustworthiness"] == record["train_trustworthiness"]
        assert page.number(record["train_trustworthiness"]) in parsed.cells
    for name, *_ in page.QUALITY_ROWS:
        for value in np.atleast_1d(getattr(found.quality, name)):
            assert page.number(value) in parsed.cells
    for estimate in found.dimension.estimates.values():
        assert page.number(estimate.estimate) in parsed.cells


def test_the_page_says_of_training_what_is_true_of_its_map(found, written, birds, tmp_path):
    assert "choose the epoch; epoch 0 is PCA itself" in written
    assert "loss / PCA&#39;s, rows that chose the epoch" in written
    model = isthmus.NeighbourAutoencoder(2, max_epochs=10)
    of_neighbours = of_birds(birds, model=model)
    write(of_neighbours, tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert of_neighbours.model.best_epoch_ == 10
    assert "The last epoch is kept; held-out rows choose the decoder&#39;s smoothness." in text
    assert "rows that chose the decoder&#39;s smoothness" in text
    placed = of_neighbours.model.held_out_
    kept, by_means = page.number(placed.kept), page.number(placed.kept_by_means)
    assert f"{kept}; at the mean of the true neighbours {by_means}" in text
    for untrue in ("chose the epoch", "choose the epoch", "PCA itself"):
        assert untrue not in text


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (
            isthmus.Autoencoder(2, widths=(4,), max_epochs=2),
            "Held-out rows choose the epoch; epoch 0 is PCA",
        ),
        (isthmus.Autoencoder(2, widths=(4,), max_epochs=2, skip=None), "epoch 0 has random weights."),
        (
            isthmus.Autoencoder(2, widths=(4,), max_epochs=2, validation_fraction=0),
            "No rows were held out, and the last epoch is kept",
        ),
        (
            isthmus.VariationalAutoencoder(2, widths=(4,), max_epochs=2),
            "epoch 0 is probabilistic PCA itself",
        ),
        (isthmus.LinearAutoencoder(2, solver="adam", max_epochs=500), "the last epoch is kept"),
        (
            isthmus.NeighbourAutoencoder(2, max_epochs=2, validation_fraction=0),
            "every tenth of the training rows chooses the decoder's smoothness",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore::isthmus.CollapseWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_each_map_says_what_its_history_shows(birds, model, says):
    fitted = clone(model).set_params(scaling="standard", random_state=0).fit(birds)
    assert says in fitted.training_in_words
    is_judged = not np.isnan(fitted.history_["validation_loss"]).all()
    assert ("choose the epoch" in fitted.training_in_words) == is_judged
    if not is_judged:
        assert fitted.history_.best_epoch == fitted.history_["epoch"][-1]


def test_what_is_hidden_of_the_labels_is_a_part_also_where_it_is_nothing(found, written):
    assert "What is hidden of side" in written
    of_side = found.hidden.verdict.replace("the target", "side")
    assert f"<p>{of_side} This is of 75 unseen rows.</p>" in written.replace("&#39;", "'")
    assert (of_side in distrust.reasons(found)) == found.hidden.is_found
    assert json.loads(Page(written).json)["hidden"] == {
        name: pytest.approx(value) for name, value in found.hidden.table()[0].items()
    }
    assert replace(found, hidden=None).hidden_in_words == ""


def test_the_page_needs_nothing_else(written):
    parsed = Page(written)
    assert len(parsed.sources) == 10
    assert all(source.startswith("data:image/") for source in parsed.sources)
    assert not re.search(r'(src|href)="(?!data:)', written)
    assert "@import" not in written
    for source in parsed.sources:
        kind, content = source.split(";base64,")
        start = b"\x89PNG" if kind.endswith("png") else b"<?xml"
        assert base64.b64decode(content).startswith(start)


def test_names_are_text_and_methods_without_a_function_say_so(written):
    assert "curve &lt;i&gt;" in written
    assert "curve <i>" not in written.split('<script type="application/json"')[0]
    assert "no function" in Page(written).cells
    assert "isthmus report &#39;curve.csv&#39; --label side" in written
    assert f"isthmus {isthmus.__version__}" in written


def test_what_speaks_against_a_map_is_said(found):
    text = " ".join(distrust.reasons(found))
    n_flagged = int(found.reliability.flagged.sum())
    assert (f"{n_flagged} of 225 rows are marked" in text) == (n_flagged > 0)
    area = np.quantile(found.distortion.area, [0.05, 0.95])
    assert ("A square of the picture" in text) == (area[1] > 4 * area[0])
    trust = found.quality.trustworthiness[0]
    assert ("Trustworthiness on unseen rows" in text) == (trust < 0.9)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.12345, "0.123"),
        (0.0, "0"),
        (0.4, "0.400"),
        (123.4, "123"),
        (999.7, "1,000"),
        (12345.6, "12,346"),
        (1e-5, "1.00e-05"),
    ],
)
def test_numbers_have_three_digits(value, text):
    assert page.number(value) == text
    assert (page.number(np.nan), page.number(np.inf)) == ("–", "∞")


def test_nothing_is_written_of_a_page_that_fails(found, tmp_path):
    with pytest.raises(ValueError, match=r"image_shape=\(3, 3\) has 9 pixels, and rows have 4 columns"):
        write(found, tmp_path / "report.html", image_shape=(3, 3))
    with pytest.raises(OSError, match="No such file or directory"):
        write(found, tmp_path / "nowhere" / "report.html")
    assert list(tmp_path.iterdir()) == []


def test_without_jinja_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(page, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'isthmus\[report\]'"):
        page.check_template()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"X": np.zeros((119, 3))}, "X has 119 rows: expected 120 at least"),
        ({"y": np.zeros(3)}, r"y has shape \(3,\) for 300 rows"),
        ({"model": isthmus.LinearAutoencoder(1)}, "the map has one coordinate"),
        ({"X": np.full((300, 3), np.nan)}, "NaN"),
        # Names are checked before the rows are so much as looked at.
        ({"X": np.full((300, 3), np.nan), "methods": ["pca", "tsna"]}, "'tsna' is not known; use PCA"),
        ({"X": np.full((300, 3), np.nan), "methods": ["pca", "PCA"]}, "methods has PCA twice"),
    ],
)
def test_what_cannot_be_reported(given, message):
    rows = np.random.default_rng(0).standard_normal((300, 3))
    with pytest.raises(ValueError, match=message):
        gather(**{"X": rows, "methods": ["PCA"]} | given)


@pytest.fixture(scope="module")
def birds():
    """Millimetres beside grams, which hold nearly all of the variance."""
    rng = np.random.default_rng(0)
    kind, size = rng.integers(0, 2, 240), rng.standard_normal(240)
    return pd.DataFrame(
        {
            "bill_mm": 40 + 8 * kind + 2 * size + rng.standard_normal(240),
            "depth_mm": 18 - 3 * kind + size + 0.5 * rng.standard_normal(240),
            "mass_g": 3700 + 1200 * kind + 300 * size + 200 * rng.standard_normal(240),
        }
    )


def of_birds(birds, **options):
    return gather(birds, **{"model": isthmus.LinearAutoencoder(2), "methods": ("PCA",)} | options)


def test_columns_of_different_units_are_standardised_and_the_page_says_so(birds, tmp_path):
    found = of_birds(birds)
    assert "mass_g" in found.units
    np.testing.assert_allclose(found.rows[found.train].std(axis=0, ddof=1), 1.0)
    np.testing.assert_allclose(found.in_raw_units(found.rows), birds)
    # One unit of a coordinate of standardised columns, in grams and millimetres.
    per_unit = found.model.components_ * birds.iloc[found.train].std().to_numpy()
    np.testing.assert_allclose(found.loadings.mean, per_unit, rtol=1e-4)
    spread = found.coordinates.std(axis=0)
    assert spread[1] > 0.2 * spread[0]
    assert not any("line" in reason for reason in distrust.reasons(found))
    write(found, tmp_path / "page.html")
    assert "so each is standardised" in (tmp_path / "page.html").read_text(encoding="utf-8")


@pytest.mark.filterwarnings("ignore::isthmus.UnequalScalesWarning")
def test_the_page_never_shows_a_line_without_saying_why(birds):
    found = of_birds(birds, scaling=None)
    assert found.units == ""
    (reason,) = [reason for reason in distrust.reasons(found) if "is a line" in reason]
    assert "mostly mass_g" in reason
    assert "--scaling standard" in reason


def test_a_scaling_of_the_map_is_that_of_everything_on_the_page(birds):
    model = isthmus.LinearAutoencoder(2, scaling="robust")
    found = of_birds(birds, model=model)
    assert "scaling='robust'" in found.units
    whole = isthmus.LinearAutoencoder(2, scaling="robust").fit(birds.iloc[found.train])
    of_map = isthmus.quality(birds.iloc[found.test], found.coordinates[found.test], k=10, model=whole)
    assert found.quality.spearman == pytest.approx(of_map.spearman, abs=1e-6)
    assert found.quality.trustworthiness[1] == pytest.approx(of_map.trustworthiness, abs=1e-6)
    assert model.get_params()["scaling"] == "robust"


@pytest.mark.filterwarnings("ignore::isthmus.diagnostics.dimension.intrinsic.TiedDistancesWarning")
def test_rows_of_a_likelihood_of_counts_stay_as_they_are():
    rng = np.random.default_rng(0)
    counts = pd.DataFrame(rng.poisson([2.0, 3.0, 4000.0], (150, 3)), columns=["few", "some", "many"])
    model = isthmus.VariationalAutoencoder(
        2,
        likelihood=isthmus.likelihoods.Poisson(),
        widths=(8,),
        max_epochs=2,
        validation_fraction=0,
    )
    found = gather(counts, model=model, methods=("PCA",))
    assert found.units == ""
    np.testing.assert_array_equal(found.rows, counts)


def test_the_columns_that_tell_classes_apart_are_named(birds):
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 2, len(birds))
    table = birds.assign(apart=3.0 * kind + 0.1 * rng.standard_normal(len(birds)))
    found = gather(table, kind, model=isthmus.LinearAutoencoder(2), methods=("PCA",))
    name, share = next(iter(found.told_apart.items()))
    assert name == "apart"
    values = table["apart"].to_numpy()
    between = np.mean([(values[kind == one].mean() - values.mean()) ** 2 for one in kind])
    assert share == pytest.approx(between / values.var(), rel=1e-9)


def test_a_category_that_makes_the_picture_is_told():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"x": 0.1 * rng.standard_normal(150), "y": 0.1 * rng.standard_normal(150)})
    table["sex"] = rng.choice(["f", "m"], 150)
    found = gather(
        table, categorical=["sex"], scaling=None, model=isthmus.LinearAutoencoder(2), methods=("PCA",)
    )
    assert found.of_categories["sex"].variance > 0.9
    assert any("The picture is mostly sex" in reason for reason in distrust.reasons(found))
    assert found.parameters["categorical"] == ["sex"]
    assert found.parameters["periodic"] is None


def test_a_category_that_divides_the_picture_is_told_whatever_else_has_the_variance():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"x": 9 * rng.standard_normal(150), "y": 0.1 * rng.standard_normal(150)})
    table["sex"] = rng.choice(["f", "m"], 150)
    options = {"scaling": None, "model": isthmus.LinearAutoencoder(2), "methods": ("PCA",)}
    found = gather(table, categorical=["sex"], **options)
    share = found.of_categories["sex"]
    assert share.variance < 0.1
    assert share.neighbours > 0.95  # but for rows far out
    same = table["sex"].to_numpy()[:, None] == table["sex"].to_numpy()
    assert share.by_chance == pytest.approx((same.sum() - 150) / (150 * 149))
    assert any("The picture is divided by sex" in reason for reason in distrust.reasons(found))
    shuffled = table.assign(sex=rng.permutation(table["sex"]), y=30 * rng.standard_normal(150))
    unrelated = gather(shuffled, categorical=["sex"], **options)
    assert not any("sex" in reason for reason in distrust.reasons(unrelated))


def test_of_few_rows_as_many_are_held_out_as_reliability_needs_and_compared_on():
    found = gather(load_iris().data, methods=("PCA",), model=isthmus.LinearAutoencoder(2))
    assert len(found.test) == 40
    (pca,) = found.comparison.table()
    assert pca["n_fitted"] == 110
    # The map of the page is PCA, and so is the method: of the same rows they have the same error.
    assert pca["reconstruction_error"] == pytest.approx(found.reconstruction_error, rel=1e-9)


def test_names_neither_end_nor_comment_out_the_records(found, tmp_path):
    names = ("<!--<script>", "</script>", "z", "one")
    marked = replace(found, feature_names=names, data="<!--<script>")
    write(marked, tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    inside = text.split('id="records">')[1].split("</script>")[0]
    assert "<" not in inside
    assert json.loads(inside)["data"] == "<!--<script>"


def test_a_file_whose_name_is_no_text(found, tmp_path):
    write(found, tmp_path / "report.html", command="isthmus report f\udcfc.csv")
    assert "isthmus report f?.csv" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_labels_that_no_two_rows_share_have_nothing_hidden():
    X, _ = make_s_curve(120, random_state=0)
    names = [f"row {k}" for k in range(120)]
    assert gather(X, names, model=isthmus.LinearAutoencoder(2), methods="PCA").hidden is None
