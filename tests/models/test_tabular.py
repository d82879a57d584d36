"""The multilayer perceptron."""

import keras
import numpy as np
import pytest

import keras_mixup


@pytest.mark.parametrize(
    ("shape", "classes", "width", "depth"), [((7,), 3, 128, 2), ((4, 4, 1), 10, 16, 3)]
)
def test_parameters_are_as_counted_by_hand(shape, classes, width, depth):
    network = keras_mixup.models.build(
        "mlp", input_shape=shape, num_classes=classes, width=width, depth=depth
    )
    d = int(np.prod(shape))
    hidden = (d + 1) * width + (depth - 1) * (width + 1) * width
    assert network.count_params() == hidden + (width + 1) * classes
    assert network.output_shape == (None, classes)
    assert network.layers[-1].activation is keras.activations.linear


def test_dropout_stands_behind_each_hidden_layer():
    network = keras_mixup.models.build(
        "mlp", input_shape=(3,), num_classes=2, dropout=0.5
    )
    rates = [layer.rate for layer in network.layers if hasattr(layer, "rate")]
    assert rates == [0.5, 0.5]


def test_names_are_listed():
    assert "mlp" in keras_mixup.models.names()
