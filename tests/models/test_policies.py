"""Each network trains under each dtype policy; its first loss is that of float32."""

import functools

import keras
import numpy as np
import pytest

from tests.models.small_networks import IMAGES, WIDTHS, built

# Half of a last bit is 2^-9 in bfloat16 and 2^-12 in float16; layers add theirs up.
NEAR = {
    "float64": 1e-4,
    "mixed_bfloat16": 0.05,
    "bfloat16": 0.05,
    "mixed_float16": 0.01,
    "float16": 0.01,
}
QUICK = ("preact_resnet18", "dcgan_generator", "mlp")


def first_loss(name, policy, weights=None):
    """The loss of a step, and the weights before it."""
    keras.config.set_dtype_policy(policy)
    network = built(name, WIDTHS[name][0])
    if weights is not None:
        network.set_weights(weights)
    before = network.get_weights()
    generator = np.random.default_rng(0)
    x = generator.random((8, *network.input_shape[1:]), "float32")
    y = generator.random((8, *network.output_shape[1:]), "float32")
    network.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=False)
    loss = float(network.train_on_batch(x, y))
    dtype = keras.config.dtype_policy().variable_dtype
    for weight, start in zip(network.weights, before, strict=True):
        if weight.path.startswith("logits") and dtype != "float64":
            continue
        assert weight.dtype == dtype
        value = keras.ops.convert_to_numpy(weight).astype("float32")
        assert np.all(np.isfinite(value)), weight.path
        if "moving" in weight.path:
            assert np.any(value != start.astype("float32")), weight.path
    return loss, before


@functools.cache
def of_float32(name):
    return first_loss(name, "float32")


@pytest.mark.parametrize("policy", NEAR)
@pytest.mark.parametrize(
    "name",
    [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in WIDTHS],
)
def test_a_step_is_that_of_float32_but_for_rounding(name, policy):
    expected, weights = of_float32(name)
    found, _ = first_loss(name, policy, weights)
    np.testing.assert_allclose(found, expected, rtol=NEAR[policy])


@pytest.mark.parametrize(
    ("policy", "dtype"),
    [("bfloat16", "float32"), ("mixed_float16", "float32"), ("float64", "float64")],
)
def test_logits_have_at_least_32_bits(policy, dtype):
    keras.config.set_dtype_policy(policy)
    network = built("preact_resnet18", 4)
    assert network.output.dtype == dtype
    assert network.get_layer("logits").kernel.dtype == dtype


@pytest.mark.parametrize(
    "name",
    [
        n
        for n in WIDTHS
        if "dcgan" in n
        or n
        in (
            "lenet",
            "vgg11",
            "preact_resnet18",
            "wide_resnet28_10",
            "densenet_bc_190",
            "resnet50",
        )
    ],
)
def test_channels_first_is_refused(name):
    keras.config.set_image_data_format("channels_first")
    try:
        with pytest.raises(ValueError, match=r"set_image_data_format\(\"channels_last"):
            built(name, 16)
    finally:
        keras.config.set_image_data_format("channels_last")


@pytest.mark.parametrize("policy", ["bfloat16", "float16"])
def test_a_frozen_norm_and_inference_keep_the_statistics(policy):
    keras.config.set_dtype_policy(policy)
    network = built("preact_resnet18", 4)
    x = np.random.default_rng(0).random((4, *IMAGES["input_shape"]), "float32")
    moving = [w for w in network.weights if "moving" in w.path]
    before = [keras.ops.convert_to_numpy(w) for w in moving]
    network(x, training=False)
    for layer in network.layers:
        layer.trainable = not isinstance(layer, keras.layers.BatchNormalization)
    network(x, training=True)
    for weight, start in zip(moving, before, strict=True):
        np.testing.assert_array_equal(weight, start)
