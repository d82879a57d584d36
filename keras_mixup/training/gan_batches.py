"""What a GAN's losses are of: rows between real and generated, and their targets.

Both players look at one value, the mean over rows of the binary cross-entropy
`l(d(row), target)` of logits, with target 1 for real and 0 for generated:

    plain        V = (mean l(d(x), 1) + mean l(d(g(z)), 0)) / 2
    objective    V = mean l(d(lam x + (1 - lam) g(z)), lam), lam ~ Beta(alpha, alpha)
    author_code  V = mean l(d(a r + (1 - a) s), a u + (1 - a) v), a ~ U(0, alpha)

(r, u) and (s, v) are two shuffled batches, each half real and half generated, with
their targets. As alpha goes to 0, lam is 0 or 1 with probability 1/2 each and a is 0:
both mixed values then are the plain one in expectation. So no factor stands between
the mixed and the plain terms: mixing replaces them.
"""

from typing import get_args

import tensorflow as tf

from keras_mixup import hints, keys, mixing

MODES = get_args(hints.GanMode)
GENERATOR_LOSSES = get_args(hints.GeneratorLoss)
LOSS_THAT_HELD: dict[str, hints.GeneratorLoss] = {
    "objective": "non_saturating",
    "author_code": "minimax",
}


def plain(real, generated):
    """Real rows with target 1, above generated ones with target 0."""
    rows = tf.concat([_float32(real), _float32(generated)], axis=0)
    sizes = [mixing.batch_size_of(part) for part in (real, generated)]
    return rows, tf.concat([tf.ones(sizes[:1]), tf.zeros(sizes[1:])], axis=0)


def objective(real, generated, lam):
    """Row i between real i and generated i, with target lam_i (section 3.7)."""
    rows = mixing.convex_combination(
        [_float32(real), _float32(generated)], [lam, 1 - lam]
    )
    return rows, lam


def author_code(real, generated, alpha, key):
    """Rows between two batches that are half real, half generated, and shuffled.

    Of both arguments the first half goes into one batch and the second half into the
    other, so there are as many rows as real ones; of an odd number one is left out.
    Each row has a weight of its own, uniform in (0, alpha), as the authors' program
    has it (hongyi-zhang/mixup, gan/example_gan.py).
    """
    half = mixing.batch_size_of(real) // 2
    shuffled = []
    for number, part in enumerate((slice(0, half), slice(half, 2 * half))):
        rows, targets = plain(real[part], generated[part])
        bits = keys.random_bits(
            keys.fold_in(key, number), keys.Stream.PARTNERS, [2 * half]
        )
        order = tf.argsort(tf.bitcast(bits, tf.int32), stable=True)
        shuffled.append((tf.gather(rows, order), tf.gather(targets, order)))
    share = alpha * keys.uniform(key, keys.Stream.WEIGHTS, [2 * half])
    share = tf.cast(share, tf.float32)
    rows, targets = (
        mixing.convex_combination(parts, [share, 1 - share])
        for parts in zip(*shuffled, strict=True)
    )
    return rows, targets


def discriminator_loss(logits, targets):
    """The mean binary cross-entropy of logits `(rows, 1)` in float32."""
    logits = tf.reshape(tf.cast(logits, tf.float32), [-1])
    losses = tf.nn.sigmoid_cross_entropy_with_logits(labels=targets, logits=logits)
    return tf.reduce_mean(losses)


def generator_loss(logits, targets, kind):
    """The loss of the generator on rows that hold something generated.

    "minimax" is -V, which saturates where the discriminator is sure;
    "non_saturating" is V with all targets 1 (Goodfellow et al., 2014, section 3).
    """
    if kind == "minimax":
        return -discriminator_loss(logits, targets)
    return discriminator_loss(logits, tf.ones_like(targets))


def _float32(tensor):
    return tf.cast(tensor, tf.float32)
