"""layers.CutMix in the place of keras.layers.CutMix."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from tests import placed

GENERATOR = np.random.default_rng(0)
X = GENERATOR.random((8, 6, 6, 3)).astype("float32")
Y = np.eye(8, dtype="float32")


def test_one_import_line_changes_hands():
    """The calls that work with keras.layers.CutMix work, with the same structure."""
    for cutter in (keras.layers.CutMix(), keras_mixup.layers.CutMix()):
        for batch in ({"images": X, "labels": Y}, {"images": X, "labels": Y, "id": Y}):
            eager = cutter(batch, training=True)
            mapped = tf.data.Dataset.from_tensors(batch).map(cutter).element_spec
            for mixed in (eager, mapped):
                assert set(mixed) == set(batch)
                assert mixed["images"].shape == X.shape
                assert mixed["images"].dtype == tf.float32
                assert mixed["labels"].shape == Y.shape


def test_labels_have_the_share_of_the_pixels():
    mixed = keras_mixup.layers.CutMix()({"images": X, "labels": Y})
    shares = np.diag(mixed["labels"])
    own = (mixed["images"].numpy() == X).all(-1).mean((1, 2))
    alone = shares < 1
    np.testing.assert_allclose(shares[alone], own[alone], atol=1e-6)
    assert len(set(shares.round(5))) > 3


def test_an_example_is_mixed_as_the_policy_does_it():
    layer = keras_mixup.layers.CutMix(seed=3)
    mixed = layer({"images": X, "labels": Y})
    expected = placed.pasted(X, placed.draw_at(layer.policy, X))
    np.testing.assert_array_equal(mixed["images"], expected)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_the_data_format_says_which_axes_are_cut(data_format):
    first = data_format == "channels_first"
    x = np.transpose(X, (0, 3, 1, 2)) if first else X
    layer = keras_mixup.layers.CutMix(data_format=data_format, seed=3)
    mixed = layer({"images": x, "labels": Y})
    found = np.transpose(mixed["images"], (0, 2, 3, 1)) if first else mixed["images"]
    other = keras_mixup.layers.CutMix(data_format="channels_last", seed=3)
    expected = other({"images": X, "labels": Y})
    np.testing.assert_array_equal(found, expected["images"])
    np.testing.assert_array_equal(mixed["labels"], expected["labels"])
    assert layer.axes == ((2, 3) if first else (1, 2))


def test_the_data_format_of_keras_is_the_default():
    given = keras.config.image_data_format()
    try:
        keras.config.set_image_data_format("channels_first")
        assert keras_mixup.layers.CutMix().axes == (2, 3)
    finally:
        keras.config.set_image_data_format(given)
    assert keras_mixup.layers.CutMix().axes == (1, 2)


def test_images_are_in_the_compute_dtype():
    keras.config.set_dtype_policy("mixed_bfloat16")
    layer = keras_mixup.layers.CutMix(num_classes=8)
    batch = {"images": (X * 255).astype("uint8"), "labels": np.arange(8)}
    assert layer(batch)["images"].dtype == tf.bfloat16
    assert layer(batch)["labels"].dtype == tf.float32
    assert layer(batch, training=False)["images"].dtype == tf.bfloat16


def test_training_false_gives_the_batch_back():
    batch = {"images": X, "labels": np.arange(8), "id": np.arange(8)}
    same = keras_mixup.layers.CutMix()(batch, training=False)
    np.testing.assert_array_equal(same["images"], X)
    np.testing.assert_array_equal(same["labels"], np.arange(8))


def test_a_container_hands_training_on():
    flip = keras.layers.RandomFlip(seed=1)
    batch = {"images": X, "labels": Y}
    for make in (keras.Sequential, keras.layers.Pipeline):
        container = make([flip, keras_mixup.layers.CutMix()])
        np.testing.assert_array_equal(container(batch, training=False)["labels"], Y)
        assert (np.asarray(container(batch, training=True)["labels"]) != Y).any()


def test_segmentation_masks_and_boxes_that_keras_refuses():
    maps = GENERATOR.integers(0, 4, (8, 6, 6, 1)).astype("uint8")
    boxes = {"boxes": np.array([[[0, 0, 6, 6]]] * 8, "float32")}
    boxes["labels"] = np.arange(8)[:, np.newaxis]
    layer = keras_mixup.layers.CutMix(seed=3, bounding_box_format="xyxy")
    batch = {"images": X, "labels": Y, "segmentation_masks": maps}
    mixed = layer({**batch, "bounding_boxes": boxes})
    draw = placed.draw_at(layer.policy, X)
    expected = placed.pasted(maps, draw)
    np.testing.assert_array_equal(mixed["segmentation_masks"], expected)
    own = placed.shares(draw, 8)
    weights = mixed["bounding_boxes"]["weights"].numpy()
    for i in range(8):
        kept = [share for share in own[i] if share >= 0.1]
        if draw.partners[0][i] == i:
            kept = [1.0]  # Pasted into itself it is whole.
        np.testing.assert_allclose(weights[i][: len(kept)], kept, rtol=1e-5)


@pytest.mark.parametrize("factor", [1.0, (0.5, 1.0)])
def test_the_factor_of_keras_is_no_argument(factor):
    with pytest.raises(ValueError, match="has no `factor`.*range of alpha.*`alpha`"):
        keras_mixup.layers.CutMix(factor=factor)


def test_bad_input():
    with pytest.raises(ValueError, match="`data_format`.*channels_first.*'NCHW'"):
        keras_mixup.layers.CutMix(data_format="NCHW")
    layer = keras_mixup.layers.CutMix()
    with pytest.raises(ValueError, match=r'layers.CutMix mixes.*"images".*EagerTensor'):
        layer(tf.constant(X))
    with pytest.raises(AttributeError, match="`alpha` of a layers.CutMix"):
        layer.alpha = 0.5
    with pytest.raises(AttributeError, match="no attribute `gamma`"):
        _ = layer.gamma


def test_the_configuration_makes_the_round_trip():
    layer = keras_mixup.layers.CutMix(
        keras_mixup.AlphaSchedule(0.3, 5, warm_up=1),
        data_format="channels_first",
        bounding_box_format="xyxy",
        num_classes=4,
        seed=3,
        name="cutting",
    )
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(layer)
    )
    assert again.get_config() == layer.get_config()
    assert again.policy.per == "example" and again.axes == (2, 3)
    ranged = keras_mixup.layers.CutMix(min_max=(0.2, 0.4))
    again = keras_mixup.layers.CutMix.from_config(ranged.get_config())
    assert again.min_max == (0.2, 0.4)


def test_a_schedule_is_applied_to_a_dataset():
    schedule = keras_mixup.AlphaSchedule(1.0, warm_up=50)
    layer = keras_mixup.layers.CutMix(schedule, jit_compile=False)
    dataset = tf.data.Dataset.from_tensors({"images": X, "labels": Y}).repeat(2)
    for mixed in dataset.apply(layer):
        assert mixed["images"].dtype == tf.float32 and mixed["labels"].shape == (8, 8)
