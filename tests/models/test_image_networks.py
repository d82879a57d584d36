"""The networks for images and spectrograms: sizes, names, penalties, uses, errors."""

import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from keras_mixup.models import resnet
from keras_mixup.training import cuts

slow = pytest.mark.slow
STEM = ["stem", "stage_1", "stage_2", "stage_3", "stage_4"]


def conv(before, after, size, groups=1, bias=False):
    return before // groups * after * size**2 + bias * after


def norm(channels):
    return 2 * channels


def dense(before, after):
    return (before + 1) * after


def preact_resnet(channels, classes, width=64, activated=False):
    total = conv(channels, width, 3) + activated * norm(width)
    before = width
    for after in (width, 2 * width, 4 * width, 8 * width):
        for _ in range(2):
            total += norm(before) + conv(before, after, 3)
            total += norm(after) + conv(after, after, 3)
            total += conv(before, after, 1) * (before != after)
            before = after
    return total + dense(before, classes)


def wide_resnet(channels, classes, width=160, blocks=4):
    before = width // 10
    total = conv(channels, before, 3)
    for after in (width, 2 * width, 4 * width):
        for block in range(blocks):
            total += norm(before) + conv(before, after, 3)
            total += norm(after) + conv(after, after, 3)
            total += conv(before, after, 1) * (block == 0)
            before = after
    return total + norm(before) + dense(before, classes)


def densenet(channels, classes, growth=40, blocks=31):
    before = 2 * growth
    total = conv(channels, before, 3)
    for stage in range(3):
        for _ in range(blocks):
            total += norm(before) + conv(before, 4 * growth, 1)
            total += norm(4 * growth) + conv(4 * growth, growth, 3)
            before += growth
        if stage < 2:
            total += norm(before) + conv(before, before // 2, 1)
            before //= 2
    return total + norm(before) + dense(before, classes)


def bottlenecks(channels, classes, blocks, inner=64, groups=1, width=64):
    total, before = conv(channels, width, 7) + norm(width), width
    for stage, count in enumerate(blocks):
        hidden, after = inner * 2**stage, 4 * width * 2**stage
        for block in range(count):
            total += conv(before, hidden, 1) + norm(hidden)
            total += conv(hidden, hidden, 3, groups) + norm(hidden)
            total += conv(hidden, after, 1) + norm(after)
            total += (conv(before, after, 1) + norm(after)) * (block == 0)
            before = after
    return total + dense(before, classes)


def lenet(channels, classes, width=20, flat=16280):
    total = conv(channels, width, 5, bias=True) + conv(width, width, 5, bias=True)
    return total + dense(flat, 50 * width) + dense(50 * width, classes)


def vgg11(channels, classes, width=64, flat=7680):
    total, before = 0, channels
    for times in (1, 2, 4, 4, 8, 8, 8, 8):
        total += conv(before, times * width, 3, bias=True) + norm(times * width)
        before = times * width
    return total + dense(flat, 8 * width) + dense(8 * width, classes)


CIFAR, IMAGENET, SPEECH = ((32, 32, 3), 10), ((224, 224, 3), 1000), ((161, 101, 1), 30)
IMAGENET_STAGES = [
    (56, 56, 64),
    (56, 56, 256),
    (28, 28, 512),
    (14, 14, 1024),
    (7, 7, 2048),
]
# The data, the number of parameters as published or counted with a pencil, the same
# from the architecture's table, and the shapes after the stem and after each stage.
FULL_SIZE = {
    "preact_resnet18": (
        CIFAR,
        11_171_146,
        preact_resnet(3, 10),
        [(32, 32, 64), (32, 32, 64), (16, 16, 128), (8, 8, 256), (4, 4, 512)],
    ),
    "wide_resnet28_10": (
        CIFAR,
        36_479_194,
        wide_resnet(3, 10),
        [(32, 32, 16), (32, 32, 160), (16, 16, 320), (8, 8, 640)],
    ),
    "densenet_bc_190": (
        CIFAR,
        25_624_430,
        densenet(3, 10),
        [(32, 32, 80), (32, 32, 1320), (16, 16, 1900), (8, 8, 2190)],
    ),
    "resnet50": (
        IMAGENET,
        25_557_032,
        bottlenecks(3, 1000, (3, 4, 6, 3)),
        IMAGENET_STAGES,
    ),
    "resnet101": (
        IMAGENET,
        44_549_160,
        bottlenecks(3, 1000, (3, 4, 23, 3)),
        IMAGENET_STAGES,
    ),
    "resnext101_32x4d": (
        IMAGENET,
        44_177_704,
        bottlenecks(3, 1000, (3, 4, 23, 3), inner=128, groups=32),
        IMAGENET_STAGES,
    ),
    "resnext101_64x4d": (
        IMAGENET,
        83_455_272,
        bottlenecks(3, 1000, (3, 4, 23, 3), inner=256, groups=64),
        IMAGENET_STAGES,
    ),
    "lenet": (
        SPEECH,
        520 + 10_020 + 16_281_000 + 30_030,
        lenet(1, 30),
        [(78, 48, 20), (37, 22, 20)],
    ),
    "vgg11": (
        SPEECH,
        13_172_894,
        vgg11(1, 30),
        [(80, 50, 64), (40, 25, 128), (20, 12, 256), (10, 6, 512), (5, 3, 512)],
    ),
}
SLOW = ("densenet_bc_190", "resnet101", "resnext101_32x4d", "resnext101_64x4d")


def stages_of(network):
    names = [layer.name for layer in network.layers]
    return [name for name in [*STEM, "stage_5"] if name in names]


def count(variables):
    return sum(int(np.prod(variable.shape)) for variable in variables)


@pytest.mark.parametrize(
    "name", [pytest.param(key, marks=slow) if key in SLOW else key
             for key in FULL_SIZE]
)  # fmt: skip
def test_full_size(name):
    (shape, classes), published, by_hand, shapes = FULL_SIZE[name]
    network = keras_mixup.models.build(name, input_shape=shape, num_classes=classes)
    assert published == by_hand
    assert count(network.trainable_variables) == by_hand
    norms = [x for x in network.layers if "norm" in x.name]
    assert network.count_params() - by_hand == sum(2 * x.beta.shape[0] for x in norms)
    found = [network.get_layer(stage).output.shape[1:] for stage in stages_of(network)]
    assert found == shapes
    assert network.name == name and network.output_shape == (None, classes)
    assert network.layers[-1].name == "logits"
    assert network.layers[-1].activation is keras.activations.linear
    assert network.losses == []
    assert not any(isinstance(x, keras.layers.Lambda) for x in network.layers)
    for layer in norms:
        assert (layer.momentum, layer.epsilon) == (0.9, 1e-5)
    for layer in network.layers:
        if isinstance(layer, keras.layers.Conv2D):
            assert layer.use_bias == (name in ("lenet", "vgg11"))


def test_defaults_are_full_size():
    widths = {
        name: inspect.signature(keras_mixup.models._BUILDERS[name])
        .parameters["width"]
        .default
        for name in FULL_SIZE
    }
    assert widths == {
        "preact_resnet18": 64, "wide_resnet28_10": 160, "densenet_bc_190": 40,
        "resnet50": 64, "resnet101": 64, "resnext101_32x4d": 64,
        "resnext101_64x4d": 64, "lenet": 20, "vgg11": 64,
    }  # fmt: skip
    assert set(keras_mixup.models.names()) >= set(FULL_SIZE)


@pytest.mark.parametrize("height", [160, 161])
@pytest.mark.parametrize(("name", "flat"), [("lenet", 16280), ("vgg11", 7680)])
def test_spectrograms_of_160_rows_are_flattened_alike(name, flat, height):
    network = keras_mixup.models.build(
        name, input_shape=(height, 101, 1), num_classes=30, width=4
    )
    full_width = {"lenet": 20, "vgg11": 64}[name]
    assert network.get_layer("flatten").output.shape[1] * full_width // 4 == flat


def build(name, **arguments):
    """A small network of each family, and the parameters that it should have."""
    image = {"num_classes": 3, **arguments}
    if name == "activated":
        image["shortcut"], name = "activated", "preact_resnet18"
        expected = preact_resnet(3, 3, width=4, activated=True)
    elif name == "preact_resnet18":
        expected = preact_resnet(3, 3, width=4)
    if name == "preact_resnet18":
        image.update(input_shape=(8, 8, 3), width=4)
    elif name == "wide_resnet28_10":
        image.update(input_shape=(8, 8, 3), width=10, depth=16)
        expected = wide_resnet(3, 3, width=10, blocks=2)
    elif name == "densenet_bc_190":
        image.update(input_shape=(8, 8, 3), width=3, depth=16)
        expected = densenet(3, 3, growth=3, blocks=2)
    elif name == "resnet":
        network = resnet.bottleneck_resnet(
            (32, 32, 3), blocks=(1, 2, 1, 1), width=4, **image
        )
        return network, bottlenecks(3, 3, (1, 2, 1, 1), inner=4, width=4)
    elif name == "resnext":
        network = resnet.bottleneck_resnet(
            (32, 32, 3), blocks=(1, 1, 1, 1), width=16, cardinality=64, **image
        )
        ones = (1, 1, 1, 1)
        return network, bottlenecks(3, 3, ones, inner=64, groups=64, width=16)
    elif name == "lenet":
        image.update(input_shape=(16, 16, 1), width=2)
        expected = lenet(1, 3, width=2, flat=2)
    elif name == "vgg11":
        image.update(input_shape=(32, 32, 1), width=2)
        expected = vgg11(1, 3, width=2, flat=16)
    return keras_mixup.models.build(name, **image), expected


SMALL = [
    "preact_resnet18", "activated", "wide_resnet28_10", "densenet_bc_190", "resnet",
    "resnext", "lenet", "vgg11",
]  # fmt: skip
small = pytest.mark.parametrize("name", SMALL)
# What takes a second of each network. The other half differs in blocks that the first
# has (or, as vgg11, in how many), and is tried by `make test-all`.
OTHERS = ("activated", "wide_resnet28_10", "resnext", "vgg11")
half = pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=slow) if name in OTHERS else name for name in SMALL],
)


def batch(network, size=4):
    generator = np.random.default_rng(0)
    x = generator.normal(size=(size, *network.input_shape[1:])).astype("float32")
    return x, generator.integers(0, 3, size)


def shaken(network):
    generator = np.random.default_rng(0)
    for weight in network.weights:
        if weight.name in ("gamma", "beta", "moving_mean", "moving_variance"):
            weight.assign(generator.uniform(0.5, 1.5, weight.shape))
    return network


@half
def test_weight_decay_is_on_the_right_parameters_and_halved(name):
    network, _ = build(name, weight_decay=0.01)
    shaken(network)
    variables = network.trainable_variables
    if name in ("resnet", "resnext"):
        variables = [v for v in variables if v.name not in ("gamma", "beta")]
        assert {v.name for v in variables} == {"kernel", "bias"}
    squares = sum(np.sum(v.numpy().astype("float64") ** 2) for v in variables)
    np.testing.assert_allclose(sum(network.losses), 0.005 * squares, rtol=1e-4)
    assert len(network.losses) == len(variables)


@small
def test_logits_begin_as_the_architecture_says(name):
    network, _ = build(name, num_classes=400)
    kernel, bias = (w.numpy() for w in network.get_layer("logits").weights)
    bound = 1 / np.sqrt(kernel.shape[0])
    if name in ("resnet", "resnext"):
        np.testing.assert_allclose(kernel.std(), 0.01, rtol=0.05)
        assert not bias.any()
    else:
        np.testing.assert_allclose(np.abs(kernel).max(), bound, rtol=0.02)
        np.testing.assert_allclose(kernel.std(), bound / np.sqrt(3), rtol=0.05)
        limit = 0 if name == "densenet_bc_190" else bound
        np.testing.assert_allclose(np.abs(bias).max(), limit, rtol=0.02)


@small
def test_a_smaller_network_has_and_begins_as_its_architecture_says(name):
    network, parameters = build(name)
    assert count(network.trainable_variables) == parameters
    assert network.losses == []
    layers = [x for x in network.layers if isinstance(x, keras.layers.Conv2D)]
    ratios = []
    for layer in layers:
        kernel = layer.kernel.numpy()
        rows, columns, before, after = kernel.shape
        if name in ("resnet", "resnext", "densenet_bc_190"):
            expected = np.sqrt(2 / (rows * columns * after))
        else:
            expected = 1 / np.sqrt(3 * rows * columns * before)
        ratios += list((kernel / expected).ravel())
    np.testing.assert_allclose(np.std(ratios), 1, rtol=0.15)


@half
def test_saved_and_loaded(name, tmp_path):
    network, _ = build(name, weight_decay=0.01)
    shaken(network).save(tmp_path / "network.keras")
    loaded = keras.models.load_model(tmp_path / "network.keras")
    x, _ = batch(network)
    np.testing.assert_array_equal(loaded(x), network(x))
    np.testing.assert_array_equal(sum(loaded.losses), sum(network.losses))
    assert [x.name for x in loaded.layers] == [x.name for x in network.layers]


@half
@pytest.mark.parametrize("bits", ["float16", pytest.param("bfloat16", marks=slow)])
def test_logits_are_float32_where_the_rest_has_16_bits(name, bits):
    network, _ = build(name)
    keras.config.set_dtype_policy(f"mixed_{bits}")
    mixed, _ = build(name)
    mixed.set_weights(shaken(network).get_weights())
    x, _ = batch(network)
    logits = mixed(x)
    assert logits.dtype == tf.float32
    for layer in mixed.layers:
        if isinstance(layer, keras.layers.Conv2D):
            assert layer.output.dtype == bits and layer.kernel.dtype == "float32"
    expected = network(x).numpy()
    assert np.any(expected != logits)
    error = np.abs(expected - logits).max() / np.abs(expected).max()
    assert error < {"float16": 0.01, "bfloat16": 0.08}[bits]


@half
def test_everything_passes_through_the_stages(name):
    network, _ = build(name)
    shaken(network)
    stages = stages_of(network)
    lengths = {"wide_resnet28_10": 4, "densenet_bc_190": 4, "lenet": 2}
    assert len(stages) == lengths.get(name, 5)
    x, _ = batch(network)
    y = x
    for segment in cuts.cut(network, stages):
        y = segment(y)
    np.testing.assert_allclose(y, network(x), rtol=1e-4, atol=1e-5)


def step(network, place, how, steps=1):
    """Steps, or one; the last loss and the names of the variables that moved."""
    model = keras_mixup.MixUpModel(
        network, keras_mixup.MixUp(1.0, seed=3), mix_at=[place]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
    model.compile(optimizer=optimizer, loss=loss, **how)
    before = network.get_weights()
    for _ in range(steps):
        value = model.train_on_batch(*batch(network))
    moved = [
        variable.path
        for variable, old in zip(network.weights, before, strict=True)
        if np.any(variable.numpy() != old)
    ]
    assert np.isfinite(value)
    assert all(np.all(np.isfinite(weight)) for weight in network.get_weights())
    return value, moved


# Without a graph one step takes less than tracing it does.
EAGER, GRAPH, COMPILED = (
    {"run_eagerly": True}, {"jit_compile": False}, {"jit_compile": True},
)  # fmt: skip


@half
@pytest.mark.parametrize("how", [
    EAGER, pytest.param(GRAPH, marks=slow), pytest.param(COMPILED, marks=slow),
], ids=["eager", "graph", "compiled"])  # fmt: skip
def test_one_step_mixed_at_a_stage(name, how):
    network, _ = build(name)
    _, moved = step(shaken(network), "stage_2", how)
    # What the next batch norm takes off again has no gradient, but for rounding.
    absorbed = ("conv/bias", "seed_generator_state")
    if name in ("resnet", "resnext"):
        absorbed += ("stem_norm/beta",)
    wanted = {w.path for w in network.weights if not w.path.endswith(absorbed)}
    assert not wanted - set(moved)


def test_weight_decay_is_counted_once_where_the_loss_has_two_terms():
    losses = []
    for weight_decay in (0.0, 0.02):
        keras.utils.set_random_seed(1)
        network, _ = build("lenet", dropout=0.0, weight_decay=weight_decay)
        penalty = float(sum(network.losses))
        losses.append(step(network, "stage_1", EAGER)[0])
    np.testing.assert_allclose(losses[1] - losses[0], penalty, rtol=1e-4)
    assert penalty > 0.1


@slow
@pytest.mark.parametrize("bits", ["float16", "bfloat16"])
@small
def test_compiled_steps_in_16_bits(name, bits):
    keras.config.set_dtype_policy(f"mixed_{bits}")
    network, _ = build(name)
    # Keras scales the loss by 2^15 and leaves out steps till nothing overflows.
    assert "logits/kernel" in step(network, "stage_1", COMPILED, steps=6)[1]


@slow
@pytest.mark.parametrize("name", FULL_SIZE)
def test_one_step_at_full_size(name):
    (shape, _), *_ = FULL_SIZE[name]
    if shape[0] == 224:
        shape = (64, 64, 3)
    network = keras_mixup.models.build(name, input_shape=shape, num_classes=3)
    _, moved = step(network, "stage_1", GRAPH)
    assert "logits/kernel" in moved


@pytest.mark.parametrize("name", ["preact_resnet18", "wide_resnet28_10",
                                  "densenet_bc_190"])  # fmt: skip
def test_images_of_any_size(name):
    small_one = {"depth": 10} if name != "preact_resnet18" else {}
    network = keras_mixup.models.build(
        name, input_shape=(None, None, 3), num_classes=3, width=4, **small_one
    )
    assert network(np.zeros((2, 12, 9, 3))).shape == (2, 3)


OTHER_FIRST = "Invalid value received for argument"
WRONG = [
    ("preact_resnet18", {"input_shape": (7, 8, 3)}, "height and width >= 8"),
    ("preact_resnet18", {"input_shape": (32, 32)}, r"Received: input_shape=\(32, 32\)"),
    ("preact_resnet18", {"input_shape": (32, 32, 0)}, OTHER_FIRST + " `input_shape`"),
    ("preact_resnet18", {"input_shape": (32, 32, None)}, "`input_shape`"),
    ("preact_resnet18", {"num_classes": 0}, "integer >= 1. Received: num_classes=0"),
    ("preact_resnet18", {"num_classes": None}, "Received: num_classes=None"),
    ("preact_resnet18", {"width": 0}, "argument `width`. Expected an integer >= 1"),
    ("preact_resnet18", {"width": 2.5}, r"Received: width=2\.5"),
    ("preact_resnet18", {"weight_decay": -1e-4}, "Received: weight_decay=-0.0001"),
    ("preact_resnet18", {"weight_decay": float("nan")}, "argument `weight_decay`"),
    ("preact_resnet18", {"dropout": 1.0}, r"argument `dropout`.*\[0, 1\)"),
    ("preact_resnet18", {"shortcut": "x"}, r"\['input', 'activated'\].*shortcut='x'"),
    ("wide_resnet28_10", {"depth": 27}, r"6 n \+ 4.*Received: depth=27"),
    ("wide_resnet28_10", {"depth": 4}, "Received: depth=4"),
    ("wide_resnet28_10", {"input_shape": (3, 3, 3)}, "height and width >= 4"),
    ("wide_resnet28_10", {"dropout": -0.1}, "argument `dropout`"),
    ("densenet_bc_190", {"depth": 100.5}, "Received: depth=100.5"),
    ("densenet_bc_190", {"input_shape": (3, 4, 3)}, "height and width >= 4"),
    ("densenet_bc_190", {"dropout": 2}, "argument `dropout`"),
    ("resnet50", {"input_shape": (31, 32, 3)}, "height and width >= 32"),
    ("resnet101", {"width": 0}, "Received: width=0"),
    ("resnext101_32x4d", {"width": 24}, "multiple of 16.* 32 groups.*width=24"),
    ("resnext101_64x4d", {"width": 40}, "multiple of 16.* 64 groups.*width=40"),
    ("lenet", {"input_shape": (15, 101, 1)}, "height and width >= 16"),
    ("lenet", {"input_shape": (None, 101, 1)}, r"input_shape=\(None, 101, 1\)"),
    ("lenet", {"dropout": 1}, "argument `dropout`"),
    ("vgg11", {"input_shape": (161, 31, 1)}, "height and width >= 32"),
    ("vgg11", {"num_classes": -1}, "Received: num_classes=-1"),
]


@pytest.mark.parametrize(("name", "wrong", "message"), WRONG)
def test_wrong_arguments(name, wrong, message):
    arguments = {"input_shape": (32, 32, 3), "num_classes": 3, "width": 16, **wrong}
    with pytest.raises(ValueError, match=message):
        keras_mixup.models.build(name, **arguments)
