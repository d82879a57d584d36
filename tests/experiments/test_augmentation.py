"""Augmentation against plain loops and the laws it promises."""

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from experiments.data import augmentation
from keras_mixup import keys

KEY = keys.make_key(3, step=5)
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (24, 12, 10, 3)).astype("uint8")
BIG = RNG.integers(0, 256, (4, 60, 80, 3)).astype("uint8")
STREAMS = {"SHIFT": 1000, "FLIP": 1001, "AREA": 1002, "ASPECT": 1003, "PLACE": 1004}


def boxes(count, height, width, seed=0, **limits):
    key = keys.make_key(seed)
    found = augmentation.random_boxes(key, count, height, width, **limits).numpy()
    assert found.dtype == np.int32
    return found.T.astype(float)


def test_streams_are_distinct_and_not_those_of_mixup():
    assert {stream.name: stream.value for stream in augmentation.Stream} == STREAMS
    assert min(STREAMS.values()) > max(keys.Stream) + 100


@pytest.mark.parametrize("padding", [0, 1, 4])
def test_pad_and_crop_is_the_plain_loop(padding):
    offsets = keys.random_bits(KEY, STREAMS["SHIFT"], [24, 2]).numpy()
    expected = np.empty_like(IMAGES)
    for i, image in enumerate(IMAGES):
        padded = np.pad(image, [(padding, padding)] * 2 + [(0, 0)])
        top, left = offsets[i] % (2 * padding + 1)
        expected[i] = padded[top : top + 12, left : left + 10]
    found = augmentation.pad_and_crop(IMAGES, KEY, padding)
    assert found.dtype == tf.uint8
    np.testing.assert_array_equal(found, expected)


def test_all_81_shifts_are_equally_frequent_and_independent_of_the_flip():
    count = 16_200
    top, left = augmentation.shifts(KEY, count, 4).numpy().T
    assert (top.min(), top.max(), left.min(), left.max()) == (0, 8, 0, 8)
    table = np.bincount(top * 9 + left, minlength=81)
    assert scipy.stats.chisquare(table).pvalue > 1e-3
    flipped = augmentation.flip(
        np.tile(np.uint8([[[[0], [1]]]]), (count, 1, 1, 1)), KEY
    )
    table = np.zeros((2, 9))
    np.add.at(table, (flipped.numpy()[:, 0, 0, 0], left), 1)
    assert scipy.stats.chi2_contingency(table).pvalue > 1e-3


def test_half_of_the_images_are_mirrored_and_the_others_are_not():
    images = np.resize(IMAGES, (2000, 12, 10, 3))
    found = augmentation.flip(images, KEY).numpy()
    mirrored = np.all(found == images[:, :, ::-1], axis=(1, 2, 3))
    same = np.all(found == images, axis=(1, 2, 3))
    assert np.all(mirrored ^ same)
    assert scipy.stats.binomtest(int(mirrored.sum()), 2000).pvalue > 1e-3


def test_boxes_have_uniform_areas_and_log_uniform_aspects():
    side = 100_000  # So large that rounding to pixels does not show.
    top, left, height, width = boxes(4000, side, side, area=(0.08, 0.3))
    share, ratio = height * width / side**2, width / height
    place = top / (side - height)
    laws = [
        (share, scipy.stats.uniform(0.08, 0.22)),
        (ratio, scipy.stats.loguniform(3 / 4, 4 / 3)),
        (place, scipy.stats.uniform()),
        (left / (side - width), scipy.stats.uniform()),
    ]
    for sample, law in laws:
        assert scipy.stats.kstest(sample, law.cdf).pvalue > 1e-3
    for one, two in [(share, ratio), (share, place), (ratio, place)]:
        assert scipy.stats.spearmanr(one, two).pvalue > 1e-3


def plain_box(height, width, rng, area=(0.08, 1.0), aspect=(3 / 4, 4 / 3)):
    """What torchvision documents, one try after the other."""
    for _ in range(10):
        share = rng.uniform(*area) * height * width
        ratio = np.exp(rng.uniform(*np.log(aspect)))
        w, h = round(np.sqrt(share * ratio)), round(np.sqrt(share / ratio))
        if 0 < w <= width and 0 < h <= height:
            return rng.integers(height - h + 1), rng.integers(width - w + 1), h, w
    w = min(width, round(height * aspect[1]))
    h = min(height, round(width / aspect[0]))
    return (height - h) // 2, (width - w) // 2, h, w


@pytest.mark.parametrize(
    ("height", "width"), [(300, 400), (150, 400), (200, 90), (8, 6)]
)
def test_boxes_follow_the_law_of_the_plain_loop(height, width):
    rng = np.random.default_rng(1)
    expected = np.transpose([plain_box(height, width, rng) for _ in range(3000)])
    found = boxes(3000, height, width)
    for one, two in zip(found, expected, strict=True):
        assert scipy.stats.ks_2samp(one, two).pvalue > 1e-3
    areas = [sides[2] * sides[3] for sides in (found, expected)]
    assert scipy.stats.ks_2samp(*areas).pvalue > 1e-3


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [
        (10, 1000, [0, 493, 10, 13]),
        (1000, 10, [493, 0, 13, 10]),
        (1, 1, [0, 0, 1, 1]),
    ],
)
def test_the_fallback_is_central_with_the_nearest_aspect(height, width, expected):
    found = boxes(50, height, width, area=(0.9, 1.0))
    assert np.all(expected == found.T)


@pytest.mark.parametrize(("height", "width"), [(1, 7), (2, 3), (17, 500), (224, 224)])
def test_boxes_lie_inside_the_image_and_reach_its_border(height, width):
    top, left, tall, wide = boxes(3000, height, width)
    assert min(top.min(), left.min()) == 0
    assert min(tall.min(), wide.min()) >= 1
    assert (top + tall).max() <= height
    assert (left + wide).max() <= width
    if height > 100:
        assert (top + tall).max() == height


@pytest.mark.parametrize("size", [5, 40])
def test_crops_of_a_ramp_are_what_bilinear_means(size):
    y, x = np.mgrid[:60, :80].astype("float32")
    ramp = np.stack([y, x, 2 * y + x / 2], -1)
    batch = np.stack([ramp] * 6)
    found = augmentation.random_resized_crop(batch, KEY, size).numpy()
    places = augmentation.random_boxes(KEY, 6, 60, 80).numpy()
    assert found.shape == (6, size, size, 3)
    assert len({tuple(place) for place in places}) == 6
    for image, (top, left, height, width) in zip(found, places, strict=True):
        rows = np.linspace(top, top + height - 1, size)[:, None] * np.ones(size)
        columns = np.linspace(left, left + width - 1, size) * np.ones((size, 1))
        expected = np.stack([rows, columns, 2 * rows + columns / 2], -1)
        np.testing.assert_allclose(image, expected, atol=1e-3)


def test_uint8_images_stay_uint8_and_are_rounded():
    whole = {"area": (1.0, 1.0), "aspect": (4 / 3, 4 / 3)}
    found = augmentation.random_resized_crop(BIG, KEY, 60, **whole)
    exact = augmentation.random_resized_crop(BIG.astype("float32"), KEY, 60, **whole)
    assert (found.dtype, exact.dtype) == (tf.uint8, tf.float32)
    np.testing.assert_array_equal(found, np.rint(exact))
    np.testing.assert_array_equal(found[:, :, 0], BIG[:, :, 0])
    square = augmentation.random_resized_crop(
        BIG[:, :, :60], KEY, 60, area=(1.0, 1.0), aspect=(1.0, 1.0)
    )
    np.testing.assert_array_equal(square, BIG[:, :, :60])


@pytest.mark.parametrize(("height", "width"), [(256, 320), (300, 256), (256, 256)])
def test_the_central_crop_of_a_size_that_fits_is_a_slice(height, width):
    images = RNG.integers(0, 256, (2, height, width, 3)).astype("uint8")
    found = augmentation.central_crop(images, 224)
    np.testing.assert_array_equal(found, keras.layers.CenterCrop(224, 224)(images))
    top, left = (height - 224) // 2, (width - 224) // 2
    expected = images[:, top : top + 224, left : left + 224]
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == tf.uint8


@pytest.mark.parametrize(
    ("size", "resize", "height", "width", "sides"),
    [
        (224, None, 500, 375, (341, 256)),
        (56, None, 64, 64, (64, 64)),
        (32, 32, 75, 50, (48, 32)),
        (20, 30, 10, 11, (30, 33)),
    ],
)
def test_the_central_crop_scales_the_shorter_side(size, resize, height, width, sides):
    y, x = np.mgrid[:height, :width].astype("float32")
    found = augmentation.central_crop(np.stack([y, x], -1)[None], size, resize)
    assert found.shape == (1, size, size, 2)
    for axis, (before, after) in enumerate(zip((height, width), sides, strict=True)):
        # Centres of pixels lie at 1/2, 3/2, ...; beyond the last, the value stays.
        centers = (np.arange(after) + 0.5) * before / after - 0.5
        first = (after - size) // 2
        expected = np.clip(centers, 0, before - 1)[first : first + size]
        values = np.moveaxis(found[0, ..., axis].numpy(), axis, -1)
        np.testing.assert_allclose(values, np.tile(expected, (size, 1)), atol=1e-3)


def test_normalizing_is_the_formula():
    mean, std = augmentation.CIFAR_MEAN, augmentation.CIFAR_STD
    found = augmentation.normalize(IMAGES, mean, std)
    assert found.dtype == tf.float32
    expected = (IMAGES / 255 - np.array(mean)) / np.array(std)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert augmentation.IMAGENET_MEAN == (0.485, 0.456, 0.406)
    assert augmentation.IMAGENET_STD == (0.229, 0.224, 0.225)


FUNCTIONS = {
    "pad_and_crop": (augmentation.pad_and_crop, True),
    "flip": (augmentation.flip, True),
    # CropAndResize has no XLA kernel.
    "crop": (lambda x, key: augmentation.random_resized_crop(x, key, 8), False),
    "boxes": (lambda x, key: augmentation.random_boxes(key, 24, 300, 400), True),
    "middle": (lambda x, key: augmentation.central_crop(x, 8), True),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_key_means_the_same_in_every_mode(name):
    function, compiles = FUNCTIONS[name]
    steps = list(range(2))
    eager = [np.array(function(IMAGES, keys.make_key(1, step))) for step in steps]
    data = tf.data.Dataset.range(2).map(
        lambda step: function(IMAGES, keys.make_key(1, step)), num_parallel_calls=2
    )
    np.testing.assert_array_equal(list(data.as_numpy_iterator()), eager)
    graph = tf.function(function, jit_compile=compiles)
    for step in steps:
        found = np.array(graph(tf.constant(IMAGES), keys.make_key(1, step)))
        # XLA sums in another order: halves may be rounded the other way.
        margin = int(name == "middle")
        assert np.abs(found.astype(int) - eager[step]).max() <= margin
    if name != "middle":
        assert np.any(eager[0] != eager[1])


@pytest.mark.parametrize("name", ["crop", "middle"])
def test_single_images_of_any_size_become_a_static_shape(name):
    function = FUNCTIONS[name][0]
    sizes = [(9, 30), (40, 12), (8, 8)]
    images = [RNG.integers(0, 256, (*size, 3)).astype("uint8") for size in sizes]
    spec = tf.TensorSpec((None, None, 3), tf.uint8)
    data = tf.data.Dataset.from_generator(lambda: images, output_signature=spec)
    data = data.map(lambda image: function(image[None], KEY)[0], num_parallel_calls=2)
    assert data.element_spec.shape == (8, 8, 3)
    for image, found in zip(images, data.as_numpy_iterator(), strict=True):
        np.testing.assert_array_equal(found, function(image[None], KEY)[0])


@pytest.mark.parametrize("function", [augmentation.pad_and_crop, augmentation.flip])
def test_shapes_stay_known_where_they_were_known(function):
    data = tf.data.Dataset.from_tensor_slices(IMAGES)
    for remainder, batch in [(True, 6), (False, None)]:
        batches = data.batch(6, drop_remainder=remainder).map(
            lambda x: function(x, KEY)
        )
        assert batches.element_spec.shape.as_list() == [batch, 12, 10, 3]
        assert sum(len(x) for x in batches) == 24
