"""Ordinal targets: levels of an order, such as grades, as rows that can be mixed."""

from __future__ import annotations

import tensorflow as tf

from keras_mixup import arguments, hints, targets


@hints.not_converted
def ordinal_rows(levels: hints.TensorLike, num_levels: int) -> tf.Tensor:
    """Levels 0 to K - 1 as rows of K - 1 answers `[y > 0, y > 1, ..., y > K - 2]`.

    Each is a label of 0 or 1 by itself (Frank and Hall, 2001; CORAL, Cao et al., 2020):
    train K - 1 units with binary crossentropy. A mixed row
    `lam row(y_i) + (1 - lam) row(y_j)` falls from left to right as each of them does,
    and its sum is `lam y_i + (1 - lam) y_j`.

    Args:
        levels: Integers in [0, num_levels), of any shape; a last axis of one is
            dropped, as in a column of labels.
        num_levels: Integer K >= 2.

    Returns:
        Float32 rows on a new last axis.

    Raises:
        ValueError: for other levels, where they are known, and another number of them.
        tf.errors.InvalidArgumentError: where the graph runs, for levels out of range.

    Examples:
        >>> rows = keras_mixup.ordinal_rows(grades, num_levels=5)
    """
    arguments.check_count("num_levels", num_levels, least=2)
    levels = tf.convert_to_tensor(levels)
    expected = f"integers in [0, {num_levels})"
    if not levels.dtype.is_integer:
        raise _wrong("levels", expected, f"dtype {levels.dtype.name}")
    levels = tf.cast(targets.without_column(levels), tf.int64)
    _check(levels, (levels >= 0) & (levels < num_levels), "levels", expected)
    steps = tf.range(num_levels - 1, dtype=tf.int64)
    return tf.cast(levels[..., tf.newaxis] > steps, tf.float32)


@hints.not_converted
def ordinal_level(probabilities: hints.TensorLike) -> tf.Tensor:
    """The level of each row: how many of its answers are above 1/2.

    Args:
        probabilities: Numbers in [0, 1] of shape (..., K - 1), as a network with
            sigmoid units predicts them, or as `ordinal_rows` gives them.

    Returns:
        Int32 levels in [0, K), of shape (...).

    Raises:
        ValueError: for scalars, and for numbers outside of [0, 1], such as logits,
            where they are known.
        tf.errors.InvalidArgumentError: where the graph runs, for such numbers.
    """
    rows = tf.convert_to_tensor(probabilities)
    expected = "probabilities in [0, 1] of shape (..., K - 1); of logits their sigmoid"
    numeric = rows.dtype.is_floating or rows.dtype.is_integer
    if not numeric or rows.shape.rank == 0:
        received = f"shape {rows.shape} and dtype {rows.dtype.name}"
        raise _wrong("probabilities", expected, received)
    _check(rows, (rows >= 0) & (rows <= 1), "probabilities", expected)
    above = tf.cast(rows, tf.float64) > 0.5
    return tf.reduce_sum(tf.cast(above, tf.int32), axis=-1)


def _check(values, fits, name, expected):
    """Raises where a value does not fit: now, or where the graph runs."""
    wrong = tf.boolean_mask(tf.reshape(values, [-1]), tf.reshape(~fits, [-1]))
    known = tf.get_static_value(wrong)
    if known is None:
        message = _wrong(name, expected, "").args[0]
        tf.debugging.Assert(tf.reduce_all(fits), [message, wrong], summarize=5)
    elif known.size:
        raise _wrong(name, expected, f"{known.size} others, such as {known[0]}")


def _wrong(name, expected, received):
    return ValueError(
        f"Invalid value received for argument `{name}`. Expected {expected}. "
        f"Received: {received}"
    )
