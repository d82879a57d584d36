"""The Keras layers, as layers; what they mix is held by test_peers.py."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup

GENERATOR = np.random.default_rng(0)
X = GENERATOR.random((8, 4, 4, 3)).astype("float32")
Y = np.eye(8, dtype="float32")


def test_one_import_line_changes_hands():
    """The calls that work with keras.layers.MixUp work, with the same structure."""
    for mixer in (keras.layers.MixUp(0.2), keras_mixup.layers.MixUp(0.2)):
        for batch in ({"images": X, "labels": Y}, {"images": X, "labels": Y, "id": Y}):
            eager = mixer(batch, training=True)
            mapped = next(iter(tf.data.Dataset.from_tensors(batch).map(mixer)))
            for mixed in (eager, mapped):
                assert set(mixed) == set(batch)
                assert mixed["images"].shape == X.shape
                assert mixed["images"].dtype == tf.float32
                assert mixed["labels"].shape == Y.shape
    theirs = keras.layers.MixUp(0.3, data_format="channels_last", seed=None)
    ours = keras_mixup.layers.MixUp(0.3, data_format="channels_last", seed=None)
    shared = {"alpha", "seed", "name", "trainable", "dtype"}
    assert shared <= set(theirs.get_config()) & set(ours.get_config())
    assert ours.get_config()["data_format"] == theirs.data_format


def test_it_draws_a_lambda_for_each_example():
    mixed = keras_mixup.layers.MixUp(1.0)({"images": X, "labels": Y})
    assert len(set(np.diag(mixed["labels"]).round(5))) > 4


def test_training_false_gives_the_batch_back():
    batch = {"images": X, "labels": np.arange(8), "id": np.arange(8)}
    same = keras_mixup.layers.MixUp(1.0)(batch, training=False)
    np.testing.assert_array_equal(same["images"], X)
    np.testing.assert_array_equal(same["labels"], np.arange(8))


def test_a_container_hands_training_on():
    flip = keras.layers.RandomFlip(seed=1)
    batch = {"images": X, "labels": Y}
    for make in (keras.Sequential, keras.layers.Pipeline):
        container = make([flip, keras_mixup.layers.MixUp(1.0)])
        np.testing.assert_array_equal(container(batch, training=False)["labels"], Y)
        assert (np.asarray(container(batch, training=True)["labels"]) != Y).any()


def test_the_format_of_boxes_is_accepted_and_kept():
    layer = keras_mixup.layers.MixUp(0.2, bounding_box_format="xyxy")
    boxes = {"boxes": np.zeros((8, 1, 4), "float32"), "labels": np.zeros((8, 1))}
    mixed = layer({"images": X, "labels": Y, "bounding_boxes": boxes})
    assert mixed["bounding_boxes"]["boxes"].shape == (8, 2, 4)
    assert layer.get_config()["bounding_box_format"] == "xyxy"
    again = keras_mixup.layers.MixUp.from_config(layer.get_config())
    assert again.bounding_box_format == "xyxy"


def test_integer_labels_take_num_classes():
    mixer = keras_mixup.layers.MixUp(0.0, num_classes=8)
    np.testing.assert_array_equal(
        mixer({"images": X, "labels": np.arange(8)})["labels"], Y
    )


def test_the_configuration_makes_the_round_trip():
    mixer = keras_mixup.layers.MixUp(
        keras_mixup.AlphaSchedule(0.3, 5, warm_up=1),
        num_classes=4,
        pairing="derangement",
        seed=3,
        name="mixing",
    )
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(mixer)
    )
    assert again.get_config() == mixer.get_config()
    assert again.policy.per == "example"


def test_mix_features_is_the_identity_without_a_train_step():
    inputs = keras.Input((4,))
    outputs = keras_mixup.layers.MixFeatures(name="point")(inputs)
    network = keras.Model(inputs, outputs)
    x = GENERATOR.random((5, 4)).astype("float32")
    for training in (True, False):
        np.testing.assert_array_equal(network(x, training=training), x)
    again = keras.Model.from_config(network.get_config())
    assert again.get_layer("point").get_config() == network.layers[-1].get_config()
    assert network.count_params() == 0


@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "float64"])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "uint8", "int32"])
def test_mix_features_gives_the_dtype_that_it_promises(policy, dtype):
    keras.config.set_dtype_policy(policy)
    expected = "float32" if dtype == "uint8" else dtype
    point = keras_mixup.layers.MixFeatures()
    given = {"a": tf.ones((2, 3), dtype), "b": [tf.ones((2,), dtype)]}
    assert {leaf.dtype.name for leaf in keras.tree.flatten(point(given))} == {expected}
    symbolic = keras.tree.map_structure(
        lambda leaf: keras.Input(leaf.shape[1:], dtype=dtype), given
    )
    for leaf, found in zip(
        keras.tree.flatten(symbolic), keras.tree.flatten(point(symbolic)), strict=True
    ):
        assert (found.shape, found.dtype) == (leaf.shape, expected)


def test_mix_features_behind_float32_logits_in_mixed_precision():
    keras.config.set_dtype_policy("mixed_float16")
    inputs = keras.Input((4,))
    logits = keras.layers.Dense(3, dtype="float32")(inputs)
    point = keras_mixup.layers.MixFeatures(name="point")(logits)
    network = keras.Model(inputs, point)
    x = GENERATOR.random((6, 4)).astype("float32")
    assert point.dtype == network(x).dtype == "float32"
    model = keras_mixup.MixUpModel(
        network, keras_mixup.MixUp(0.2, seed=0), mix_at=["point"]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, run_eagerly=True)
    model.fit(x, np.array([0, 1, 2, 0, 1, 2]), verbose=0)
    assert model(x).dtype == "float32"
    assert keras.Model.from_config(network.get_config()).output.dtype == "float32"


@keras.saving.register_keras_serializable("tests")
def kind_of(batch):
    return batch["kind"]


@pytest.mark.parametrize("name", ["MixUp", "CutMix"])
def test_a_registered_getter_is_in_the_config(name):
    layer = getattr(keras_mixup.layers, name)(labels_getter=kind_of, num_classes=3)
    again = type(layer).from_config(layer.get_config())
    assert again.policy.labels_getter is kind_of
    assert again.policy == layer.policy
