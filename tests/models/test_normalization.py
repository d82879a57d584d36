"""The fused batch norm against Keras's own on the same features."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup.models.normalization import BatchNormalization

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(3, 2, (6, 5, 4, 3)).astype("float32")
OUT = GENERATOR.normal(size=X.shape).astype("float32")
SMALL = {
    "float32": 1e-5,
    "mixed_float16": 2e-3,
    "mixed_bfloat16": 2e-2,
    "float16": 2e-3,
    "bfloat16": 2e-2,
}


def layer_of(kind, shape=X.shape, **settings):
    layer = kind(momentum=0.8, epsilon=1e-5, **settings)
    layer.build(shape)
    generator = np.random.default_rng(1)
    for weight in layer.weights:
        weight.assign(generator.uniform(0.5, 1.5, weight.shape))
    return layer


def step(layer, mode="eager", training=True):
    """Outputs, gradients by the features and the parameters, and the statistics."""

    def compute(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=training)
            total = tf.reduce_sum(tf.cast(y, tf.float32) * OUT)
        sources = [x, *[v.value for v in layer.trainable_variables]]
        return [y, *tape.gradient(total, sources)]

    if mode != "eager":
        compute = tf.function(compute, jit_compile=mode == "xla")
    found = compute(tf.cast(X, layer.compute_dtype))
    return [tf.cast(t, tf.float32).numpy() for t in (*found, *layer.weights)]


def assert_alike(ours, keras_own, tolerance=1e-5, **called):
    for one, other in zip(
        step(ours, **called), step(keras_own, **called | {"mode": "eager"}), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=10 * tolerance)


def operations(layer, shape=X.shape, dtype="float32", **called):
    @tf.function
    def call(x):
        return layer(x, **called)

    graph = call.get_concrete_function(tf.TensorSpec(shape, dtype)).graph
    return {operation.type for operation in graph.get_operations()}


@pytest.mark.parametrize("mode", ["eager", "graph", "xla"])
@pytest.mark.parametrize("policy", SMALL)
def test_values_gradients_and_statistics_are_those_of_keras(policy, mode):
    pair = (BatchNormalization, keras.layers.BatchNormalization)
    ours, keras_own = (layer_of(kind, dtype=policy) for kind in pair)
    before = ours.moving_variance.numpy()
    assert_alike(ours, keras_own, SMALL[policy], mode=mode)
    # By hand: the variance of the batch itself, not of the sample.
    expected = 0.8 * before + 0.2 * X.var((0, 1, 2))
    np.testing.assert_allclose(ours.moving_variance, expected, rtol=SMALL[policy])


@pytest.mark.parametrize("settings", [{"scale": False}, {"center": False}], ids=str)
def test_without_gamma_or_beta(settings):
    pair = (BatchNormalization, keras.layers.BatchNormalization)
    assert_alike(*(layer_of(kind, **settings) for kind in pair))


@pytest.mark.parametrize("mode", ["eager", "xla"])
def test_a_channel_of_one_value_has_no_variance(mode):
    layer = layer_of(BatchNormalization, (1, 1, 1, 3))
    before = layer.moving_variance.numpy()
    call = tf.function(layer, jit_compile=True) if mode == "xla" else layer
    np.testing.assert_allclose(
        call(X[:1, :1, :1], training=True)[0, 0, 0], layer.beta, atol=1e-5
    )
    np.testing.assert_allclose(layer.moving_variance, 0.8 * before, rtol=1e-6)


def test_training_is_one_operation_and_inference_is_that_of_keras():
    layer = layer_of(BatchNormalization)
    trained = operations(layer, training=True)
    assert "FusedBatchNormV3" in trained and "SquaredDifference" not in trained
    keras_own = layer_of(keras.layers.BatchNormalization)
    assert operations(layer) == operations(keras_own)
    assert_alike(layer, keras_own, training=False)


def test_sizes_that_are_open_are_fused_too():
    layer = layer_of(BatchNormalization)
    found = operations(layer, (None, None, None, 3), training=True)
    assert "FusedBatchNormV3" in found


@pytest.mark.parametrize(
    ("shape", "settings", "called"),
    [
        ((6, 3), {}, {}),
        ((6, 5, 3), {}, {}),
        ((6, 5, 4, 3), {"axis": 1}, {}),
        ((6, 5, 4, 3), {"trainable": False}, {}),
        ((6, 5, 4, 3), {"dtype": "float64"}, {}),
        ((6, 5, 4, 3), {}, {"mask": np.arange(120).reshape(6, 5, 4) % 3 > 0}),
    ],
    ids=["table", "sequence", "axis", "frozen", "float64", "mask"],
)
def test_the_rest_is_left_to_keras(shape, settings, called):
    results = []
    for kind in (BatchNormalization, keras.layers.BatchNormalization):
        layer = layer_of(kind, shape, **settings)
        x = X[tuple(slice(n) for n in shape)] if len(shape) == 4 else X[:, :, 0, :]
        x = x if len(shape) != 2 else x[:, 0]
        y = layer(x.astype(layer.compute_dtype), training=True, **called)
        results.append([y, *layer.weights])
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)


def test_weights_are_named_as_those_of_keras_and_load_into_it(tmp_path):
    ours, keras_own = (
        keras.Sequential([keras.Input(X.shape[1:]), kind(name="norm")], name="net")
        for kind in (BatchNormalization, keras.layers.BatchNormalization)
    )
    ours.compile("sgd", "mse")
    ours.fit(X, OUT, verbose=0)
    assert [w.path for w in ours.weights] == [w.path for w in keras_own.weights]
    ours.save_weights(tmp_path / "all.weights.h5")
    keras_own.load_weights(tmp_path / "all.weights.h5")
    np.testing.assert_array_equal(ours(X), keras_own(X))
    ours.save(tmp_path / "all.keras")
    loaded = keras.models.load_model(tmp_path / "all.keras")
    assert isinstance(loaded.layers[-1], BatchNormalization)
    np.testing.assert_array_equal(ours(X), loaded(X))
