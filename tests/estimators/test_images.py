"""Images (n, height, width) are rows: taken by every map, and given back in their shape."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits

import isthmus
from isthmus import plots

IMAGES = load_digits().images[:200]
FLAT = IMAGES.reshape(200, 64)
QUICK = {"widths": (8,), "max_epochs": 2, "validation_fraction": 0, "random_state": 0}
MAPS = {
    "linear": isthmus.LinearAutoencoder(2),
    "autoencoder": isthmus.Autoencoder(2, **QUICK),
    "denoising": isthmus.DenoisingAutoencoder(2, **QUICK),
    "neighbour": isthmus.NeighbourAutoencoder(2, max_epochs=5, random_state=0),
    "variational": isthmus.VariationalAutoencoder(2, **QUICK),
    "ensemble": isthmus.Ensemble(isthmus.Autoencoder(2, **QUICK), 2, random_state=0),
}
pytestmark = pytest.mark.filterwarnings(
    "ignore::isthmus.NoImprovementWarning",
    "ignore::isthmus.CollapseWarning",
    "ignore::isthmus.UnequalScalesWarning",
)


@pytest.mark.parametrize("name", MAPS)
def test_a_map_of_images_is_the_map_of_their_flat_rows(name):
    of_images, of_rows = clone(MAPS[name]).fit(IMAGES), clone(MAPS[name]).fit(FLAT)
    Z = of_images.transform(IMAGES)
    np.testing.assert_array_equal(Z, of_rows.transform(FLAT))
    np.testing.assert_array_equal(Z, of_images.transform(FLAT))
    decoded = of_images.inverse_transform(Z)
    assert decoded.shape == IMAGES.shape
    np.testing.assert_array_equal(decoded.reshape(200, 64), of_rows.inverse_transform(Z))
    errors = [isthmus.reconstruction_error(m, X) for m, X in ((of_images, IMAGES), (of_rows, FLAT))]
    np.testing.assert_array_equal(*errors)


def test_channels_are_part_of_the_shape():
    colour = np.stack([IMAGES, 16 - IMAGES, IMAGES / 2], axis=-1)
    model = isthmus.LinearAutoencoder(3).fit(colour)
    assert model.n_features_in_ == 8 * 8 * 3
    assert model.inverse_transform(model.transform(colour)).shape == colour.shape


def test_lists_of_images_are_images():
    model = isthmus.LinearAutoencoder(2).fit(IMAGES[:30].tolist())
    assert model.inverse_transform([[0.0, 0.0]]).shape == (1, 8, 8)


def test_a_fit_on_rows_forgets_the_shape_of_images():
    model = isthmus.LinearAutoencoder(2).fit(IMAGES).fit(FLAT)
    assert model.inverse_transform(np.zeros((1, 2))).shape == (1, 64)
    trained = isthmus.Autoencoder(2, **QUICK).fit(IMAGES).fit(FLAT)
    assert trained.inverse_transform(np.zeros((1, 2))).shape == (1, 64)


def test_images_of_another_shape_are_refused():
    model = isthmus.LinearAutoencoder(2).fit(IMAGES)
    with pytest.raises(ValueError, match=r"images of shape \(4, 16\), and fit saw \(8, 8\)"):
        model.transform(FLAT.reshape(200, 4, 16))
    with pytest.raises(ValueError, match="flatten each row"):
        model.fit(np.zeros((3, 2, 2, 2, 2)))


def test_the_shape_is_in_the_file(tmp_path):
    model = isthmus.Autoencoder(2, **QUICK).fit(IMAGES)
    isthmus.save(model, tmp_path / "map.isthmus")
    loaded = isthmus.load(tmp_path / "map.isthmus")
    Z = model.transform(IMAGES)
    np.testing.assert_array_equal(loaded.inverse_transform(Z), model.inverse_transform(Z))
    assert loaded.inverse_transform(Z).shape == IMAGES.shape


def test_what_decodes_gives_images_too():
    model = clone(MAPS["variational"]).fit(IMAGES)
    assert isthmus.sample(model, 3, random_state=0).shape == (3, 8, 8)
    holes = IMAGES.copy()
    holes[:5, :4] = np.nan
    filled = isthmus.impute(model, holes, random_state=0)
    assert filled.rows.shape == filled.std.shape == IMAGES.shape
    np.testing.assert_array_equal(filled.rows[5:], IMAGES[5:])
    assert (filled.std[:5, :4] > 0).all()
    denoising = clone(MAPS["denoising"]).fit(IMAGES)
    assert isthmus.denoise(denoising, IMAGES).shape == IMAGES.shape
    assert isthmus.score_function(denoising, IMAGES).shape == FLAT.shape


def test_predictors_take_images():
    y = load_digits().target[:200]
    model = isthmus.FeedForwardClassifier(widths=(8,), max_epochs=2, random_state=0)
    of_images = clone(model).fit(IMAGES, y).predict_proba(IMAGES)
    np.testing.assert_array_equal(of_images, clone(model).fit(FLAT, y).predict_proba(FLAT))


def test_pictures_know_the_shape():
    import matplotlib.pyplot as plt

    model = isthmus.LinearAutoencoder(2).fit(IMAGES)
    figure, ax = plt.subplots()
    plots.decoded_grid(ax, model, model.transform(IMAGES), n_across=5)
    assert ax.images[0].get_array().shape == (8, 8)
    plt.close(figure)


def test_pruned_and_distilled_maps_keep_the_shape():
    model = isthmus.Autoencoder(2, **QUICK).fit(IMAGES)
    student = isthmus.distill(model, IMAGES, widths=(4,), max_epochs=2, random_state=0)
    assert student.inverse_transform(student.transform(IMAGES)).shape == IMAGES.shape
