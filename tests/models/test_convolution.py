"""The parts of the convolutional networks: padding, groups, first values, penalties."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup.models import convolution


def convolved(shape, **arguments):
    """A network of one convolution called `conv`."""
    parts = convolution.Parts(**arguments.pop("parts", {}))
    inputs = keras.Input(shape)
    return keras.Model(inputs, parts.convolve(inputs, name="conv", **arguments))


def convolve_by_hand(x, kernel, strides, padding):
    """Sums of products, one place after the other."""
    x = np.pad(x, [(0, 0), (padding, padding), (padding, padding), (0, 0)])
    size = kernel.shape[0]
    rows = [
        [
            np.tensordot(x[:, i : i + size, j : j + size], kernel, axes=3)
            for j in range(0, x.shape[2] - size + 1, strides)
        ]
        for i in range(0, x.shape[1] - size + 1, strides)
    ]
    return np.stack([np.stack(row, axis=1) for row in rows], axis=1)


@pytest.mark.parametrize("shape", [(6, 6, 2), (7, 7, 2), (6, 7, 2)])
@pytest.mark.parametrize(("size", "strides"), [(3, 1), (3, 2), (7, 2), (1, 2)])
def test_zeros_stand_on_every_side_as_in_pytorch(shape, size, strides):
    network = convolved(shape, filters=3, size=size, strides=strides)
    x = np.random.default_rng(0).normal(size=(2, *shape)).astype("float32")
    kernel = network.get_layer("conv").kernel.numpy()
    expected = convolve_by_hand(x, kernel, strides, padding=size // 2)
    np.testing.assert_allclose(network(x), expected, atol=1e-5)
    if size > 1 and strides > 1 and shape[0] % 2 == 0:
        same = tf.nn.conv2d(x, kernel, strides, "SAME")
        assert same.shape == expected.shape and np.abs(same - expected).max() > 0.01


def test_a_convolution_without_padding():
    network = convolved((7, 6, 1), filters=2, size=5, pad=False, bias=True)
    x = np.random.default_rng(0).normal(size=(2, 7, 6, 1)).astype("float32")
    kernel, bias = (weight.numpy() for weight in network.weights)
    expected = convolve_by_hand(x, kernel, 1, padding=0) + bias
    assert expected.shape == (2, 3, 2, 2) and np.all(bias != 0)
    np.testing.assert_allclose(network(x), expected, atol=1e-5)


@pytest.mark.parametrize("strides", [1, 2])
def test_groups_see_their_own_channels_alone(strides):
    network = convolved((6, 6, 12), filters=8, size=3, strides=strides, groups=4)
    kernel = network.get_layer("conv").kernel.numpy()
    assert kernel.shape == (3, 3, 3, 8)
    x = np.random.default_rng(0).normal(size=(2, 6, 6, 12)).astype("float32")
    groups = [
        convolve_by_hand(
            x[..., 3 * group : 3 * group + 3],
            kernel[..., 2 * group : 2 * group + 2],
            strides,
            padding=1,
        )
        for group in range(4)
    ]
    np.testing.assert_allclose(network(x), np.concatenate(groups, -1), atol=1e-5)


@pytest.mark.parametrize("groups", [1, 4])
def test_kernels_and_biases_begin_as_in_pytorch(groups):
    network = convolved((4, 4, 64), filters=128, size=3, groups=groups, bias=True)
    kernel, bias = (weight.numpy() for weight in network.weights)
    bound = 1 / np.sqrt(64 * 9 / groups)
    for values in (kernel, bias):
        assert 0.95 * bound < np.abs(values).max() <= bound
        np.testing.assert_allclose(values.std(), bound / np.sqrt(3), rtol=0.15)
    np.testing.assert_allclose(kernel.std(), bound / np.sqrt(3), rtol=0.01)


def test_he_normal_counts_what_goes_out_and_has_its_tails():
    given = {"initializer": convolution.he_normal}
    network = convolved((4, 4, 64), filters=128, size=3, parts=given)
    kernel = network.get_layer("conv").kernel.numpy()
    deviation = np.sqrt(2 / (9 * 128))
    np.testing.assert_allclose(kernel.std(), deviation, rtol=0.01)
    # A truncated normal has nothing beyond two of its own deviations.
    np.testing.assert_allclose(
        np.mean(np.abs(kernel) > 2 * deviation), 0.0455, rtol=0.1
    )


@pytest.mark.parametrize(
    "initializer", [convolution.torch_uniform, convolution.he_normal]
)
def test_two_layers_do_not_begin_alike(initializer):
    parts = convolution.Parts(initializer)
    inputs = keras.Input((4, 4, 2))
    one, two = (parts.convolve(inputs, 2, 3, name) for name in "ab")
    one, two = keras.Model(inputs, [one, two]).weights
    assert np.all(one.numpy() != two.numpy())


@pytest.mark.parametrize("decay_norms", [True, False])
def test_the_gradient_of_the_penalties_is_pytorchs_weight_decay(decay_norms):
    parts = convolution.Parts(weight_decay=0.2, decay_norms=decay_norms)
    inputs = keras.Input((4, 4, 1))
    features = parts.convolve(inputs, 2, 3, "conv", strides=2, bias=True)
    features = keras.layers.Flatten()(parts.activate(features, "first"))
    network = keras.Model(inputs, parts.classify(features, 3))
    for weight in network.trainable_variables:
        weight.assign(np.random.default_rng(0).normal(size=weight.shape))
    with tf.GradientTape() as tape:
        loss = tf.add_n(network.losses)
    variables = network.trainable_variables
    gradients = tape.gradient(loss, [variable.value for variable in variables])
    assert len(variables) == 6
    for variable, gradient in zip(variables, gradients, strict=True):
        if variable.name in ("gamma", "beta") and not decay_norms:
            assert gradient is None
        else:
            np.testing.assert_allclose(gradient, 0.2 * variable.numpy(), rtol=1e-6)


def test_batch_norm_moves_by_a_tenth():
    inputs = keras.Input((2, 2, 1))
    network = keras.Model(inputs, convolution.Parts().normalize(inputs, "norm"))
    x = np.array([1.0, 2.0, 3.0, 6.0], "float32").reshape(1, 2, 2, 1)
    y = network(x, training=True)
    norm = network.get_layer("norm")
    np.testing.assert_allclose(norm.moving_mean, [0.9 * 0 + 0.1 * 3], rtol=1e-6)
    np.testing.assert_allclose(y[0, 0, 0, 0], -2 / np.sqrt(3.5 + 1e-5), rtol=1e-6)
    small = network(1e-3 * x, training=True)  # Here epsilon is not small.
    np.testing.assert_allclose(
        small[0, 0, 0, 0], -2e-3 / np.sqrt(3.5e-6 + 1e-5), rtol=1e-3
    )
