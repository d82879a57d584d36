"""The search behind the nearest-neighbor table against plain loops."""

import numpy as np
import pytest

from keras_mixup import neighbor_search, neighbors


def pixels(n, size=5, levels=256, seed=0):
    return np.random.default_rng(seed).integers(0, levels, (n, size)).astype(np.uint8)


def table_by_loops(features, k, labels=None):
    """Row by row, in integers: sorted by (distance, index)."""
    x = np.reshape(features, (len(features), -1)).astype(np.int64)
    indices = np.empty((len(x), k), int)
    counts = np.empty(len(x), int)
    for i in range(len(x)):
        others = [
            (int(((x[i] - x[j]) ** 2).sum()), j)
            for j in range(len(x))
            if j != i and (labels is None or labels[j] == labels[i])
        ]
        nearest = [j for _, j in sorted(others)[:k]]
        counts[i] = len(nearest)
        indices[i] = nearest + [i] * (k - len(nearest))
    return indices, counts


def assert_same(table, expected):
    assert [array.dtype for array in table] == [np.int32, np.int32]
    np.testing.assert_array_equal(table[0], expected[0])
    np.testing.assert_array_equal(table[1], expected[1])


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64", "int32"])
@pytest.mark.parametrize("levels", [2, 256])
def test_a_table_is_that_of_plain_loops_also_among_ties(dtype, levels):
    # With two levels there are 32 different rows: nearly all distances are ties.
    x = pixels(60, levels=levels).astype(dtype)
    for k in (1, 7, 59):
        table = neighbors.nearest_neighbors(x, k)
        assert_same(table, table_by_loops(x, k))


def test_neighbors_of_images_whose_distances_float32_cannot_tell_apart():
    # Squared distances to the first of about 2**26, where float32 counts in eights;
    # those of the others are 25, 16, 9, 4, 1, 0 more.
    x = np.full((7, 1200), 255, np.float32)
    x[0] = 0
    x[1:, 0] = np.arange(6)[::-1]
    table = neighbors.nearest_neighbors(x, 6)
    assert_same(table, table_by_loops(x, 6))
    np.testing.assert_array_equal(table.indices[0], [6, 5, 4, 3, 2, 1])


def test_distances_of_floats_are_those_of_plain_loops():
    x = np.random.default_rng(1).normal(size=(50, 4, 3)).astype(np.float32)
    table = neighbors.nearest_neighbors(x, 9)
    wide = x.astype(np.float64)
    for i in range(50):
        distances = ((wide[i] - wide) ** 2).sum(axis=(1, 2))
        np.testing.assert_array_equal(table.indices[i], np.argsort(distances)[1:10])


def test_same_class_rows_never_cross_classes_and_a_class_of_one_is_alone():
    x = pixels(40, levels=4)
    labels = np.random.default_rng(2).integers(0, 3, 40) * 5 - 5
    labels[17] = 99
    labels[3] = labels[30] = 77
    expected = table_by_loops(x, 6, labels)
    table = neighbors.nearest_neighbors(x, 6, labels)
    assert_same(table, expected)
    assert (labels[table.indices] == labels[:, None]).all()
    assert table.counts[17] == 0 and (table.indices[17] == 17).all()
    np.testing.assert_array_equal(table.indices[3], [30, 3, 3, 3, 3, 3])
    assert_same(neighbors.nearest_neighbors(x, 6, labels[:, None]), expected)


def test_an_example_is_no_neighbor_of_itself_but_its_duplicates_are():
    x = pixels(30)
    x[5] = x[11] = x[29]
    x[:4] = 7
    table = neighbors.nearest_neighbors(x, 2)
    assert (table.indices != np.arange(30)[:, None]).all()
    np.testing.assert_array_equal(
        table.indices[[5, 11, 29]], [[11, 29], [5, 29], [5, 11]]
    )
    np.testing.assert_array_equal(table.indices[:4], [[1, 2], [0, 2], [0, 1], [0, 1]])


def test_a_set_of_fewer_examples_than_k_fills_rows_with_the_example():
    x = pixels(4)
    table = neighbors.nearest_neighbors(x, 6)
    assert_same(table, table_by_loops(x, 6))
    assert (table.counts == 3).all()
    assert (table.indices[:, 3:] == np.arange(4)[:, None]).all()
    alone = neighbors.nearest_neighbors(x[:1], 2)
    assert_same(alone, ([[0, 0]], [0]))


@pytest.mark.parametrize("block", [7, 37, 150, 1000])
def test_the_size_of_blocks_does_not_matter(monkeypatch, computed, block):
    x = pixels(50, levels=3)
    labels = np.arange(50) % 4
    whole = neighbors.nearest_neighbors(x, 8)
    within = neighbors.nearest_neighbors(x, 8, labels)
    before = len(computed)
    monkeypatch.setattr(neighbor_search, "BLOCK", block)
    assert_same(neighbors.nearest_neighbors(x, 8), whole)
    assert len(computed) - before > 1
    assert_same(neighbors.nearest_neighbors(x, 8, labels), within)
