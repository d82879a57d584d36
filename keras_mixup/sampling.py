"""The laws of mixup: weights and partners as pure functions of a key.

Weights are quantiles of random bits instead of draws of a sampler, whose stream
would depend on where it runs. Quantiles are computed in float64: in float32 a
graph and XLA differ by up to 6e-5, in float64 they agree after rounding to
float32, and both agree with scipy at every alpha. For an alpha that is a number they
come from a table (`quantiles`), for a schedule's from TFP's iteration.
"""

from __future__ import annotations

import numbers
from typing import get_args

import numpy as np
import tensorflow as tf

from keras_mixup import arguments, hints, similarity, steps
from keras_mixup.keys import Stream, make_key, random_bits, uniform
from keras_mixup.quantiles import beta_quantile, broken_by_iteration

PAIRINGS = get_args(hints.Pairing)


@hints.not_converted
def sample_lambda(
    alpha: float | hints.Array,
    shape: hints.Sizes,
    seed: int | None = None,
    step: hints.AnyStep = 0,
    replica: hints.Index = 0,
) -> tf.Tensor:
    """Draws mixing weights `lam ~ Beta(alpha, alpha)` (Zhang et al., section 2).

    Args:
        alpha: Float >= 0, or a scalar tensor or variable. 0 gives exactly 1
            everywhere, which is empirical risk minimization. As alpha falls to 0, lam
            becomes 0 or 1 with probability 1/2 each; as it rises, 1/2.
        shape: Integer, or a tuple or tensor of integers: `()` for one weight
            a batch, `(batch_size,)` for one an example.
        seed: Integer. None draws anew at every call.
        step: Integer or integer tensor, the index of the batch over all epochs; in a
            `Dataset.map` the step that `count_steps` gives.
        replica: Integer or integer tensor, the index of the replica.

    Returns:
        A float32 tensor of that shape, in [0, 1].

    Raises:
        ValueError: if alpha is negative or not finite, and for a shape, seed, step or
            replica that is no integer.

    Examples:
        >>> lam = keras_mixup.sample_lambda(0.2, (128,), seed=7, step=3)
    """
    return sample_weights(alpha, shape, 2, seed, step, replica)[..., 0]


@hints.not_converted
def sample_weights(
    alpha: float | hints.Array,
    shape: hints.Sizes,
    examples: int = 3,
    seed: int | None = None,
    step: hints.AnyStep = 0,
    replica: hints.Index = 0,
) -> tf.Tensor:
    """Draws weights for several examples from Dirichlet(alpha, ..., alpha).

    With `examples=2` the first weight is `sample_lambda` of the same seed.
    The draw is stick-breaking over Betas: `v_k ~ Beta(alpha, (K - k) alpha)`
    and `w_k = v_k prod_{j<k} (1 - v_j)` for k = 1 ... K - 1.

    Args:
        alpha: Float >= 0, or a scalar tensor or variable. 0 gives (1, 0, ..., 0).
        shape: Integer, or a tuple or tensor of integers.
        examples: Integer >= 2, the number K of examples that are mixed.
        seed: Integer. None draws anew at every call.
        step: Integer or integer tensor, the index of the batch over all epochs; in a
            `Dataset.map` the step that `count_steps` gives.
        replica: Integer or integer tensor, the index of the replica.

    Returns:
        A float32 tensor of shape `shape + (examples,)`; the last axis sums
        to 1.

    Raises:
        ValueError: if alpha is negative or not finite, or examples < 2.
    """
    key = make_key(seed, steps.index_of(step, seed=seed), replica)
    return weights_of(key, alpha, shape, examples)


def weights_of(key, alpha, shape, examples, beta=None):
    """`sample_weights` by a key; with beta, a number, lam ~ Beta(alpha, beta)."""
    arguments.check_alpha(alpha)
    arguments.check_examples(examples)
    sizes = _sizes(shape)
    sticks = uniform(key, Stream.WEIGHTS, [*sizes, examples - 1])
    known = arguments.known_value(alpha)
    if known is None:
        broken = broken_by_iteration(alpha, sticks)
    elif known == 0:
        broken = tf.ones_like(sticks)
    else:
        ratios = range(examples - 1, 0, -1) if beta is None else [beta / known]
        pairs = zip(tf.unstack(sticks, axis=-1), ratios, strict=True)
        parts = [beta_quantile(part, known, ratio) for part, ratio in pairs]
        broken = tf.stack(parts, axis=-1)
    whole = tf.ones_like(broken[..., :1])
    rest = tf.concat([whole, tf.math.cumprod(1 - broken, axis=-1)], axis=-1)
    weights = rest * tf.concat([broken, whole], axis=-1)
    return tf.cast(weights, tf.float32)


@hints.not_converted
def sample_partner(
    batch_size: hints.Index,
    seed: int | None = None,
    step: hints.AnyStep = 0,
    replica: hints.Index = 0,
    pairing: hints.Pairing = "permutation",
    labels: hints.TensorLike = None,
    *,
    bandwidth: hints.Bandwidth = "auto",
    kernel: hints.Kernel = "gaussian",
    period: float | None = None,
) -> tf.Tensor:
    """Draws, for each example of a batch, the index of its partner.

    * `"permutation"`: a uniform random permutation (the paper, section 2).
    * `"derangement"`: a random cyclic permutation, so that no example is its
      own partner and every other one is equally likely.
    * `"roll"`: the example before, `(i - 1) mod n`.
    * `"reverse"`: `n - 1 - i`.
    * `"same_class"`: a random permutation within each class. The only example
      of its class is its own partner.
    * `"similar_target"`: j with `P(j | i) ~ exp(-|(y_i - y_j) / bandwidth|**2 / 2)`,
      i itself included, with replacement (C-Mixup, Yao et al., 2022).

    A batch of one is its own partner under every pairing.

    Args:
        batch_size: Integer or scalar integer tensor.
        seed: Integer. None draws anew at every call.
        step: Integer or integer tensor, the index of the batch over all epochs; in a
            `Dataset.map` the step that `count_steps` gives.
        replica: Integer or integer tensor, the index of the replica.
        pairing: One of the names above.
        labels: For `"same_class"`: integer classes of shape `(batch_size,)`
            or `(batch_size, 1)`, or one-hot rows `(batch_size, classes)`. For
            `"similar_target"`: numbers of shape `(batch_size, ...)`.
        bandwidth: For `"similar_target"`: a number > 0 in the targets' unit, a number
            for each entry of a target, or `"auto"`, which is
            `neighbors.reference_bandwidth` of this batch's targets.
        kernel: `"gaussian"`, or `"uniform"`: all j up to the bandwidth alike.
        period: For `"similar_target"`: number > 0 of targets on a circle, whose
            distance is the chord, `(period / pi) |sin(pi (y_i - y_j) / period)|`.

    Returns:
        An int32 tensor of shape `(batch_size,)`.

    Raises:
        ValueError: for an unknown pairing, bandwidth, kernel or period, or labels that
            are missing.
    """
    arguments.check_bandwidth(bandwidth, pairing)
    arguments.check_kernel(kernel, similarity.KERNELS, pairing)
    arguments.check_period(period)
    if pairing == "similar_target":
        labels = similarity.rows_of(labels, bandwidth, period)
    key = make_key(seed, steps.index_of(step, seed=seed), replica)
    return partners_of(key, batch_size, 2, pairing, labels, kernel)[0]


def partners_of(
    key,
    batch_size,
    examples=2,
    pairing="permutation",
    labels=None,
    kernel="gaussian",
):
    """The partners for `examples - 1` further examples, as a list, by a key.

    The first is `sample_partner`. `"roll"` goes one further each time,
    `"derangement"` one further along its cycle; permutations are independent, and so
    are draws of similar targets, whose labels are `similarity.Rows`.
    """
    arguments.check_choice("pairing", pairing, PAIRINGS)
    partners = []
    for rank in range(1, examples):
        partners.append(_partner(batch_size, rank, key, pairing, labels, kernel))
    return partners


def _partner(batch_size, rank, key, pairing, labels, kernel):
    positions = tf.range(batch_size, dtype=tf.int32)
    if pairing == "roll":
        return tf.roll(positions, rank, axis=0)
    if pairing == "reverse":
        return positions[::-1]
    stream = (
        Stream.PARTNERS
        if pairing == "derangement" or rank == 1
        else Stream.FURTHER_PARTNERS + rank
    )
    if pairing == "similar_target":
        share = uniform(key, stream, [batch_size])
        return similarity.drawn_in_batch(share, labels, kernel)
    bits = random_bits(key, stream, [batch_size])
    permutation = tf.argsort(tf.bitcast(bits, tf.int32), stable=True)
    if pairing == "permutation":
        return permutation
    if pairing == "derangement":
        return tf.gather(tf.roll(permutation, -rank, axis=0), _inverse(permutation))
    classes = _classes(labels)
    in_order = tf.argsort(classes, stable=True)
    shuffled = tf.argsort(tf.gather(classes, permutation), stable=True)
    return tf.gather(tf.gather(permutation, shuffled), _inverse(in_order))


def apply_of(key, probability, shape):
    """Whether to mix at all: a boolean tensor, true with that probability."""
    return uniform(key, Stream.APPLY, shape) < tf.cast(probability, tf.float64)


def choice_of(key, count):
    """One of `range(count)`, uniformly: a scalar int32 tensor."""
    return tf.cast(uniform(key, Stream.CHOICE, []) * count, tf.int32)


def _inverse(permutation):
    return tf.argsort(permutation, stable=True)


def _classes(labels):
    if labels is None:
        raise ValueError(
            'pairing="same_class" needs labels. Expected integer classes or '
            "one-hot rows. Received: labels=None"
        )
    labels = tf.convert_to_tensor(labels)
    if labels.shape.rank == 2 and labels.shape[-1] == 1:
        labels = labels[:, 0]
    if labels.dtype.is_bool:
        labels = tf.cast(labels, tf.int32)
    if labels.shape.rank == 2:
        return tf.argmax(labels, axis=-1, output_type=tf.int32)
    if labels.shape.rank == 1 and labels.dtype.is_integer:
        return tf.cast(labels, tf.int32)
    raise ValueError(
        'pairing="same_class" needs labels that name one class an example. '
        "Expected integers of shape (batch_size,) or one-hot rows of shape "
        f"(batch_size, classes). Received: labels of shape {labels.shape} and "
        f"dtype {labels.dtype.name}"
    )


def _sizes(shape):
    """The sizes of a shape as a list of integers and of scalar tensors."""
    if tf.is_tensor(shape):
        known = tf.get_static_value(shape)
        shape = tf.reshape(shape, [-1]) if known is None else known
    if isinstance(shape, np.ndarray | np.generic):
        shape = shape.reshape(-1).tolist()
    if isinstance(shape, numbers.Number):
        shape = [shape]
    sizes = tf.unstack(shape) if tf.is_tensor(shape) else list(shape)
    for size in sizes:
        whole = (
            size.dtype.is_integer
            if tf.is_tensor(size)
            else isinstance(size, numbers.Integral) and size >= 0
        )
        if not whole:
            raise ValueError(
                "Invalid value received for argument `shape`. Expected integers >= 0, "
                f"or integer tensors. Received: shape={shape}"
            )
    return sizes
