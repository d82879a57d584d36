"""Tables of nearest neighbors, draws from them, and the KNN rows of Table 5."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

import keras_mixup
from keras_mixup import keys, neighbors
from tests import oracles
from tests.test_neighbor_search import assert_same, pixels, table_by_loops


def test_progress_is_printed_where_it_is_asked_for(capsys):
    neighbors.nearest_neighbors(pixels(9), 2)
    assert capsys.readouterr().out == ""
    neighbors.nearest_neighbors(pixels(9), 2, np.arange(9) % 2, progress=True)
    assert "9/9" in capsys.readouterr().out


def test_a_cached_table_is_read_and_not_computed_again(tmp_path, computed):
    x = pixels(20)
    folder = tmp_path / "new" / "cache"
    first = neighbors.nearest_neighbors(x, 3, cache_dir=folder)
    assert len(computed) == 1
    (path,) = folder.iterdir()  # No temporary file is left.
    assert path.name.startswith("neighbors_") and path.suffix == ".npz"
    again = neighbors.nearest_neighbors(x.copy(), 3, cache_dir=str(folder))
    assert len(computed) == 1
    assert_same(again, first)
    assert_same(first, table_by_loops(x, 3))
    # The layout in memory is no part of the content.
    transposed = np.asfortranarray(x)
    assert_same(neighbors.nearest_neighbors(transposed, 3, cache_dir=folder), first)
    assert len(computed) == 1


def test_other_content_is_another_file(tmp_path):
    x = pixels(20, 6)
    changed = x.copy()
    changed[-1, -1] ^= 1
    labels = np.arange(20) % 3
    cases = [
        (x, 3, None),
        (changed, 3, None),
        (x.astype(np.float32), 3, None),
        (x.view(np.int8), 3, None),
        (x.reshape(30, 4), 3, None),
        (x, 4, None),
        (x, 3, labels),
        (x, 3, labels[::-1]),
    ]
    for case in cases:
        neighbors.nearest_neighbors(*case, cache_dir=tmp_path)
    assert len(list(tmp_path.iterdir())) == len(cases)
    neighbors.nearest_neighbors(x, 3, labels.astype(np.int32), cache_dir=tmp_path)
    assert len(list(tmp_path.iterdir())) == len(cases)


def truncated(path):
    path.write_bytes(path.read_bytes()[:-100])


def emptied(path):
    path.write_bytes(b"")


def flipped(path):
    content = bytearray(path.read_bytes())
    content[200] ^= 1  # Within the indices.
    path.write_bytes(content)


def of_another_shape(path):
    with np.load(path) as stored:
        kept = dict(stored)
    np.savez(path, **{**kept, "indices": kept["indices"][:, :-1]})


def of_other_numbers(path):
    with np.load(path) as stored:
        kept = dict(stored)
    np.savez(path, **{**kept, "indices": kept["indices"][::-1]})


def of_another_dtype(path):
    with np.load(path) as stored:
        kept = dict(stored)
    np.savez(path, **{**kept, "indices": kept["indices"].astype(np.int64)})


def of_other_names(path):
    np.savez(path, indices=np.zeros((20, 3), np.int32))


def pickled(path):
    np.savez(path, indices=np.array([{}]), counts=np.array([{}]), digest="")


def from_another_set(path):
    other = neighbors.nearest_neighbors(
        pixels(20, seed=9), 3, cache_dir=path.parent / "other"
    )
    assert other.indices.shape == (20, 3)
    (source,) = (path.parent / "other").iterdir()
    path.write_bytes(source.read_bytes())


@pytest.mark.parametrize(
    "damage",
    [
        truncated,
        emptied,
        flipped,
        of_another_shape,
        of_other_numbers,
        of_another_dtype,
        of_other_names,
        pickled,
        from_another_set,
    ],
)
def test_a_damaged_file_is_computed_anew_with_a_warning(tmp_path, computed, damage):
    x = pixels(20)
    expected = neighbors.nearest_neighbors(x, 3, cache_dir=tmp_path)
    (path,) = tmp_path.iterdir()
    damage(path)
    before = len(computed)
    with pytest.warns(UserWarning, match=rf"{path}.*computed anew") as caught:
        table = neighbors.nearest_neighbors(x, 3, cache_dir=tmp_path)
    assert caught[0].filename == __file__
    assert_same(table, expected)
    assert len(computed) == before + 1
    # The file is whole again.
    assert_same(neighbors.nearest_neighbors(x, 3, cache_dir=tmp_path), expected)
    assert len(computed) == before + 1


@pytest.mark.parametrize("stage", ["fsync", "replace"])
def test_a_failing_write_leaves_nothing(tmp_path, monkeypatch, stage):
    def fail(*_):
        raise OSError("no space")

    monkeypatch.setattr(os, stage, fail)
    with pytest.raises(OSError, match="no space"):
        neighbors.nearest_neighbors(pixels(5), 2, cache_dir=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_raises_before_the_work(tmp_path, computed):
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below", "/proc"):
        with pytest.raises(OSError, match=rf"`cache_dir`.*cache_dir='{folder}'"):
            neighbors.nearest_neighbors(pixels(5), 2, cache_dir=folder)
    assert not computed


def test_without_scikit_learn_the_error_says_what_to_install(tmp_path, monkeypatch):
    cached = neighbors.nearest_neighbors(pixels(5), 2, cache_dir=tmp_path)
    monkeypatch.setitem(sys.modules, "sklearn.metrics", None)
    with pytest.raises(ImportError, match=r"pip install 'keras_mixup\[neighbors\]'"):
        neighbors.nearest_neighbors(pixels(5), 2)
    # What is there can be read.
    again = neighbors.nearest_neighbors(pixels(5), 2, cache_dir=tmp_path)
    assert_same(again, cached)


@pytest.mark.parametrize("k", [0, -1, 2.0, "2", None])
def test_a_wrong_k_raises(k):
    with pytest.raises(
        ValueError, match=rf"`k`. Expected an integer >= 1. Received: k={k!r}"
    ):
        neighbors.nearest_neighbors(pixels(5), k)


@pytest.mark.parametrize(
    "features",
    [
        np.zeros((0, 3)),
        np.zeros((3, 0)),
        np.float32(1),
        np.array(["a"]),
        np.array([1j, 2]),
        np.array([[0, np.nan], [1, 2]]),
        np.array([[0, np.inf], [1, 2]], np.float32),
        np.array([[0, -np.inf], [1, 2]]),
        np.array([[0, -1e200], [1, 2]]),
    ],
)
def test_features_that_have_no_distances_raise(features):
    with pytest.raises(ValueError, match=r"`features`. Expected finite.*Received"):
        neighbors.nearest_neighbors(features, 1)


@pytest.mark.parametrize(
    "labels", [np.zeros(4, int), np.zeros(5), np.zeros((5, 2), int), 3]
)
def test_labels_that_do_not_fit_raise(labels):
    with pytest.raises(ValueError, match=r"`labels`.*shape \(5,\). Received: shape"):
        neighbors.nearest_neighbors(pixels(5), 1, labels)


def small_table():
    """Counts of 0, 1, 2 and 3."""
    return neighbors.Neighbors(
        np.array([[0, 0, 0], [3, 1, 1], [0, 1, 2], [2, 0, 1]], np.int32),
        np.array([0, 1, 2, 3], np.int32),
    )


def test_draws_are_uniform_over_the_neighbors_of_each_and_itself_without():
    index = np.tile(np.arange(4), 3000)
    drawn = neighbors.draw_neighbors(small_table(), index, seed=1).numpy()
    drawn = drawn.reshape(-1, 4)
    assert (drawn[:, 0] == 0).all() and (drawn[:, 1] == 3).all()
    for i in (2, 3):
        counts = np.bincount(drawn[:, i], minlength=4)
        members = small_table().indices[i, :i]
        assert counts[members].sum() == 3000
        assert scipy.stats.chisquare(counts[members]).pvalue > 1e-3
    # Different examples draw independently.
    pairs = np.histogram2d(drawn[:, 2], drawn[:, 3], [2, 3])[0]
    assert scipy.stats.chi2_contingency(pairs).pvalue > 1e-3


def test_a_draw_is_the_column_of_a_uniform_number():
    x = pixels(300)
    table = neighbors.nearest_neighbors(x, 200)
    index = np.random.default_rng(3).integers(0, 300, 64)
    drawn = neighbors.draw_neighbors(table, index, seed=5, step=2, replica=1)
    u = keys.uniform(keys.make_key(5, 2, 1), keys.Stream.NEIGHBORS, [64]).numpy()
    expected = [table.indices[i, int(u[b] * 200)] for b, i in enumerate(index)]
    np.testing.assert_array_equal(drawn, expected)
    assert drawn.dtype == tf.int32


@pytest.mark.parametrize("mode", oracles.MODES)
@pytest.mark.parametrize("index_dtype", ["int32", "int64"])
def test_draws_are_the_same_in_every_mode(mode, index_dtype):
    table = neighbors.nearest_neighbors(pixels(40), 11, np.arange(40) % 3)
    index = np.arange(39, -1, -2).astype(index_dtype)

    def counted(step):  # Inside a dataset a step says that it goes on.
        return keras_mixup.Step(step) if mode == "map" else step

    def draw(index, step):
        return neighbors.draw_neighbors(
            table, index, seed=-8, step=counted(step), replica=2
        )

    def draw_by_tensors(table, index, step):
        return neighbors.draw_neighbors(
            table, index, seed=-8, step=counted(step), replica=2
        )

    expected = neighbors.draw_neighbors(table, index, -8, 3, 2).numpy()
    np.testing.assert_array_equal(oracles.run(mode, draw, index, 3), expected)
    found = oracles.run(mode, draw_by_tensors, table, index, 3)
    np.testing.assert_array_equal(found, expected)


def test_draws_depend_on_seed_step_and_replica_and_without_a_seed_on_the_call():
    table = neighbors.nearest_neighbors(pixels(300), 200)
    draws = [
        neighbors.draw_neighbors(table, np.arange(50), *key).numpy()
        for key in [(1, 0, 0), (2, 0, 0), (1, 1, 0), (1, 0, 1), (None,), (None,)]
    ]
    for i, one in enumerate(draws):
        assert all((one != other).mean() > 0.8 for other in draws[:i])


def test_batches_of_unknown_size_can_be_drawn():
    table = small_table()
    batches = tf.data.Dataset.range(4).batch(3)
    drawn = [
        rows.numpy()
        for rows in batches.map(
            lambda index: neighbors.draw_neighbors(table, index, seed=1)
        )
    ]
    assert [len(rows) for rows in drawn] == [3, 1]
    expected = neighbors.draw_neighbors(table, [0, 1, 2], seed=1)
    np.testing.assert_array_equal(drawn[0], expected)


@pytest.mark.parametrize("index", [[0, 4], [-1], [0.0, 1.0], [[0], [1]], 2])
def test_an_index_out_of_range_or_shape_raises(index):
    with pytest.raises(ValueError, match=r"`index`.*\(batch,\) in \[0, 4\). Received"):
        neighbors.draw_neighbors(small_table(), index)


def test_another_table_or_examples_of_another_number_raise():
    with pytest.raises(ValueError, match=r"`neighbors`.*Received: ndarray"):
        neighbors.draw_neighbors(small_table().indices, [0])
    x = np.zeros((4, 2))
    with pytest.raises(ValueError, match=r"`examples`.*axis of 4.*shape \(5,\)"):
        neighbors.neighbor_pairs((x, np.zeros(5)), small_table(), [0])


@pytest.mark.parametrize("mode", oracles.MODES)
def test_pairs_are_the_rows_of_any_nest(mode):
    table = neighbors.nearest_neighbors(pixels(20), 5)
    x = {"image": pixels(20, 3).reshape(20, 3, 1), "sound": np.arange(20.0)}
    y = np.arange(20)
    index = np.array([3, 3, 0, 19])

    def pair(index):
        return neighbors.neighbor_pairs((x, y), table, index, seed=4, step=6)

    batch, other = oracles.run(mode, pair, index)
    drawn = neighbors.draw_neighbors(table, index, seed=4, step=6).numpy()
    for (images, labels), rows in [(batch, index), (other, drawn)]:
        for name in x:
            assert images[name].dtype == x[name].dtype
            np.testing.assert_array_equal(images[name], x[name][rows])
        np.testing.assert_array_equal(labels, y[rows])


def test_arrays_are_no_constants_of_the_graph():
    table = neighbors.nearest_neighbors(pixels(200), 50)
    x = np.zeros((200, 1000), np.float32)
    pair = tf.function(lambda i: neighbors.neighbor_pairs((x,), table, i, seed=1))
    graph = pair.get_concrete_function(tf.TensorSpec([None], tf.int64)).graph
    assert graph.as_graph_def().ByteSize() < 40_000


def test_a_pipeline_mixes_each_example_with_a_neighbor():
    n, classes = 48, 3
    x = pixels(n, 12).reshape(n, 2, 2, 3).astype(np.float32)
    y = np.random.default_rng(4).integers(0, classes, n)
    table = neighbors.nearest_neighbors(x, 10)
    mixup = keras_mixup.MixUp(1.0, num_classes=classes, seed=7, jit_compile=False)
    order = tf.data.Dataset.range(n).shuffle(n, seed=1, reshuffle_each_iteration=False)
    ds = order.batch(16).apply(keras_mixup.count_steps)
    ds = ds.map(
        lambda step, index: (
            step,
            neighbors.neighbor_pairs((x, y), table, index, seed=7, step=step),
        )
    )
    ds = ds.map(lambda step, pair: mixup.between(*pair, step=step))
    for step, (index, (mixed, targets)) in enumerate(zip(order.batch(16), ds)):
        index = index.numpy()
        lam = keras_mixup.sample_lambda(1.0, (), seed=7, step=step).numpy()
        u = keys.uniform(keys.make_key(7, step), keys.Stream.NEIGHBORS, [16]).numpy()
        for b, i in enumerate(index):
            j = table.indices[i, int(u[b] * 10)]
            # Of one example and its neighbor the partner is the second.
            expected = oracles.mix(x[[i, j]], lam, [1, 1])[0]
            np.testing.assert_allclose(mixed[b], expected, rtol=1e-5)
            expected = oracles.mix(oracles.one_hot(y[[i, j]], classes), lam, [1, 1])[0]
            np.testing.assert_allclose(targets[b], expected, rtol=1e-5)


def test_smote_is_the_closer_target_with_neighbors_of_the_same_class():
    n, classes = 40, 4
    x = np.random.default_rng(5).normal(size=(n, 6)).astype(np.float32)
    y = np.arange(n) % classes
    table = neighbors.nearest_neighbors(x, 5, y)
    mixup = keras_mixup.MixUp(
        1.0, per="example", targets="closer", num_classes=classes, seed=3
    )
    index = np.random.default_rng(6).permutation(n)
    batch, other = neighbors.neighbor_pairs((x, y), table, index, seed=3, step=1)
    mixed, targets = mixup.between(batch, other, step=1)
    # Chawla et al. (2002), section 4.2: sample + gap * (nearest - sample), and with
    # alpha = 1 the gap is uniform on (0, 1).
    gap = 1 - keras_mixup.sample_lambda(1.0, (n,), seed=3, step=1).numpy()
    drawn = neighbors.draw_neighbors(table, index, seed=3, step=1).numpy()
    assert gap.min() < 0.2 and gap.max() > 0.8
    for b, i in enumerate(index):
        synthetic = x[i] + gap[b] * (x[drawn[b]] - x[i])
        np.testing.assert_allclose(mixed[b], synthetic, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(targets, oracles.one_hot(y[index], classes))


LARGE = """
import resource
import numpy as np
from keras_mixup import neighbor_search, neighbors

n = 50_000
x = np.random.default_rng(0).integers(0, 256, (n, 3072), np.uint8).astype(np.float32)
features, _ = neighbors._checked(x, None)
neighbors._hash("", features)
blocks = neighbor_search.blocks(features, 200)
rows, found = next(blocks)
assert found.shape == (rows.stop, 200) and 100 < rows.stop < n // 10
first = x[0].astype(np.int64)
distances = [int(((row.astype(np.int64) - first) ** 2).sum()) for row in x]
distances[0] = 2**62
expected = sorted(range(n), key=lambda j: (distances[j], j))[:200]
assert found[0].tolist() == expected
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_cifar_fits_into_four_gigabytes():
    process = subprocess.run(
        [sys.executable, "-c", LARGE],
        cwd=pathlib.Path(__file__).parents[1],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    assert int(process.stdout.split()[-1]) * 1024 < 4e9
