"""What the networks compute, written out once more in TensorFlow's operations."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from keras_mixup.models import resnet


class Hand:
    """Operations with the weights that layers of a network have."""

    def __init__(self, network, training=False):
        self.network, self.training = network, training

    def values(self, name):
        return [weight.numpy() for weight in self.network.get_layer(name).weights]

    def conv(self, x, name, strides=1, pad=None, groups=1):
        kernel, *bias = self.values(name)
        pad = kernel.shape[0] // 2 if pad is None else pad
        x = tf.pad(x, [[0, 0], [pad, pad], [pad, pad], [0, 0]])
        parts = zip(tf.split(x, groups, -1), tf.split(kernel, groups, -1), strict=True)
        y = tf.concat([tf.nn.conv2d(a, b, strides, "VALID") for a, b in parts], -1)
        return y + bias[0] if bias else y

    def norm(self, x, name):
        gamma, beta, mean, variance = self.values(name)
        if self.training:
            mean = tf.reduce_mean(x, [0, 1, 2])
            variance = tf.reduce_mean((x - mean) ** 2, [0, 1, 2])
        return gamma * (x - mean) / tf.sqrt(variance + 1e-5) + beta

    def active(self, x, name):
        return tf.nn.relu(self.norm(x, f"{name}_norm"))

    def dense(self, x, name):
        kernel, bias = self.values(name)
        return x @ kernel + bias

    def logits(self, x):
        return self.dense(tf.reduce_mean(x, [1, 2]), "logits")


def shaken(network, seed=0):
    """The network with weights such that each of them counts."""
    generator = np.random.default_rng(seed)
    for weight in network.weights:
        if "seed" in weight.path:
            continue
        values = generator.normal(scale=0.4, size=weight.shape)
        if weight.name == "gamma":
            values = 1 + 0.3 * values
        if weight.name == "moving_variance":
            values = np.exp(values)
        weight.assign(values)
    return network


def images(network, batch=3):
    size = (batch, *network.input_shape[1:])
    return np.random.default_rng(1).normal(size=size).astype("float32")


def compare(network, expected, x, training):
    result = network(x, training=training).numpy()
    assert result.std() > 1e-3  # Something to compare.
    np.testing.assert_allclose(
        result / result.std(), expected / result.std(), atol=2e-3
    )


def preactivation(hand, x, name, strides, projection, activated):
    """One block of PreAct ResNet and of WRN."""
    o = hand.active(x, f"{name}_1")
    kept = o if activated else x
    if projection:
        kept = hand.conv(o, f"{name}_projection", strides)
    o = hand.conv(o, f"{name}_conv_1", strides)
    return hand.conv(hand.active(o, f"{name}_2"), f"{name}_conv_2") + kept


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("shortcut", "size"), [("input", 11), ("activated", 8)])
def test_preact_resnet(shortcut, training, size):
    network = keras_mixup.models.build(
        "preact_resnet18",
        input_shape=(size, size, 2),
        num_classes=3,
        width=3,
        shortcut=shortcut,
    )
    x = images(shaken(network))
    hand, activated = Hand(network, training), shortcut == "activated"
    if activated:
        y = hand.active(hand.conv(x, "stem_conv"), "stem")
    else:
        y = hand.conv(x, "stem")
    for stage in (1, 2, 3, 4):
        for block in (1, 2):
            first = stage > 1 and block == 1
            name = f"stage_{stage}_block_{block}"
            y = preactivation(hand, y, name, 1 + first, first, activated)
    compare(network, hand.logits(y), x, training)


@pytest.mark.parametrize("training", [False, True])
def test_wide_resnet(training):
    network = keras_mixup.models.build(
        "wide_resnet28_10", input_shape=(8, 8, 3), num_classes=4, width=20, depth=16
    )
    x = images(shaken(network))
    hand = Hand(network, training)
    y = hand.conv(x, "stem")
    assert y.shape[-1] == 2
    for stage in (1, 2, 3):
        for block in (1, 2):
            strides = 2 if stage > 1 and block == 1 else 1
            name = f"stage_{stage}_block_{block}"
            y = preactivation(hand, y, name, strides, block == 1, False)
    compare(network, hand.logits(hand.active(y, "last")), x, training)


@pytest.mark.parametrize("training", [False, True])
def test_densenet(training):
    network = keras_mixup.models.build(
        "densenet_bc_190", input_shape=(8, 9, 3), num_classes=4, width=3, depth=16
    )
    x = images(shaken(network))
    hand = Hand(network, training)
    y = hand.conv(x, "stem")
    for stage in (1, 2, 3):
        for block in (1, 2):
            name = f"stage_{stage}_block_{block}"
            z = hand.conv(hand.active(y, f"{name}_1"), f"{name}_1_conv")
            z = hand.conv(hand.active(z, f"{name}_2"), f"{name}_2_conv")
            y = tf.concat([y, z], -1)
        assert network.get_layer(f"stage_{stage}").output.shape[1:] == y.shape[1:]
        if stage < 3:
            name = f"transition_{stage}"
            y = hand.conv(hand.active(y, name), f"{name}_conv")
            y = tf.nn.avg_pool2d(y, 2, 2, "VALID")
    # 6 + 3 + 3 is halved to 6, twice.
    assert y.shape[-1] == 12
    compare(network, hand.logits(hand.active(y, "last")), x, training)


def bottlenecks(hand, x, blocks, groups, inner=True):
    """ResNet and ResNeXt, with or without what is beside the shortcuts."""
    y = tf.nn.relu(hand.norm(hand.conv(x, "stem_conv", 2), "stem_norm"))
    y = tf.pad(y, [[0, 0], [1, 1], [1, 1], [0, 0]], constant_values=-np.inf)
    y = tf.nn.max_pool2d(y, 3, 2, "VALID")
    for stage, count in enumerate(blocks, start=1):
        for block in range(1, count + 1):
            name = f"stage_{stage}_block_{block}"
            strides = 2 if stage > 1 and block == 1 else 1
            kept = y
            if block == 1:
                kept = hand.conv(y, f"{name}_projection", strides)
                kept = hand.norm(kept, f"{name}_projection_norm")
            z = hand.active(hand.conv(y, f"{name}_conv_1"), f"{name}_1")
            z = hand.conv(z, f"{name}_conv_2", strides, groups=groups)
            z = hand.conv(hand.active(z, f"{name}_2"), f"{name}_conv_3")
            y = kept
            if inner:
                y += hand.norm(z, f"{name}_3_norm")
            y = tf.nn.relu(y)
    return hand.logits(y)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("width", "groups"), [(3, 1), (16, 32)])
def test_resnet_and_resnext(width, groups, training):
    blocks = (2, 1, 1, 2)
    network = resnet.bottleneck_resnet(
        (37, 32, 3), 4, blocks, width=width, cardinality=groups
    )
    x = images(shaken(network), batch=2)
    expected = bottlenecks(Hand(network, training), x, blocks, groups)
    compare(network, expected, x, training)


def test_a_block_of_resnet_begins_as_its_shortcut():
    network = resnet.bottleneck_resnet((32, 32, 3), 4, (2, 1, 1, 1), width=4)
    x = images(network)
    hand = Hand(network)
    expected = bottlenecks(hand, x, (2, 1, 1, 1), 1, inner=False)
    compare(network, expected, x, training=False)
    kernel, bias = hand.values("logits")
    assert not bias.any() and abs(kernel.std() / 0.01 - 1) < 0.2


def pool(x):
    return tf.nn.max_pool2d(x, 2, 2, "VALID")


def test_lenet():
    network = keras_mixup.models.build(
        "lenet", input_shape=(17, 20, 2), num_classes=4, width=3
    )
    x = images(shaken(network))
    hand = Hand(network)
    y = tf.nn.relu(pool(hand.conv(x, "stage_1_conv", pad=0)))
    y = tf.nn.relu(pool(hand.conv(y, "stage_2_conv", pad=0)))
    y = tf.reshape(y, (3, -1))
    y = tf.nn.relu(hand.dense(y, "hidden"))
    assert y.shape[-1] == 150
    compare(network, hand.dense(y, "logits"), x, training=False)


@pytest.mark.parametrize("training", [False, True])
def test_vgg11(training):
    network = keras_mixup.models.build(
        "vgg11", input_shape=(33, 65, 1), num_classes=4, width=2
    )
    x = images(shaken(network))
    hand = Hand(network, training)
    y, widths = x, []
    for stage, count in enumerate([1, 1, 2, 2, 2], start=1):
        for index in range(1, count + 1):
            name = f"stage_{stage}_{index}"
            y = hand.active(hand.conv(y, f"{name}_conv"), name)
            widths.append(y.shape[-1])
        y = pool(y)
    assert widths == [2, 4, 8, 8, 16, 16, 16, 16]
    y = hand.dense(tf.reshape(y, (3, -1)), "hidden")
    compare(network, hand.dense(y, "logits"), x, training)


def dropped(network, before, after):
    """What a dropout is given and gives in training."""
    places = [network.get_layer(name).output for name in (before, after)]
    seen = keras.Model(network.input, places)
    return [y.numpy() for y in seen(images(network, batch=8), training=True)]


@pytest.mark.parametrize("name", ["preact_resnet18", "wide_resnet28_10"])
def test_dropout_of_a_block_is_elementwise_and_between_relu_and_convolution(name):
    network = keras_mixup.models.build(
        name, input_shape=(8, 8, 3), num_classes=3, width=10, dropout=0.3
    )
    layers = [x for x in network.layers if isinstance(x, keras.layers.Dropout)]
    assert len(layers) == {"preact_resnet18": 8, "wide_resnet28_10": 12}[name]
    for layer in layers:
        block = layer.name.removesuffix("_dropout")
        assert layer.input is network.get_layer(f"{block}_2_relu").output
        assert network.get_layer(f"{block}_conv_2").input is layer.output
    given, gives = dropped(network, "stage_1_block_1_2_relu", layers[0].name)
    kept, gone = gives != 0, (gives == 0) & (given > 0)
    np.testing.assert_allclose(gives[kept], given[kept] / 0.7, rtol=1e-5)
    share = gone.sum() / (given > 0).sum()
    np.testing.assert_allclose(share, 0.3, atol=0.05)
    # Whole channels would be kept or dropped in each image.
    assert np.all(np.any(gone, axis=(1, 2)) == np.any(given > 0, axis=(1, 2)))


def test_dropouts_of_lenet():
    network = keras_mixup.models.build(
        "lenet", input_shape=(24, 24, 1), num_classes=3, width=8
    )
    given, gives = dropped(network, "stage_2_conv", "channel_dropout")
    whole = np.all(gives == 0, axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(gives, np.where(whole, 0, 2 * given), rtol=1e-6)
    np.testing.assert_allclose(whole.mean(), 0.5, atol=0.25)
    assert network.get_layer("stage_2_pool").input is (
        network.get_layer("channel_dropout").output
    )
    given, gives = dropped(network, "hidden_relu", "dropout")
    np.testing.assert_allclose(np.mean(gives[given > 0] == 0), 0.5, atol=0.05)
    assert network.get_layer("logits").input is network.get_layer("dropout").output
    plain = keras_mixup.models.build("lenet", dropout=0.0, width=1)
    assert not any("dropout" in layer.name for layer in plain.layers)
