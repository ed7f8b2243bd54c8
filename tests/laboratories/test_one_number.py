"""The one-number paradox: the code is exact, a double is not, and a line is worth its neighbours."""

from dataclasses import replace
from math import ceil, log2

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits

import isthmus
from isthmus.data.neighbours import share_in_common
from isthmus.experiments import (
    ANIMALS,
    BitPlanes,
    Columns,
    Hilbert,
    ImageCoder,
    Morton,
    RandomBits,
    RandomPixels,
    Raster,
    Scrambled,
    animals,
    one_number,
)
from isthmus.laboratories.one_number._neighbours import nearest_images, nearest_on_line
from isthmus.laboratories.one_number.picture import draw_doubled, draw_overlaps
from isthmus.laboratories.one_number.run import (
    ARBITRARY,
    DENOISING,
    RANDOM_BITS,
    RASTER,
    OneNumberReport,
)

DIGITS = load_digits().images
OF_PIXELS = [Raster(), Columns(), Hilbert(), Morton(), RandomPixels(3)]
OF_BITS = [BitPlanes(), RandomBits(3)]


@pytest.fixture(scope="module")
def found():
    """Codes of all digits, and one node of a denoiser trained on them."""
    denoiser = isthmus.DenoisingAutoencoder(1, widths=(128, 64), max_epochs=80)
    return one_number(DIGITS, levels=17, data="digits", n_draws=8, models={DENOISING: denoiser})


def test_random_and_real_images_come_back_exactly():
    coder = ImageCoder((64, 64), levels=16)
    images = np.random.default_rng(0).integers(0, 16, (500, 64, 64))
    np.testing.assert_array_equal(coder.decode(coder.encode(images)), images)
    drawn = animals(60).images
    np.testing.assert_array_equal(coder.decode(coder.encode(drawn)), drawn)
    coder = ImageCoder((8, 8), levels=17)
    np.testing.assert_array_equal(coder.decode(coder.encode(DIGITS)), DIGITS)


@pytest.mark.parametrize("order", OF_PIXELS + OF_BITS)
def test_every_order_gives_images_back(order):
    for images, levels in ((animals(6).images, 16), (DIGITS[:50], 17), (DIGITS[:50, :5] // 4, 5)):
        coder = ImageCoder(images.shape[1:], levels, order)
        for code in (coder, Scrambled(coder, seed=1)):
            np.testing.assert_array_equal(code.decode(code.encode(images)), images)


@given(st.data(), st.lists(st.integers(1, 5), min_size=1, max_size=3), st.integers(2, 300))
@settings(max_examples=50, deadline=None)
def test_any_shape_and_number_of_levels(data, shape, levels):
    order = data.draw(st.sampled_from([Raster(), Columns(), Morton(), *OF_BITS]))
    images = np.random.default_rng(0).integers(0, levels, (4, *shape))
    coder = ImageCoder(tuple(shape), levels, order)
    codes = coder.encode(images)
    np.testing.assert_array_equal(coder.decode(codes), images)
    assert max(codes).bit_length() <= coder.n_bits


@pytest.mark.parametrize("order", OF_PIXELS)
def test_codes_and_images_are_one_to_one(order):
    # All 3⁴ images of 2×2 pixels: each integer below 81 is the code of one.
    coder = ImageCoder((2, 2), 3, order)
    images = coder.decode(range(81))
    assert len(np.unique(images.reshape(81, 4), axis=0)) == 81
    assert coder.encode(images) == list(range(81))
    assert sorted(Scrambled(coder).encode(images)) == list(range(81))


@pytest.mark.parametrize(
    ("shape", "levels", "n_bits"),
    [((64, 64), 16, 2**14), ((8, 8), 17, 262), ((3,), 2, 3), ((1, 1), 10, 4)],
)
def test_an_image_takes_as_many_bits_as_its_pixels_have(shape, levels, n_bits):
    assert ImageCoder(shape, levels).n_bits == n_bits == ceil(np.prod(shape) * log2(levels))


def test_the_code_is_the_number_whose_digits_are_the_pixels():
    images = animals(3).images
    expected = [int("".join(f"{pixel:x}" for pixel in image.ravel()), 16) for image in images]
    assert ImageCoder((64, 64)).encode(images) == expected
    assert ImageCoder((64, 64), order=Columns()).encode(images.transpose(0, 2, 1)) == expected


def test_bit_planes_begin_with_the_highest_bit_of_every_pixel():
    image = np.array([[[8, 1], [9, 4]]])
    assert ImageCoder((2, 2), 16, BitPlanes()).encode(image) == [0b1010_0001_0000_0110]


@pytest.mark.parametrize("side", [1, 2, 8, 64])
def test_each_pixel_of_hilberts_curve_is_next_to_the_one_before(side):
    places = Hilbert().places((side, side), 4)
    steps = np.abs(np.diff(np.stack(np.divmod(places, side)), axis=1)).sum(axis=0)
    assert sorted(places) == list(range(side**2))
    assert np.all(steps == 1)


def test_mortons_curve_goes_through_one_quarter_after_the_other():
    assert Morton().places((4, 4), 4).tolist() == [0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15]


def test_a_double_holds_what_fits_53_bits_and_no_more():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 16, (300, 13))
    assert np.all(ImageCoder((13,), 16).kept_by_double(images) == 13)
    # 53 bits are 13 pixels; zero bits at the front take no room, and every other image has one.
    images = rng.integers(0, 16, (300, 64, 64))
    kept = ImageCoder((64, 64), 16).kept_by_double(images)
    assert np.median(kept) == 13
    assert kept.max() < 20


def test_a_picture_that_begins_with_much_blank_paper_is_lost_altogether():
    coder = ImageCoder((64, 64), 16)
    image = np.zeros((1, 64, 64), int)
    image[0, 10, 0] = 15
    # The code is 15 · 16^(−641) of the largest, far below the least double.
    assert coder.through_double(coder.encode(image)) == [0]
    assert coder.kept_by_double(image) == [640]


@pytest.mark.parametrize("order", OF_PIXELS + OF_BITS)
def test_digits_that_a_double_keeps_are_pixels_or_bits_of_the_order(order):
    kept = ImageCoder((8, 8), 17, order).kept_by_double(DIGITS)
    # 53 bits hold 12 pixels of 17 levels, or one less where rounding is carried into the last.
    assert np.quantile(kept, 0.1) >= (53 if order.of_bits else 11) - 1


def test_the_nearest_on_a_line_are_found_exactly_where_doubles_see_no_difference():
    rng = np.random.default_rng(0)
    values = [10**400 + int(step) for step in rng.permutation(1000)[:60]]
    found = nearest_on_line(values, 5)
    for index, value in enumerate(values):
        others = sorted(abs(value - other) for place, other in enumerate(values) if place != index)
        assert sorted(abs(value - values[near]) for near in found[index]) == others[:5]
        assert index not in found[index]
        assert len(set(found[index])) == 5


def test_equal_numbers_are_neighbours():
    assert nearest_on_line([3, 3, 7, 3], 2).tolist() == [[1, 3], [0, 3], [3, 1], [1, 0]]


def test_what_lines_share_by_chance():
    # Of n − 1 others k are named twice independently: k/(n − 1) of k on average.
    rng = np.random.default_rng(0)
    n, k = 60, 6
    values = [
        share_in_common(*(nearest_on_line(rng.permutation(n).tolist(), k) for _ in range(2))).mean()
        for _ in range(200)
    ]
    assert np.mean(values) == pytest.approx(k / (n - 1), abs=3 * np.std(values) / np.sqrt(200))


def test_every_line_keeps_itself_and_every_image_its_distance():
    line = nearest_on_line(DIGITS.mean(axis=(1, 2)).tolist(), 4)
    assert np.all(share_in_common(line, line) == 1)
    rows = DIGITS.reshape(-1, 64)
    distances = np.linalg.norm(rows[:1] - rows[1:], axis=1)
    found = np.linalg.norm(rows[:1] - rows[nearest_images(rows, 10)[0]], axis=1)
    np.testing.assert_allclose(found, np.sort(distances)[:10])


def test_an_arbitrary_code_of_digits_keeps_as_many_neighbours_as_chance(found):
    mean = found.means[ARBITRARY]
    assert found.chance == 10 / 1796
    assert mean.overlap == pytest.approx(found.chance, abs=3 * mean.standard_error)
    assert mean.standard_error < 0.1 * found.chance


def test_a_random_order_of_bits_is_no_arbitrary_code_of_digits(found):
    # Codes are close if their first ten bits or so agree, and bits that agree are images that are alike.
    mean = found.means[RANDOM_BITS]
    assert mean.overlap > found.chance + 5 * mean.standard_error


def test_a_random_order_of_bits_of_noise_keeps_as_many_neighbours_as_chance():
    noise = np.random.default_rng(0).integers(0, 16, (300, 32, 32))
    found = one_number(noise, models={}, n_draws=6)
    for line, mean in found.means.items():
        assert mean.overlap == pytest.approx(found.chance, abs=4 * mean.standard_error), line


def test_one_node_of_a_denoiser_keeps_twice_the_neighbours_of_the_raster_code(found):
    assert found.n_exact == len(DIGITS)
    assert 0.03 < found.means[RASTER].overlap < 0.045
    assert found.gain() >= 2


def test_the_records_say_whose_they_are(found):
    report = OneNumberReport((found,))
    assert len(report.records) == 5 + 3 * 8 + 1
    assert {record.n_images for record in report.records} == {1797}
    code, of_map = report.verdict.splitlines()
    assert "one integer of 262 bits" in code
    assert "1,797 of 1,797 came back exactly" in code
    assert f"at best {found.gain():.1f} times the raster code" in of_map


def test_a_raster_code_may_keep_no_neighbour_at_all():
    # Codes 0, 9, 16 and 25: next to none of them is the image that differs by one level.
    images = np.array([[[0, 0]], [[0, 9]], [[1, 0]], [[1, 9]]])
    found = one_number(images, k=1, models={"sum": isthmus.LinearAutoencoder(1)}, n_draws=1)
    assert found.means[RASTER].overlap == 0
    assert found.gain("sum") == np.inf
    assert found.gain(RASTER) == 1
    assert "times the raster code" not in found.verdict


@pytest.mark.parametrize("levels", [4, 16])
def test_animals_stand_inside_the_picture_on_the_same_ground(levels):
    images, species = animals(60, levels=levels)
    assert images.min() == 0
    assert images.max() == levels - 1
    assert set(species) == {"cat", "donkey", "giraffe"}
    lowest = 63 - np.argmax(images[:, ::-1].any(axis=2), axis=1)
    assert np.ptp(lowest) <= 6
    for edge in (images[:, 0], images[:, :, 0], images[:, :, -1]):
        assert not edge.any()


def test_animals_are_the_same_at_any_resolution():
    small, large = animals(9, levels=256).images, animals(9, side=128, levels=256).images
    averaged = large.reshape(9, 64, 2, 64, 2).mean(axis=(2, 4))
    # Edges are soft by one pixel, which is twice as wide in the smaller image.
    assert np.mean(np.abs(averaged - small)) < 0.01 * 255


def test_an_animal_without_a_tail_is_the_limit_of_shorter_and_shorter_tails():
    shortest, without = (
        animals(3, species=[replace(ANIMALS[0], tail=tail)]).images for tail in (1e-12, 0.0)
    )
    np.testing.assert_array_equal(without, shortest)


def test_species_look_different_and_individuals_too():
    images, species = animals(90)
    nearest = nearest_images(images.reshape(90, -1).astype(float), 1)[:, 0]
    assert np.mean(species[nearest] == species) > 0.95
    assert len(np.unique(images.reshape(90, -1), axis=0)) == 90
    tops = np.argmax(images.any(axis=2), axis=1)
    assert tops[species == "giraffe"].mean() < tops[species == "donkey"].mean()
    assert tops[species == "donkey"].mean() < tops[species == "cat"].mean()


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((2, 3, 3)), r"images of shape \(2, 3, 3\) came; expected \(n, 2, 2\) or \(n, 4\)"),
        (
            np.full((1, 2, 2), 16),
            "pixels run from 16 to 16; expected integers from 0 to levels − 1 = 15",
        ),
        (np.full((1, 2, 2), 0.5), "expected integers"),
        (np.full((1, 2, 2), np.nan), "expected integers"),
    ],
)
def test_what_is_no_image_of_the_coder(images, message):
    with pytest.raises(ValueError, match=message):
        ImageCoder((2, 2)).encode(images)


def test_what_is_no_code_of_an_image():
    with pytest.raises(ValueError, match=r"expected integers from 0 up to 16\^4 − 1, of 16 bits"):
        ImageCoder((2, 2)).decode([2**16])
    with pytest.raises(ValueError, match="a code holds a pixel of level 3; levels=3"):
        ImageCoder((1,), 3, BitPlanes()).decode([3])
    with pytest.raises(ValueError, match="expected images with two axes"):
        ImageCoder((4,), order=Hilbert()).encode([[1, 2, 3, 4]])
    with pytest.raises(ValueError, match="levels=1: expected an integer of at least 2"):
        ImageCoder((2, 2), 1)


def test_too_few_images():
    with pytest.raises(ValueError, match=r"images of shape \(10, 8, 8\) came; expected more than k=10"):
        one_number(DIGITS[:10], levels=17)


def test_bars_are_as_long_as_the_records_say(ax, found):
    draw_overlaps(ax, found)
    lengths = sorted(bar.get_width() for bar in ax.patches)
    np.testing.assert_allclose(lengths, sorted(100 * mean.overlap for mean in found.means.values()))


def test_images_stand_next_to_what_a_double_leaves_of_them(ax, found):
    draw_doubled(ax, found)
    for before, after in zip(ax.images[::2], ax.images[1::2], strict=True):
        (index,) = np.flatnonzero((found.images == before.get_array()).all(axis=(1, 2)))
        np.testing.assert_array_equal(after.get_array(), found.doubled[index])
        assert after.get_extent()[0] > before.get_extent()[1]
