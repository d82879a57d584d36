"""Whether a model ends in logits is read from the model, and never from its scores."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from keras_mixup.ends_in_logits import ends_in_logits
from keras_mixup.evaluation import between, fgsm

SPARSE = keras.losses.SparseCategoricalCrossentropy
SPARSE_CROSSENTROPY = keras.losses.sparse_categorical_crossentropy
SPARSE_PARTIAL = functools.partial(SPARSE_CROSSENTROPY, from_logits=True)


class OwnLoss(keras.losses.Loss):
    """A loss of the user's own that says how it reads the output."""

    def call(self, y_true, y_pred):
        return SPARSE_CROSSENTROPY(y_true, y_pred, from_logits=True)

    def get_config(self):
        return {**super().get_config(), "from_logits": True}


def ending(*layers, loss=None):
    inputs = keras.Input((3,))
    outputs = inputs
    for layer in layers:
        outputs = layer(outputs)
    model = keras.Model(inputs, outputs)
    if loss is not None:
        model.compile(loss=loss)
    return model


def dense(activation=None):
    return keras.layers.Dense(2, activation)


def subclassed(loss=None):
    class Subclassed(keras.Model):
        def call(self, x):
            return x[:, :2]

    model = Subclassed()
    if loss is not None:
        model.compile(loss=loss)
    return model


def opaque():
    return keras.layers.Lambda(lambda x: x)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: ending(dense()), True),
        (lambda: ending(dense("softmax")), False),
        (lambda: ending(dense("sigmoid")), False),
        (lambda: ending(dense("log_softmax")), True),
        (lambda: ending(dense(), keras.layers.Softmax()), False),
        (lambda: ending(dense(), keras.ops.softmax), False),
        (lambda: ending(dense(), keras.layers.Activation("softmax")), False),
        (lambda: ending(dense(), keras.layers.Activation("linear")), True),
        (lambda: ending(dense("softmax"), keras.layers.Dropout(0.5)), False),
        (lambda: ending(ending(dense("softmax"))), False),
        (lambda: ending(dense(), loss=SPARSE(from_logits=True)), True),
        (lambda: ending(dense(), opaque(), loss=SPARSE(from_logits=True)), True),
        (lambda: ending(dense(), opaque(), loss=SPARSE()), False),
        (lambda: ending(dense(), opaque(), loss=[SPARSE()]), False),
        (lambda: subclassed("sparse_categorical_crossentropy"), False),
        (lambda: subclassed("SparseCategoricalCrossentropy"), False),
        (lambda: subclassed(keras.losses.categorical_crossentropy), False),
        (lambda: ending(dense("softmax"), loss="crossentropy"), False),
        (lambda: ending(dense(), opaque(), loss=SPARSE_PARTIAL), True),
        (lambda: ending(dense(), opaque(), loss=OwnLoss()), True),
    ],
)  # fmt: skip
def test_the_model_says(make, expected):
    assert ends_in_logits(make()) is expected


NEITHER = "Cannot tell whether the model .* holds logits"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (subclassed, NEITHER),
        (lambda: subclassed("mse"), NEITHER),
        (lambda: subclassed(lambda y, p: p[:, 0]), NEITHER),
        (lambda: ending(dense(), opaque()), NEITHER),
        (lambda: ending(dense("relu")), NEITHER),
        (
            lambda: ending(dense("softmax"), loss=SPARSE(from_logits=True)),
            "from_logits=True, and the last activation is softmax",
        ),
        (
            lambda: ending(dense(), loss="sparse_categorical_crossentropy"),
            "from_logits=False, and the last activation is linear",
        ),
        (lambda: ending(dense("softmax"), loss=OwnLoss()), "activation is softmax"),
        (lambda: ending(dense("log_softmax"), loss=SPARSE()), "is log_softmax"),
        # The margins of a hinge are not logits.
        (
            lambda: ending(dense(), loss="categorical_hinge"),
            "loss is categorical_hinge",
        ),
    ],
)
def test_what_cannot_be_known_is_asked_for(make, message):
    model = make()
    with pytest.raises(ValueError, match=f"{message}.*Expected from_logits="):
        ends_in_logits(model)
    for given in (True, False):
        if "softmax" not in message or given == ("log_" in message):
            assert ends_in_logits(model, None, given) is given


def test_the_loss_is_that_of_the_wrapper_or_of_the_network():
    network = ending(dense(), opaque(), loss=SPARSE())
    assert ends_in_logits(network) is False
    assert ends_in_logits(network, SPARSE(from_logits=True)) is True
    model = keras_mixup.MixUpModel(network, keras_mixup.MixUp())
    x = np.zeros((1, 3), "float32")
    assert fgsm(model, x, [0], 1.0, (-9, 9)).shape == (1, 3)


def test_what_the_last_activation_contradicts_is_refused():
    with pytest.raises(ValueError, match="Expected True, since .* is log_softmax"):
        ends_in_logits(ending(dense("log_softmax")), None, False)
    with pytest.raises(ValueError, match="Expected True, False or None. Received"):
        ends_in_logits(ending(dense()), None, "yes")


def test_true_for_a_softmax_is_refused():
    model = ending(dense("softmax"))
    x = np.zeros((1, 3), "float32")
    with pytest.raises(ValueError, match="Expected False, since .* is softmax"):
        fgsm(model, x, [0], 1.0, from_logits=True)
    with pytest.raises(ValueError, match="Expected False, since .* is softmax"):
        between(model, x, [0], x, [1], from_logits=True, progress=False)
    with pytest.raises(ValueError, match="Cannot tell whether the model"):
        fgsm(subclassed(), x, [0], 1.0)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_logits_that_look_like_probabilities_stay_logits(jit_compile):
    # One example whose logits are (0.25, 0.75): refused once, as a distribution.
    model = ending(dense())
    kernel = np.array([[0.25, 0.75], [1, -1], [0, 0]])
    model.layers[-1].set_weights([kernel, np.zeros(2)])
    attack = tf.function(
        lambda x: fgsm(model, x, [0], 1.0, (-9, 9)), jit_compile=jit_compile
    )
    x = np.array([[1.0, 0, 0]], "float32")
    # Class 1 less class 0 is (0.5, -2, 0): up the loss of class 0.
    np.testing.assert_array_equal(attack(x), [[2, -1, 0]])
