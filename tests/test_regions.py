"""Regions: the laws of boxes, of resized wholes and of level sets."""

import numpy as np
import pytest
import scipy.ndimage
import scipy.stats
import tensorflow as tf

from keras_mixup import keys, regions
from keras_mixup.grids import Grid
from keras_mixup.keys import Stream
from tests import oracles

KEY = keys.make_key(3, 1, 0)
LINE = Grid((1,), [1000])
MANY = 2000


def spans_of(region):
    """For each axis the starts and ends, as numpy arrays (n,)."""
    return [[edge.numpy() for edge in span] for span in region.spans]


def is_uniform(values):
    """Whether the law of the values is uniform on (0, 1), by Kolmogorov and Smirnov."""
    return scipy.stats.kstest(values, "uniform").pvalue > 0.01


@pytest.mark.parametrize("share", [0.02, 0.3])
def test_the_center_of_a_box_is_uniform_and_its_side_is_the_share(share):
    region = regions.clipped_box(KEY, tf.fill([MANY], share), LINE)
    ((start, end),) = spans_of(region)
    side = 1000 * share
    whole = (start > 0) & (end < 1000)
    assert np.abs((end - start)[whole] - side).max() <= 1
    center = np.where(start > 0, start + side / 2, end - side / 2)
    assert is_uniform(center / 1000)
    assert abs(whole.mean() - (1 - share)) < 0.04


@pytest.mark.parametrize("axes", [1, 2, 3, 4])
def test_a_box_has_the_share_in_any_number_of_axes_and_is_clipped(axes):
    """Equation 2 of Yun et al., by a loop over axes with the same places."""
    sizes = [16, 9, 7, 5][:axes]
    share = np.linspace(0, 1, 11).astype("float32")
    grid = Grid(tuple(range(1, axes + 1)), sizes)
    region = regions.clipped_box(KEY, tf.constant(share), grid)
    place = keys.uniform(KEY, Stream.PLACES, [axes, 11]).numpy()
    masks = region.mask.numpy()
    for i in range(11):
        expected = np.ones(sizes, bool)
        for axis, size in enumerate(sizes):
            half = size * float(share[i]) ** (1 / axes) / 2
            center = place[axis, i] * size
            low, high = np.floor(center - half + 0.5), np.floor(center + half + 0.5)
            here = np.arange(size)
            inside = (here >= max(low, 0)) & (here < min(high, size))
            shape = [-1 if a == axis else 1 for a in range(axes)]
            expected &= inside.reshape(shape)
        np.testing.assert_array_equal(masks[i], expected)
    assert not masks[0].any()


def test_inner_boxes_have_uniform_sides_and_places_and_are_never_clipped():
    grid = Grid((1, 2), [1000, 700])
    spans = spans_of(regions.inner_box(KEY, tf.fill([MANY], True), LINE, (0.2, 0.6)))
    both = regions.inner_box(KEY, tf.fill([20], True), grid, (0.3, 0.9))
    ((start, end),) = spans
    assert start.min() >= 0 and end.max() <= 1000
    assert is_uniform(((end - start) / 1000 - 0.2) / 0.4)
    assert is_uniform((start + 0.5) / (1000 - (end - start) + 1))
    assert abs(np.corrcoef(end - start, start / (1001 - end + start))[0, 1]) < 0.05
    (top, bottom), (left, right) = spans_of(both)
    # The sides of the axes are drawn apart.
    assert np.abs((bottom - top) / 1000 - (right - left) / 700).max() > 0.1


def test_no_box_where_it_does_not_apply():
    applies = tf.constant([True, False])
    for region in (
        regions.inner_box(KEY, applies, LINE, (0.1, 0.2)),
        regions.resized_whole(KEY, applies, LINE, (0.1, 0.2)),
    ):
        covered = region.mask.numpy().sum(1)
        assert covered[0] >= 100 and covered[1] == 0


def test_the_scale_of_resizemix_is_uniform_and_that_of_all_axes():
    grid = Grid((1, 2), [1000, 40])
    region = regions.resized_whole(KEY, tf.fill([MANY], True), LINE, (0.1, 0.8))
    ((start, end),) = spans_of(region)
    assert is_uniform(((end - start) / 1000 - 0.1) / 0.7)
    assert is_uniform((start + 0.5) / (1000 - (end - start) + 1))
    two = regions.resized_whole(KEY, tf.fill([50], True), grid, (0.1, 0.8))
    (top, bottom), (left, right) = spans_of(two)
    assert np.abs((bottom - top) / 25 - (right - left)).max() <= 0.52


@pytest.mark.parametrize(
    ("size", "side", "shown"),
    [
        (6, 3, [1, 3, 5]),
        (6, 2, [1, 4]),
        (5, 2, [1, 3]),
        (5, 5, [0, 1, 2, 3, 4]),
        (4, 1, [2]),
        (7, 3, [1, 3, 5]),
    ],
)
def test_a_resized_partner_shows_its_nearest_positions(size, side, shown):
    """By hand: position p of s shows what is at (p + 1/2) size / s."""
    grid = Grid((1,), [size])
    scale = (side / size, side / size)
    region = regions.resized_whole(KEY, tf.fill([4], True), grid, scale)
    ((start, end),) = spans_of(region)
    for i in range(4):
        np.testing.assert_array_equal(
            region.sources[0][i][start[i] : end[i]].numpy(), shown
        )
    assert region.resized


# It holds a gigabyte for seconds.
@pytest.mark.slow
def test_positions_of_an_hour_of_audio_do_not_overflow():
    size = 3600 * 16000
    grid = Grid((1,), [size])
    region = regions.resized_whole(KEY, tf.fill([1], True), grid, (0.5, 0.5))
    ((start, end),) = spans_of(region)
    shown = region.sources[0][0].numpy()[start[0] : end[0]]
    np.testing.assert_array_equal(shown[[0, -1]], [1, size - 1])
    assert (np.diff(shown[::1000]) == 2000).all()


def levels(key, sizes, n, decay):
    """Complex noise divided by frequency^decay, with NumPy's transforms."""
    half = [*sizes[:-1], sizes[-1] // 2 + 1]
    real, imaginary = keys.normal(key, Stream.LEVELS, [2, n, *half]).numpy()
    frequencies = [np.fft.fftfreq(size) for size in sizes[:-1]]
    frequencies.append(np.fft.rfftfreq(sizes[-1]))
    frequency = np.meshgrid(*frequencies, indexing="ij")
    radius = np.sqrt(sum(one**2 for one in frequency))
    amplitude = np.maximum(radius, 1 / max(sizes)) ** -float(decay)
    spectrum = (real + 1j * imaginary) * amplitude
    axes = tuple(range(1, len(sizes) + 1))
    return np.fft.irfftn(spectrum.astype("complex128"), sizes, axes)


@pytest.mark.parametrize("sizes", [(31,), (8, 6), (5, 4, 3), (1, 7)])
def test_fmix_shows_the_least_of_noise_of_low_frequencies(sizes):
    share = np.array([0, 0.2, 0.5, 0.77, 1], "float32")
    grid = Grid(tuple(range(1, len(sizes) + 1)), list(sizes))
    region = regions.low_frequencies(KEY, tf.constant(share), grid, 3.0)
    assert region.spans is None and region.sources is None
    noise = levels(KEY, sizes, 5, 3.0)
    for i, one in enumerate(share):
        count = round(float(one) * noise[i].size)
        assert region.mask[i].numpy().sum() == count
        least = np.argsort(noise[i], axis=None)[:count]
        expected = np.zeros(noise[i].size, bool)
        expected[least] = True
        np.testing.assert_array_equal(region.mask[i], expected.reshape(sizes))


@pytest.mark.parametrize("decay", [0.01, 3.0, 1e3])
def test_the_share_of_fmix_is_exact_at_any_decay(decay):
    share = tf.linspace(0.0, 1.0, 21)
    grid = Grid((1, 2), [16, 24])
    mask = regions.low_frequencies(KEY, share, grid, decay).mask.numpy()
    expected = np.round(share.numpy().astype("float64") * 16 * 24)
    np.testing.assert_array_equal(mask.sum((1, 2)), expected)


def test_a_larger_decay_gives_fewer_pieces():
    grid, share = Grid((1, 2), [32, 32]), tf.fill([12], 0.5)
    edges = []
    for decay in (0.5, 1.5, 3.0):
        mask = regions.low_frequencies(KEY, share, grid, decay).mask.numpy()
        edges.append(np.mean([scipy.ndimage.label(one)[1] for one in mask]))
    assert edges[0] > 3 * edges[1] > 3 * edges[2]


@pytest.mark.parametrize("n", [1, 3])
def test_later_partners_lie_on_top_and_each_position_shows_one(n):
    generator = np.random.default_rng(n)
    drawn = [generator.random((n, 4, 5)) < 0.5 for _ in range(3)]
    found = [regions.Region(tf.constant(one)) for one in drawn]
    masks = [mask.numpy() for mask in regions.masks_of(found)]
    assert len(masks) == 4
    for index in np.ndindex(n, 4, 5):
        covering = [k + 1 for k in range(3) if drawn[k][index]]
        assert [k for k in range(4) if masks[k][index]] == [max(covering, default=0)]
    grid, masks = Grid((1, 2), [4, 5]), [tf.constant(mask) for mask in masks]
    shares = regions.shares_of(found, masks, grid)
    expected = [mask.numpy().mean((1, 2)) for mask in masks]
    np.testing.assert_allclose(np.stack(shares), expected, atol=6e-8)


def test_partners_have_regions_of_their_own():
    words = {int(regions.key_of(KEY, rank)[0]) for rank in range(1, 6)}
    assert len(words) == 5 and int(KEY[0]) not in words


KINDS = {
    "box": lambda key, share, grid: regions.clipped_box(key, share, grid),
    "inside": lambda key, share, grid: regions.inner_box(
        key, share > 0, grid, (0.2, 0.7)
    ),
    "resized": lambda key, share, grid: regions.resized_whole(
        key, share > 0, grid, (0.1, 0.8)
    ),
    "levels": lambda key, share, grid: regions.low_frequencies(key, share, grid, 3.0),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_four_modes_are_equal_bit_by_bit(kind):
    grid = Grid((1, 3), [6, 9])

    def made(key, share):
        region = KINDS[kind](key, share, grid)
        further = [*tf.nest.flatten(region.spans), *tf.nest.flatten(region.sources)]
        return [region.mask, *(one for one in further if one is not None)]

    share = np.linspace(0, 0.9, 7).astype("float32")
    eager, *others = [oracles.run(mode, made, KEY, share) for mode in oracles.MODES]
    assert eager[0].shape == (7, 6, 1, 9)
    for other in others:
        for found, expected in zip(other, eager, strict=True):
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_sizes_that_only_the_graph_knows(kind):
    share = tf.constant([0.3, 0.6])

    def made(sizes):
        grid = Grid((1, 2), tf.unstack(sizes, 2))
        return KINDS[kind](KEY, share, grid).mask

    expected = KINDS[kind](KEY, share, Grid((1, 2), [7, 5])).mask
    found = oracles.run("graph", made, np.array([7, 5], "int32"))
    np.testing.assert_array_equal(found, expected)
