"""Targets with an entry at each position, in a pipeline: cut as the features are."""

import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from tests import oracles, placed

GENERATOR = np.random.default_rng(0)
X = GENERATOR.random((5, 6, 8, 2)).astype("float32")
VOID = 255
MAPS = np.array([0, 1, 2, VOID], "uint8")[GENERATOR.integers(0, 4, (5, 6, 8))]
WEIGHTS = np.array([1, 0, 2, 0.5, 3], "float32")
KINDS = {
    "CutMix": keras_mixup.CutMix,
    "ResizeMix": keras_mixup.ResizeMix,
    "FMix": keras_mixup.FMix,
}


def policy_of(kind, **settings):
    return KINDS[kind](**{"seed": 3, "per": "example", "pairing": "roll", **settings})


def positions(weights, shape):
    """A weight of each example as one of each position."""
    return np.broadcast_to(weights[:, np.newaxis, np.newaxis], shape)


@pytest.mark.parametrize("mode", ["eager", pytest.param("xla", marks=pytest.mark.slow)])
@pytest.mark.parametrize("dtype", ["uint8", "int32"])
@pytest.mark.parametrize("column", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_class_numbers_stay_class_numbers(kind, column, dtype, mode):
    policy = policy_of(kind)
    maps = (MAPS[..., np.newaxis] if column else MAPS).astype(dtype)
    found = oracles.run(mode, lambda *batch: policy.at_step(1, batch)[1], X, maps)
    assert found.dtype == dtype
    expected = placed.pasted(maps, placed.draw_at(policy, X, 1))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("column", [False, True])
def test_a_void_class_has_weight_zero_where_it_is_shown(kind, column):
    policy = policy_of(kind, num_classes=3, ignore_class=VOID)
    maps = MAPS[..., np.newaxis] if column else MAPS
    _, rows, weights = policy.at_step(1, (X, maps, WEIGHTS))
    draw = placed.draw_at(policy, X, 1)
    shown = placed.pasted(MAPS, draw)
    expected = placed.pasted(positions(WEIGHTS, MAPS.shape), draw)
    np.testing.assert_array_equal(weights, np.where(shown == VOID, 0, expected))
    one_hot = oracles.one_hot(np.where(shown == VOID, 0, shown), 3)
    valid = shown != VOID
    np.testing.assert_array_equal(rows.numpy()[valid], one_hot[valid])


@pytest.mark.parametrize("factor", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_floats_at_the_positions_of_the_features_or_finer(kind, factor):
    policy = policy_of(kind, label_smoothing=0.1, num_classes=3)
    shape = (5, 6 * factor, 8 * factor)
    rows = oracles.one_hot(GENERATOR.integers(0, 3, shape), 3).astype("float32")
    _, found = policy.at_step(1, (X, rows))
    expected = placed.pasted(rows, placed.draw_at(policy, X, 1))
    np.testing.assert_allclose(found, expected * 0.9 + 0.1 / 3, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_values_at_positions_are_no_shared_quantities(kind):
    """Depth is cut with the image: each position keeps its own, whatever it is."""
    policy = policy_of(kind)
    depth = (GENERATOR.random((5, 6, 8)) * 100 - 50).astype("float32")
    draw = placed.draw_at(policy, X, 1)
    for given in (depth, depth[..., np.newaxis]):
        _, found = policy.at_step(1, (X, given))
        np.testing.assert_array_equal(found, placed.pasted(given, draw))


@pytest.mark.parametrize("kind", KINDS)
def test_tags_of_a_sequence(kind):
    policy = policy_of(kind)
    sequences = GENERATOR.random((5, 7, 3))
    tags = GENERATOR.integers(0, 4, (5, 7))
    of_tags = GENERATOR.random((5, 7)).astype("float32")
    x, found, weights = policy.at_step(1, (sequences, tags, of_tags))
    draw = placed.draw_at(policy, sequences, 1)
    np.testing.assert_array_equal(x, placed.pasted(sequences, draw))
    np.testing.assert_array_equal(found, placed.pasted(tags, draw))
    np.testing.assert_allclose(weights, placed.pasted(of_tags, draw), rtol=1e-6)
    ids, found = policy.at_step(1, (tags, tags))
    np.testing.assert_array_equal(ids, found)


@pytest.mark.parametrize("kind", KINDS)
def test_dense_and_whole_targets_of_one_batch(kind):
    policy = policy_of(kind, num_classes={"label": 5})
    weights = GENERATOR.random(MAPS.shape).astype("float32")
    y = {"label": np.arange(5), "map": MAPS}
    given = {"label": WEIGHTS, "map": weights}
    _, found, of_targets = policy.at_step(1, (X, y, given))
    draw = placed.draw_at(policy, X, 1)
    np.testing.assert_array_equal(found["map"], placed.pasted(MAPS, draw))
    expected = placed.pasted(weights, draw)
    np.testing.assert_allclose(of_targets["map"], expected, rtol=1e-6)
    total = placed.mixed_rows(WEIGHTS, draw)
    np.testing.assert_allclose(of_targets["label"], total, rtol=1e-5)
    products = np.diag(WEIGHTS)
    rows = placed.mixed_rows(products, draw)
    kept = total > 0
    np.testing.assert_allclose(
        found["label"].numpy()[kept], (rows / total[:, np.newaxis])[kept], atol=1e-6
    )


@pytest.mark.parametrize("key", ["segmentation_masks", "masks"])
def test_masks_of_a_dict(key):
    policy = policy_of("CutMix", num_classes={"labels": 5})
    batch = {"images": X, "labels": np.arange(5), key: MAPS, "id": np.arange(5)}
    found = policy.at_step(1, batch)
    draw = placed.draw_at(policy, X, 1)
    np.testing.assert_array_equal(found[key], placed.pasted(MAPS, draw))
    np.testing.assert_array_equal(found["id"], np.arange(5))
    rows = placed.mixed_rows(np.eye(5), draw)
    np.testing.assert_allclose(found["labels"], rows, atol=1e-6)


@pytest.mark.parametrize("closer", [False, True])
def test_positions_do_not_go_by_the_closer_example(closer):
    policy = policy_of("CutMix", targets="closer" if closer else "mix")
    _, found = policy.at_step(1, (X, MAPS))
    expected = placed.pasted(MAPS, placed.draw_at(policy, X, 1))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.zeros((5, 5, 8), "int32"), r"`y` has positions that are not.*\[6, 8\]"),
        (np.zeros((5, 7, 8, 3), "float32"), "positions that are not those"),
        (np.zeros(5, "int32"), "num_classes"),
    ],
)
def test_targets_that_do_not_fit(y, message):
    with pytest.raises(ValueError, match=message):
        policy_of("CutMix")(X, y)


def test_a_row_of_as_many_classes_as_positions_is_refused_until_it_is_explained():
    x, y = GENERATOR.random((5, 4, 2)), np.eye(4, dtype="float32")[[0, 1, 2, 3, 0]]
    with pytest.raises(ValueError, match=r"`y` may be a row.*\[..., tf.newaxis\]"):
        policy_of("CutMix")(x, y)
    rows = policy_of("CutMix", num_classes=4)
    draw = placed.draw_at(rows, x, 1)
    found = rows.at_step(1, (x, y))[1]
    np.testing.assert_allclose(found, placed.mixed_rows(y, draw), atol=1e-6)
    found = policy_of("CutMix").at_step(1, (x, y[..., np.newaxis]))[1]
    np.testing.assert_array_equal(found, placed.pasted(y[..., np.newaxis], draw))


@pytest.mark.parametrize("amount", [1.5, -0.1])
@pytest.mark.parametrize("kind", KINDS)
def test_a_quantity_of_the_whole_example_is_refused(kind, amount):
    y = np.full((5, 1), amount, "float32")
    with pytest.raises(tf.errors.InvalidArgumentError, match="`y` is a quantity"):
        policy_of(kind)(X, y)
    if kind == "CutMix":  # The check is the same for all, and compiling takes time.
        dataset = tf.data.Dataset.from_tensors((X, y)).apply(policy_of(kind))
        with pytest.raises(tf.errors.InvalidArgumentError, match="`y` is a quantity"):
            list(dataset)
    for allowed in ("y", ["y"], True):
        found = policy_of(kind, share_quantities=allowed)(X, y)[1]
        np.testing.assert_allclose(found, y, rtol=1e-6)
    named = {"age": y, "label": np.eye(5)}
    assert policy_of(kind, share_quantities="age")(X, named)[1]["age"].shape == (5, 1)
    with pytest.raises(tf.errors.InvalidArgumentError, match="`age` is a quantity"):
        policy_of(kind, share_quantities="label")(X, named)
