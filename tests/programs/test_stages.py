"""Programs of several stages: grades, sequences, fine-tuning, rebatching."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from tests.programs import by_hand

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(8, 5)).astype("float32")
Y = GENERATOR.integers(0, 3, 8)
SPARSE = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def above(grades):
    """Whether a grade is above each of three levels."""
    return (np.arange(3)[None] < np.asarray(grades)[:, None]).astype("float64")


def ordinal(y_true, y_pred):
    grades = tf.cast(tf.reshape(y_true, (-1, 1)), tf.int32)
    levels = tf.cast(tf.range(3)[None] < grades, tf.float32)
    losses = tf.nn.sigmoid_cross_entropy_with_logits(levels, y_pred)
    return tf.reduce_mean(losses, -1)


def test_grades_by_a_loss_of_ones_own_with_lam_an_example():
    grades = GENERATOR.integers(0, 4, 8)
    network = keras.Sequential([keras.Input((5,)), keras.layers.Dense(3)])
    policy = keras_mixup.MixUp(0.7, per="example", seed=2)
    model = keras_mixup.MixUpModel(network, policy)
    model.compile(by_hand.still(), ordinal)
    lam = keras_mixup.sample_lambda(0.7, (8,), seed=2).numpy()[:, None]
    partner = keras_mixup.sample_partner(8, seed=2).numpy()
    z = by_hand.outputs(network, lam * X + (1 - lam) * X[partner]).astype(float)

    def loss(grades):
        return np.mean(np.log1p(np.exp(z)) - z * above(grades), -1)

    lam = lam[:, 0]
    expected = (lam * loss(grades) + (1 - lam) * loss(grades[partner])).mean()
    assert model.train_on_batch(X, grades) == pytest.approx(expected, rel=1e-5)


def test_a_regression_of_padded_sequences_with_weights_a_position():
    x = GENERATOR.normal(size=(8, 6, 2)).astype("float32")
    for i, length in enumerate(GENERATOR.integers(2, 7, 8)):
        x[i, length:] = -1
    y = GENERATOR.normal(size=(8, 6, 1)).astype("float32")
    weights = GENERATOR.random((8, 6)).astype("float32")
    inputs = keras.Input((6, 2))
    masked = keras.layers.Masking(-1.0)(inputs)
    network = keras.Model(inputs, keras.layers.Dense(1)(masked))
    model = keras_mixup.MixUpModel(network, keras_mixup.MixUp(1.0, seed=5))
    model.compile(by_hand.still(), "mse")
    lam, partner = by_hand.draw(8, seed=5)
    kernel, bias = (weight.numpy().astype(float) for weight in network.weights)
    parts, shares, mask = [np.arange(8), partner], [lam, 1 - lam], (x != -1).any(-1)
    # At padding a part weighs nothing; where all are padding, nothing counts.
    present = [share * mask[part] for share, part in zip(shares, parts, strict=True)]
    total = np.maximum(sum(present), 1e-9)
    mixed = sum(
        (one / total)[..., None] * x[part]
        for one, part in zip(present, parts, strict=True)
    )
    predicted = mixed @ kernel + bias
    expected = 0.0
    for share, part in zip(shares, parts, strict=True):
        squares = (predicted - y[part])[..., 0] ** 2 * weights[part]
        expected += share * (squares * mask[part]).sum() / mask[part].sum()
    found = model.train_on_batch(x, y, sample_weight=weights)
    assert found == pytest.approx(expected, rel=1e-5)


def test_fine_tuning_compiles_anew_and_the_steps_go_on():
    layers = [keras.layers.Dense(4, "relu", name="base"), keras.layers.Dense(3)]
    network = keras.Sequential([keras.Input((5,)), *layers])
    model = keras_mixup.MixUpModel(network, keras_mixup.MixUp(1.0, seed=3))
    layers[0].trainable = False
    before = layers[0].kernel.numpy()
    model.compile(keras.optimizers.SGD(0.1), SPARSE)
    model.fit(X, Y, batch_size=8, epochs=3, shuffle=False, verbose=0)
    np.testing.assert_array_equal(layers[0].kernel, before)
    layers[0].trainable = True
    model.compile(by_hand.still(), SPARSE)
    found = model.fit(X, Y, batch_size=8, shuffle=False, verbose=0).history["loss"]
    lam, partner = by_hand.draw(8, seed=3, step=3)
    logits = by_hand.outputs(network, by_hand.mixed(X, lam, partner))
    losses = [by_hand.cross_entropies(logits, y).mean() for y in (Y, Y[partner])]
    assert found == [pytest.approx(lam * losses[0] + (1 - lam) * losses[1], rel=1e-5)]


def test_batches_that_are_cut_anew_after_the_mixing():
    rows = np.eye(3, dtype="float32")[Y]
    dataset = tf.data.Dataset.from_tensor_slices((X, rows)).batch(4)
    mixup = keras_mixup.MixUp(1.0, seed=4, jit_compile=False)
    mixed = dataset.apply(mixup).unbatch().batch(8)
    ((features, labels),) = list(mixed)
    for step in range(2):
        lam, partner = by_hand.draw(4, seed=4, step=step)
        own = slice(4 * step, 4 * step + 4)
        for found, given in ((features, X), (labels, rows)):
            expected = by_hand.mixed(given[own], lam, partner)
            np.testing.assert_allclose(found[own], expected, atol=1e-6)


# tests/programs/test_precision.py trains by XLA as well.
@pytest.mark.parametrize(
    "jit_compile", [False, pytest.param(True, marks=pytest.mark.slow)]
)
def test_averaged_weights_are_evaluated_without_mixing(jit_compile):
    network = keras.Sequential([keras.Input((5,)), keras.layers.Dense(3)])
    model = keras_mixup.MixUpModel(network, keras_mixup.MixUp(1.0, seed=3))
    sgd = keras.optimizers.SGD(
        0.5, use_ema=True, ema_momentum=0.9, ema_overwrite_frequency=None
    )
    settings = {"jit_compile": jit_compile, "steps_per_execution": 2}
    model.compile(sgd, SPARSE, metrics=["accuracy"], **settings)
    swap = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
    model.fit(X, Y, batch_size=2, epochs=2, verbose=0, callbacks=[swap])
    found = model.evaluate(X, Y, verbose=0, return_dict=True)
    logits = by_hand.outputs(network, X)
    assert found["accuracy"] == pytest.approx((logits.argmax(1) == Y).mean())
    expected = by_hand.cross_entropies(logits, Y).mean()
    assert found["loss"] == pytest.approx(expected, rel=1e-5)


def test_the_export_of_keras_is_that_of_the_network(tmp_path):
    network = keras.Sequential([keras.Input((5,)), keras.layers.Dense(3)])
    model = keras_mixup.MixUpModel(network, keras_mixup.MixUp(1.0, seed=3))
    model.compile(keras.optimizers.SGD(0.1), SPARSE, **by_hand.EAGER)
    model.fit(X, Y, verbose=0)
    model.export(tmp_path / "1", verbose=False)
    loaded = tf.saved_model.load(str(tmp_path / "1"))
    served = loaded.serve(X)
    np.testing.assert_allclose(served, network.predict(X, verbose=0), atol=1e-6)
