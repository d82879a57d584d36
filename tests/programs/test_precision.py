"""Mixed precision and XLA: the same sums, to the digits that the dtype has."""

import keras
import numpy as np
import pytest

import keras_mixup
from tests.programs import by_hand

X, Y = by_hand.linear_data()


@pytest.mark.parametrize(
    "policy",
    ["mixed_float16", pytest.param("mixed_bfloat16", marks=pytest.mark.slow)],
)
def test_mixed_precision_moves_the_weights_as_float32_does(policy):
    moved = {}
    for one in ("float32", policy):
        keras.config.set_dtype_policy(one)
        network = by_hand.linear()
        before = np.array(network.weights[0])
        model = keras_mixup.MixUpModel(network, keras_mixup.MixUp(1.0, seed=1))
        model.compile(keras.optimizers.SGD(0.1), by_hand.sparse_loss())
        model.fit(X, Y, batch_size=16, epochs=3, shuffle=False, verbose=0)
        assert network.weights[0].dtype == "float32"
        moved[one] = np.array(network.weights[0]) - before
    assert np.abs(moved["float32"]).max() > 0.01
    np.testing.assert_allclose(moved[policy], moved["float32"], atol=4e-3)
    keras.config.set_dtype_policy("mixed_float16")
    assert isinstance(
        compiled_optimizer(by_hand.linear()), keras.optimizers.LossScaleOptimizer
    )


def compiled_optimizer(network):
    model = keras_mixup.MixUpModel(network, keras_mixup.MixUp(1.0, seed=1))
    model.compile("sgd", by_hand.sparse_loss())
    return model.optimizer


@pytest.mark.parametrize(
    "steps_per_execution", [2, pytest.param(1, marks=pytest.mark.slow)]
)
def test_xla_trains_as_a_loop_by_hand(steps_per_execution):
    network = by_hand.linear()
    kernel, bias = (np.array(weight, "float64") for weight in network.weights)
    hits, losses = [], []
    for step in range(4):
        own = slice(8 * (step % 2), 8 * (step % 2) + 8)
        lam, partner = by_hand.draw(8, step=step)
        x, y = by_hand.mixed(X[own], lam, partner), Y[own]
        logits = x @ kernel + bias
        gradient = by_hand.softmax(logits) - by_hand.mixed(np.eye(3)[y], lam, partner)
        for values, function in (
            (hits, by_hand.hits),
            (losses, by_hand.cross_entropies),
        ):
            first, second = (function(logits, labels) for labels in (y, y[partner]))
            values.append((lam * first + (1 - lam) * second).mean())
        kernel = kernel - 0.1 * x.T @ gradient / 8
        bias = bias - 0.1 * gradient.sum(0) / 8

    model = keras_mixup.MixUpModel(network, keras_mixup.MixUp(1.0, seed=1))
    model.compile(
        keras.optimizers.SGD(0.1),
        by_hand.sparse_loss(),
        metrics=["accuracy"],
        jit_compile=True,
        steps_per_execution=steps_per_execution,
    )
    found = model.fit(X, Y, batch_size=8, epochs=2, shuffle=False, verbose=0).history
    epochs = [np.mean(losses[:2]), np.mean(losses[2:])]
    assert found["loss"] == pytest.approx(epochs, abs=1e-5)
    epochs = [np.mean(hits[:2]), np.mean(hits[2:])]
    assert found["accuracy"] == pytest.approx(epochs, abs=1e-5)
    np.testing.assert_allclose(network.weights[0], kernel, atol=1e-5)
    np.testing.assert_allclose(network.weights[1], bias, atol=1e-5)
