"""Transfer learning: a frozen base of keras.applications, then fine-tuned."""

import keras
import numpy as np
import pytest

import keras_mixup
from tests.programs import by_hand

X = np.random.default_rng(0).uniform(0, 255, (8, 32, 32, 3)).astype("float32")
Y = np.arange(8) % 3


@pytest.mark.slow
def test_a_frozen_base_and_then_fine_tuning():
    keras.utils.set_random_seed(1)
    base = keras.applications.MobileNetV2(
        (32, 32, 3), alpha=0.35, include_top=False, weights=None, pooling="avg"
    )
    base.trainable = False
    inputs = keras.Input((32, 32, 3))
    scaled = keras.applications.mobilenet_v2.preprocess_input(inputs)
    head = keras.layers.Dense(3)
    network = keras.Model(inputs, head(base(scaled, training=False)))
    frozen = [np.array(weight) for weight in base.weights]
    kernel, bias = (np.array(weight) for weight in head.weights)

    lam, partner = by_hand.draw(8)
    mixed = by_hand.mixed(X, lam, partner).astype("float32")
    features = base(mixed / 127.5 - 1, training=False).numpy()
    p = by_hand.softmax(features @ kernel + bias)
    rows = by_hand.mixed(np.eye(3)[Y], lam, partner)

    model = keras_mixup.MixUpModel(network, keras_mixup.MixUp(1.0, seed=1))
    model.compile(keras.optimizers.SGD(0.1), by_hand.sparse_loss())
    history = model.fit(X, Y, batch_size=8, shuffle=False, verbose=0).history
    loss = -(rows * np.log(p)).sum(-1).mean()
    assert history["loss"][0] == pytest.approx(loss, abs=1e-4)
    expected = kernel - 0.1 * features.T @ ((p - rows) / 8)
    np.testing.assert_allclose(head.kernel, expected, atol=1e-5)
    for before, after in zip(frozen, base.weights, strict=True):
        np.testing.assert_array_equal(before, after)

    base.trainable = True
    model.compile(keras.optimizers.SGD(1e-3), by_hand.sparse_loss())
    lam, partner = by_hand.draw(8, step=1)
    # Keras hands training=True on to a base that was called with training=False.
    logits = network(by_hand.mixed(X, lam, partner).astype("float32"), training=True)
    own, other = (by_hand.cross_entropies(logits, y) for y in (Y, Y[partner]))
    history = model.fit(X, Y, batch_size=8, shuffle=False, verbose=0).history
    expected = (lam * own + (1 - lam) * other).mean()
    assert history["loss"][0] == pytest.approx(expected, abs=1e-4)
    moved = [
        not np.array_equal(before, after)
        for before, after in zip(frozen, base.weights, strict=True)
    ]
    assert any(moved)
    clean = by_hand.cross_entropies(by_hand.outputs(network, X), Y).mean()
    assert model.evaluate(X, Y, verbose=0) == pytest.approx(clean, abs=1e-4)
