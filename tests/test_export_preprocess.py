"""Preprocessing that is a layer, and exports of networks with open sizes."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import export_saved_model
from tests.served_models import IMAGES, linear, linear_network, serve, softmax


def test_a_random_layer_is_run_in_inference_mode(tmp_path):
    network = linear_network()
    flip = keras.Sequential(
        [keras.layers.RandomFlip(seed=1), keras.layers.Rescaling(1)]
    )
    path = export_saved_model(
        network, tmp_path / "1", preprocess=flip, from_logits=True
    )
    expected = softmax(linear(network, IMAGES.astype("float64")))
    for _ in range(2):
        served = serve(path, inputs=IMAGES)["probabilities"]
        np.testing.assert_allclose(served, expected, rtol=1e-4, atol=1e-6)


def test_a_layer_with_a_table_is_exported_with_it(tmp_path):
    lookup = keras.layers.StringLookup(
        vocabulary=["a", "b"], output_mode="multi_hot", num_oov_indices=1
    )
    network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    path = export_saved_model(
        network, tmp_path / "1", preprocess=lookup, from_logits=True
    )
    words = np.array([["a", "b", "b"], ["c", "a", "a"]])
    rows = np.array([[0, 1, 1], [1, 1, 0]])
    kernel, bias = network.get_weights()
    served = serve(path, inputs=words)["probabilities"]
    np.testing.assert_allclose(served, softmax(rows @ kernel + bias), rtol=1e-5)


def test_open_sizes_are_served_and_get_no_warm_up_request(tmp_path):
    layers = [keras.Input((None, None, 3)), keras.layers.Conv2D(3, 3)]
    layers += [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2)]
    path = export_saved_model(
        keras.Sequential(layers), tmp_path / "1", from_logits=True
    )
    assert not (path / "assets.extra").exists()
    image = IMAGES[:1].astype("float32")
    encoded = tf.io.encode_png(IMAGES[0]).numpy()
    served = serve(path, inputs=image)
    decoded = serve(path, "encoded_images", images=[encoded])
    np.testing.assert_allclose(served["probabilities"], decoded["probabilities"])


def test_a_failed_export_leaves_no_parent_folders(tmp_path):
    def broken(images):
        raise ArithmeticError("no")

    with pytest.raises(ArithmeticError):
        export_saved_model(
            linear_network(), tmp_path / "a" / "b" / "1", preprocess=broken
        )
    assert list(tmp_path.iterdir()) == []
