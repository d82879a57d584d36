"""Nests with None, nested weights, unknown ranks, quantities, no batch axis."""

import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from keras_mixup import batches
from tests import oracles

GENERATOR = np.random.default_rng(0)
X = GENERATOR.random((6, 5)).astype("float32")
Y = GENERATOR.random((6, 3)).astype("float32")
W, V = GENERATOR.random((2, 6)).astype("float32")
ROLLED = np.roll(np.arange(6), 1)


def policy(**settings):
    return keras_mixup.MixUp(1.0, pairing="roll", seed=1, **settings)


def mixed_by_loop(x):
    return oracles.mix(x, float(keras_mixup.sample_lambda(1.0, (), seed=1)), ROLLED)


@pytest.mark.parametrize("mapped", [False, True])
def test_none_stays_none_in_features_targets_and_weights(mapped):
    batch = ({"a": X, "b": None}, (Y, None), (W, None))
    if mapped:
        dataset = tf.data.Dataset.from_tensors(batch)
        x, y, w = next(iter(dataset.apply(policy())))
    else:
        x, y, w = policy().at_step(0, batch)
    assert x["b"] is None and y[1] is None and w[1] is None
    np.testing.assert_allclose(x["a"], mixed_by_loop(X), atol=1e-6)
    np.testing.assert_allclose(w[0], mixed_by_loop(W), atol=1e-6)
    weighed = mixed_by_loop(Y * W[:, None]) / mixed_by_loop(W)[:, None]
    np.testing.assert_allclose(y[0], weighed, atol=1e-5)


def test_weights_of_some_targets():
    y, w = policy().at_step(0, (X, {"a": Y, "b": Y}, {"a": W, "b": None}))[1:]
    assert w["b"] is None
    np.testing.assert_allclose(w["a"], mixed_by_loop(W), atol=1e-6)
    np.testing.assert_allclose(y["b"], mixed_by_loop(Y), atol=1e-6)


@pytest.mark.parametrize(
    "weights",
    [W, {"q": {"z": W}, "r": V}, {"q": W, "r": V}, [W, V]],
    ids=["one", "nested", "by branch", "list"],
)
def test_weights_of_nested_targets(weights):
    y = {"q": {"z": Y}, "r": Y[:, :2]}
    w = policy().at_step(0, (X, y, weights))[2]
    np.testing.assert_allclose(w["q"]["z"], mixed_by_loop(W), atol=1e-6)
    expected = mixed_by_loop(W if weights is W else V)
    np.testing.assert_allclose(w["r"], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("weights", "found"),
    [({"q": {"y": W}}, "q/y"), ({"s": W, "r": W}, "'s'"), ([W, W, W], "Received: 3")],
)
def test_weights_of_no_target(weights, found):
    y = {"q": {"z": Y}, "r": Y}
    with pytest.raises(ValueError, match=f"`sample_weight`.*2 targets.*{found}"):
        policy().at_step(0, (X, y, weights))


def test_the_weight_of_what_passes_passes():
    y = {"a": Y, "id": np.arange(6)}
    w = policy(passthrough="id").at_step(0, (X, y, {"a": W, "id": V}))[2]
    np.testing.assert_array_equal(w["id"], V)
    np.testing.assert_allclose(w["a"], mixed_by_loop(W), atol=1e-6)


def test_the_form_of_the_batch_stays():
    assert len(policy().at_step(0, (X, Y))) == 2
    mixed = policy().at_step(0, (X, Y, None))
    assert len(mixed) == 3 and mixed[2] is None
    # The weight of a single target is a tensor, as Keras takes it.
    weight = policy().at_step(0, (X, {"a": Y}, W))[2]
    np.testing.assert_allclose(weight, mixed_by_loop(W), atol=1e-6)
    batch = {"images": X, "labels": {"a": Y, "id": np.arange(6)}, "path": "p"}
    assert [*policy(passthrough=["id", "path"]).at_step(0, batch)] == [*batch]


def test_ignored_positions_are_weights_where_none_were_given():
    y = {"a": np.array([0, 255, 1, 2, 255, 0]), "id": np.arange(6)}
    settings = {"num_classes": {"a": 3}, "ignore_class": 255, "passthrough": "id"}
    w = policy(**settings).at_step(0, (X, y))[2]
    np.testing.assert_allclose(w["a"], mixed_by_loop(y["a"] != 255), atol=1e-6)
    assert w["id"] is None


@pytest.mark.parametrize(
    ("batch", "received"),
    [((X,), "tuple of length 1"), ([X, Y, W, V], "list of length 4"), (X, "ndarray")],
)
def test_what_is_no_batch(batch, received):
    with pytest.raises(ValueError, match=f"Invalid batch. .*Received: {received}$"):
        batches.read_batch(batch)


def test_a_list_of_settings_for_one_target_is_refused():
    with pytest.raises(ValueError, match="needs a list of targets"):
        policy(num_classes=[3]).at_step(0, (X, np.arange(6) % 3))


@pytest.mark.parametrize(
    "other",
    [
        ([X, X], Y, W),
        (X, {"a": Y}, W),
        (X, Y),
        (X[:, :3], Y, W),
        (X.astype("float64"), Y, W),
        (X, Y[:, :2], W),
        (X[:5], Y[:5], W[:5]),
    ],
)
def test_two_batches_that_are_not_alike(other):
    with pytest.raises(ValueError, match="the same structure|same shapes and dtypes"):
        policy().between((X, Y, W), other)
    batches.check_alike(*[batches.read_batch((X, Y, W)) for _ in range(2)])


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ((X, [None, None]), "Received: y="),
        ((X, {"a": None}), "Received: y="),
        ((None, Y), "Received: x=None"),
        ((X, Y, np.float32(1)), "Expected a batch.*Call `batch`"),
        ((np.zeros((4, 4, 3), "uint8"), 3), "Expected a batch.*Call `batch`"),
        ((np.zeros((4, 4, 3), "uint8"), Y[0]), "Batch sizes differ.*call `batch`"),
        ((X, Y[:5]), "Batch sizes differ.*'y': 5"),
        ((X, {"a": {"b": Y[:5]}}), "Batch sizes differ.*'a/b': 5"),
        ((X, {"objects": {"boxes": np.zeros((6, 2, 4))}}), "joined, not averaged"),
        (({"image": X, "bounding_boxes": np.zeros((6, 2, 4))}, Y), "joined"),
        ((X, {"bbox": np.zeros((6, 2, 4), "f")}), "joined, not averaged.*`bbox`"),
    ],
)
def test_what_is_no_batch_of_features_and_targets(batch, message):
    with pytest.raises(ValueError, match=message):
        keras_mixup.MixUp(1.0, num_classes=5)(*batch)


def test_one_box_of_four_numbers_an_image_is_a_regression():
    box = GENERATOR.random((6, 4)).astype("float32")
    _, y = policy().at_step(0, (X, {"bbox": box}))
    np.testing.assert_allclose(y["bbox"], mixed_by_loop(box), atol=1e-6)


@pytest.mark.parametrize("place", ["x", "y", "sample_weight", "bounding_boxes/boxes"])
@pytest.mark.parametrize("labels", [np.arange(6) % 3, Y])
def test_an_unknown_rank_is_named_wherever_it_is(place, labels):
    def through(tensor):
        return tf.numpy_function(lambda a: a, [tensor], tensor.dtype)

    def hide(x, y, w, boxes):
        hidden = {"x": x, "y": y, "sample_weight": w, "bounding_boxes/boxes": boxes}
        hidden[place] = through(hidden[place])
        x, y, w, boxes = hidden.values()
        if place != "bounding_boxes/boxes":
            return x, y, w
        boxes = {"boxes": boxes, "classes": tf.zeros((6, 2))}
        return {"images": x, "bounding_boxes": boxes}

    batch = (X, labels, W, np.zeros((6, 2, 4), "float32"))
    dataset = tf.data.Dataset.from_tensors(batch).map(hide)
    with pytest.raises(ValueError, match=f"Unknown rank of `{place}`.*set_shape"):
        dataset.map(keras_mixup.MixUp(num_classes=3))


@pytest.mark.parametrize("mode", oracles.MODES)
def test_integers_are_mixed_where_they_are_said_to_be_quantities(mode):
    scan = GENERATOR.integers(0, 2**16, (6, 3, 4)).astype("uint16")
    mix = policy(quantities="x")
    x, _ = oracles.run(mode, lambda x, y: mix.at_step(0, (x, y)), scan, Y)
    assert x.dtype == np.float32
    np.testing.assert_allclose(x, mixed_by_loop(scan), rtol=1e-6)


def test_quantities_by_name():
    counts = GENERATOR.integers(-9, 9, (6, 2))
    batch = ({"counts": counts, "ids": counts}, Y)
    mixed = policy(quantities=["counts"], passthrough="ids").at_step(0, batch)[0]
    np.testing.assert_allclose(mixed["counts"], mixed_by_loop(counts), atol=1e-5)
    np.testing.assert_array_equal(mixed["ids"], counts)
    mixed = policy(quantities=True).at_step(0, batch)[0]
    np.testing.assert_allclose(mixed["ids"], mixed_by_loop(counts), atol=1e-5)
    mixed = policy(quantities="images").at_step(0, {"images": counts, "labels": Y})
    np.testing.assert_allclose(mixed["images"], mixed_by_loop(counts), atol=1e-5)
    with pytest.raises(ValueError, match=r"`ids`.*int64.*quantities=\.\.\."):
        policy(quantities="counts").at_step(0, batch)
    with pytest.raises(ValueError, match="bool"):
        policy(quantities=True).at_step(0, (counts > 0, Y))
    erm = keras_mixup.MixUp(0.0, quantities="x")(counts, Y)[0]
    assert erm.dtype == tf.float32


def test_none_in_features_is_put_back():
    leaves, put_back = batches.split_features({"a": X, "b": None, "c": [None, X]})
    assert len(leaves) == 2
    again = put_back(leaves)
    assert again["b"] is None and again["c"][0] is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"passthrough": "idd"}, r"`passthrough`.*\['a', 'id', 'x'\].*\['idd'\]"),
        ({"quantities": ["counts"]}, "`quantities`.*'counts'"),
        ({"num_classes": {"typo": 3}}, "`num_classes`.*'typo'"),
        ({"multi_label": {"a": True, "typo": True}}, "`multi_label`.*'typo'"),
    ],
)
def test_names_that_are_not_there_are_told(settings, message):
    rows = {"a": np.eye(3)[[0, 1]], "id": np.ones((2, 1))}
    with pytest.raises(ValueError, match=message):
        keras_mixup.MixUp(**settings).at_step(0, (np.ones((2, 1)), rows))
    with pytest.raises(ValueError, match=r"`passthrough`.*\['v'\]$"):
        keras_mixup.MixUp(passthrough="v").at_step(0, (X, Y, {"v": W}))
    with pytest.raises(ValueError, match="`num_classes`.*each of 2 targets"):
        mixup = keras_mixup.MixUp(num_classes=[3, 3, 3])
        mixup.at_step(0, (np.ones((2, 1)), (rows["a"], rows["id"])))
