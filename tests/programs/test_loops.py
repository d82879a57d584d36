"""A training loop of one's own: GradientTape, a step that counts, mixing by at_step."""

import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from tests.programs import by_hand

X, Y = by_hand.linear_data(24)
ROWS = np.eye(3, dtype="float32")[Y]


def by_loops(kernel, bias, steps, rate):
    """SGD on the mixed batches, with the gradient of softmax written out."""
    losses = []
    for step in range(steps):
        own = slice(8 * (step % 3), 8 * (step % 3) + 8)
        lam, partner = by_hand.draw(8, alpha=0.4, seed=5, step=step)
        x = by_hand.mixed(X[own], lam, partner)
        rows = by_hand.mixed(ROWS[own], lam, partner)
        p = by_hand.softmax(x @ kernel + bias)
        losses.append(-(rows * np.log(p)).sum(-1).mean())
        gradient = (p - rows) / len(x)
        kernel = kernel - rate * x.T @ gradient
        bias = bias - rate * gradient.sum(0)
    return losses, kernel, bias


@pytest.mark.parametrize("form", ["eager", "function", "xla"])
def test_a_loop_with_gradient_tape(form):
    network = by_hand.linear()
    kernel, bias = (np.array(weight, "float64") for weight in network.weights)
    expected, kernel, bias = by_loops(kernel, bias, steps=6, rate=0.5)

    mixup = keras_mixup.MixUp(alpha=0.4, num_classes=3, seed=5)
    dataset = tf.data.Dataset.from_tensor_slices((X, Y)).batch(8).repeat(2)

    def train_step(step, batch):
        x, y = mixup.at_step(step, batch)
        with tf.GradientTape() as tape:
            logits = network(x, training=True)
            loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(y, logits))
        for weight, gradient in zip(
            network.trainable_weights,
            tape.gradient(loss, network.trainable_weights),
            strict=True,
        ):
            weight.assign_sub(0.5 * gradient)
        return loss

    if form != "eager":
        train_step = tf.function(train_step, jit_compile=form == "xla")
    losses = [float(train_step(step, batch)) for step, batch in dataset.enumerate()]
    assert losses == pytest.approx(expected, abs=1e-5)
    np.testing.assert_allclose(network.weights[0], kernel, atol=1e-5)
    np.testing.assert_allclose(network.weights[1], bias, atol=1e-5)


def test_a_loop_that_mixes_two_loaders():
    first = tf.data.Dataset.from_tensor_slices((X, ROWS)).batch(8)
    second = first.shuffle(3, seed=1)
    mixup = keras_mixup.MixUp(alpha=1.0, seed=5)
    for step, (batch, other) in tf.data.Dataset.zip(first, second).enumerate():
        x, rows = mixup.between(batch, other, step=step)
        lam, _ = by_hand.draw(8, seed=5, step=int(step))
        for found, one, two in ((x, batch[0], other[0]), (rows, batch[1], other[1])):
            expected = lam * one.numpy() + (1 - lam) * two.numpy()
            np.testing.assert_allclose(found, expected, atol=1e-5)
