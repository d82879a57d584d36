"""What a GAN's losses are of: rows and targets against what they must be."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import special, stats

import keras_mixup
from keras_mixup import keys
from keras_mixup.training import gan_batches

GENERATOR = np.random.default_rng(0)


def cross_entropy(logit, target):
    p = special.expit(logit)
    return -(target * np.log(p) + (1 - target) * np.log1p(-p))


def value(rows, targets):
    """The loss of a discriminator whose logit is the sum of a row."""
    logits = tf.reduce_sum(rows, axis=-1, keepdims=True)
    return float(gan_batches.discriminator_loss(logits, targets))


def test_plain_is_real_above_generated():
    real, generated = GENERATOR.normal(size=(2, 3, 4)).astype("float32")
    rows, targets = gan_batches.plain(tf.constant(real), tf.constant(generated))
    np.testing.assert_array_equal(rows, np.concatenate([real, generated]))
    np.testing.assert_array_equal(targets, [1, 1, 1, 0, 0, 0])


def test_objective_is_the_formula():
    real, generated = GENERATOR.normal(size=(2, 5, 4, 4, 1)).astype("float32")
    lam = np.float32([0, 1, 0.25, 0.5, 0.9])
    rows, targets = gan_batches.objective(
        tf.constant(real), tf.constant(generated), tf.constant(lam)
    )
    for i in range(5):
        expected = lam[i] * real[i] + (1 - lam[i]) * generated[i]
        np.testing.assert_allclose(rows[i], expected, atol=1e-6)
    np.testing.assert_array_equal(targets, lam)


@pytest.mark.parametrize("size", [2, 7, 64])
def test_author_code_mixes_two_shuffled_batches(size):
    # Each example is a direction of its own, so that a row says what it is made of.
    directions = np.eye(2 * size, dtype="float32")
    alpha, half = 0.3, size // 2
    rows, targets = gan_batches.author_code(
        *(tf.constant(part) for part in np.split(directions, 2)),
        alpha,
        keys.make_key(3),
    )
    rows = rows.numpy()
    assert rows.shape == (2 * half, 2 * size)
    examples = np.arange(size)
    first, second = examples[:half], examples[half : 2 * half]
    in_first = np.concatenate([first, size + first])
    in_second = np.concatenate([second, size + second])
    # Each example stands in one row; a row has one of each batch.
    assert ((rows[:, in_first] > 0).sum(axis=0) == 1).all()
    assert ((rows[:, in_second] > 0).sum(axis=0) == 1).all()
    assert ((rows > 0).sum(axis=1) == 2).all()
    share = rows[:, in_first].sum(axis=1)
    assert ((share > 0) & (share < alpha)).all()
    np.testing.assert_allclose(rows.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(targets, rows[:, :size].sum(axis=1), atol=1e-6)
    if size == 64:
        assert stats.kstest(share / alpha, "uniform").pvalue > 1e-3
        where = [rows[:, part].argmax(axis=0) for part in (in_first, in_second)]
        assert not any((np.diff(order) == 1).all() for order in where)
        assert not np.array_equal(*where)
        # Real with real, real with generated and generated with generated occur.
        real = [np.isin(part, examples) for part in (in_first, in_second)]
        kinds = {
            (bool(real[0][where[0] == row][0]), bool(real[1][where[1] == row][0]))
            for row in range(64)
        }
        assert len(kinds) == 4


@pytest.mark.parametrize("jit_compile", [False, True])
def test_author_code_is_the_same_in_a_graph_and_under_xla(jit_compile):
    real, generated = GENERATOR.normal(size=(2, 16, 2)).astype("float32")
    found = gan_batches.author_code(
        tf.constant(real), tf.constant(generated), 0.2, keys.make_key(1)
    )
    compiled = tf.function(gan_batches.author_code, jit_compile=jit_compile)
    again = compiled(tf.constant(real), tf.constant(generated), 0.2, keys.make_key(1))
    for ours, theirs in zip(found, again, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_the_mixed_value_tends_to_the_plain_one_as_alpha_goes_to_0():
    real, generated = np.float32([[0.7]]), np.float32([[-1.9]])
    plain = value(*gan_batches.plain(tf.constant(real), tf.constant(generated)))
    ends = cross_entropy(0.7, 1), cross_entropy(-1.9, 0)
    assert plain == pytest.approx(sum(ends) / 2, rel=1e-5)
    count = 4000
    lam = keras_mixup.sample_lambda(1e-6, (count,), seed=0)
    many = [tf.constant(np.repeat(part, count, axis=0)) for part in (real, generated)]
    found = value(*gan_batches.objective(*many, lam))
    # lam is 0 or 1 with probability 1/2 each.
    assert abs(found - plain) < 4 * abs(ends[0] - ends[1]) / 2 / count**0.5
    mixed = gan_batches.author_code(*many, 1e-6, keys.make_key(0))
    assert value(*mixed) == pytest.approx(plain, rel=1e-4)


def test_losses_are_those_of_the_cross_entropy():
    logits = GENERATOR.normal(size=(6, 1)).astype("float32") * 3
    targets = GENERATOR.uniform(size=6).astype("float32")
    expected = cross_entropy(logits[:, 0], targets).mean()
    found = [
        float(gan_batches.discriminator_loss(logits, targets)),
        float(gan_batches.generator_loss(logits, targets, "minimax")),
        float(gan_batches.generator_loss(logits, targets, "non_saturating")),
    ]
    as_real = cross_entropy(logits[:, 0], 1).mean()
    assert found == pytest.approx([expected, -expected, as_real], rel=1e-5)
    half = logits.astype("float16")
    assert gan_batches.discriminator_loss(half, targets).dtype == tf.float32


def test_minimax_saturates_and_the_other_loss_does_not():
    logits = tf.constant([[-20.0]])
    slopes = []
    for kind in gan_batches.GENERATOR_LOSSES:
        with tf.GradientTape() as tape:
            tape.watch(logits)
            loss = gan_batches.generator_loss(logits, tf.zeros(1), kind)
        slopes.append(abs(float(tape.gradient(loss, logits)[0, 0])))
    assert slopes[0] < 1e-8
    assert slopes[1] == pytest.approx(1)
