"""The last activation, behind what changes no value."""

import keras
import pytest

from keras_mixup.last_activation import last_activation

layers, ops = keras.layers, keras.ops
INPUTS = keras.Input((6,))


def own(x):
    return x


def nested(x):
    return keras.Sequential([keras.Input((6,)), layers.Dense(4, "softmax")])(x)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (layers.Dense(4, "softmax"), "softmax"),
        (layers.Dense(4), "linear"),
        (layers.Dense(4, "relu"), "relu"),
        (lambda x: layers.Softmax()(layers.Dense(4)(x)), "softmax"),
        (lambda x: ops.softmax(layers.Dense(4)(x)), "softmax"),
        (lambda x: ops.cast(ops.sigmoid(x), "float16"), "sigmoid"),
        (lambda x: layers.Identity()(layers.Activation("softmax")(x)), "softmax"),
        (
            lambda x: layers.Activation("linear")(layers.Dense(4, "softmax")(x)),
            "softmax",
        ),
        (lambda x: layers.Dropout(0.5)(layers.Softmax()(x)), "softmax"),
        # Pixels in a row, each with its classes, put back in place.
        (
            lambda x: layers.Reshape((1, 2, 3))(
                layers.Softmax()(layers.Reshape((2, 3))(x))
            ),
            "softmax",
        ),
        (
            lambda x: layers.Reshape((3, 2))(layers.Softmax()(x)),
            "softmax over another axis",
        ),
        (
            lambda x: layers.Softmax(axis=1)(layers.Reshape((3, 2))(x)),
            "softmax over another axis",
        ),
        (lambda x: ops.squeeze(layers.Dense(1, "sigmoid")(x), -1), "sigmoid"),
        (
            lambda x: layers.TimeDistributed(layers.Dense(2, "softmax"))(
                layers.Reshape((3, 2))(x)
            ),
            "softmax",
        ),
        (nested, "softmax"),
        (lambda x: layers.Lambda(own)(layers.Softmax()(x)), None),
        (layers.Activation(own), "own, a function of one's own"),
        (
            lambda x: layers.LSTM(3, activation="sigmoid")(layers.Reshape((3, 2))(x)),
            None,
        ),
        (layers.BatchNormalization(), None),
    ],
)
def test_the_activation_is_found(make, expected):
    assert last_activation(make(INPUTS)) == expected
