"""What the scores of a classifier say: logits, the predicted class, the loss."""

import numpy as np
import tensorflow as tf

from keras_mixup import targets

_TINY = np.finfo("float32").tiny


def as_logits(scores, from_logits):
    """The logits of scores, at least in float32.

    Probabilities p become `log p`, whose softmax is p again. Below the smallest
    normal float the logarithm is cut off.

    Args:
        scores: Float tensor of shape (batch, classes).
        from_logits: Whether the scores are logits (True) or probabilities.

    Raises:
        ValueError: for another shape.
    """
    if not tf.is_tensor(scores) or scores.shape.rank != 2 or scores.shape[-1] == 1:
        raise ValueError(
            "Invalid output of the model. Expected one tensor of scores of shape "
            f"(batch, classes) with two classes or more. Received: {scores}"
        )
    if scores.dtype != tf.float64:
        scores = tf.cast(scores, tf.float32)
    if from_logits:
        return scores
    return tf.math.log(tf.maximum(scores, tf.cast(_TINY, scores.dtype)))


def label_rows(y, logits):
    """The labels as rows that fit the logits: one-hot for integers.

    Args:
        y: Integers of shape (batch,) or (batch, 1), or float rows of shape
            (batch, classes) that sum to one.
        logits: Float tensor of shape (batch, classes).

    Raises:
        ValueError: for another shape.
        InvalidArgumentError: for integers outside `[0, classes)`.
    """
    classes = logits.shape[-1]
    if targets.is_integer(y):
        labels = tf.cast(targets.without_column(y), tf.int32)
        if labels.shape.rank == 1:
            tf.debugging.Assert(
                tf.reduce_all((labels >= 0) & (labels < classes)),
                [f"Invalid labels. Expected integers in [0, {classes}). Received", y],
            )
            return tf.one_hot(labels, classes, dtype=logits.dtype)
    elif y.shape.rank == 2 and y.shape[-1] == classes:
        return tf.cast(y, logits.dtype)
    raise ValueError(
        "Invalid labels. Expected integers of shape (batch,), or float rows of shape "
        f"(batch, {classes}). Received: shape {y.shape} and dtype {y.dtype.name}"
    )


def predicted_class(scores):
    """The class of the largest score, int64 of shape (batch,); -1 where any is NaN.

    Raises:
        ValueError: for a single score, which has no largest.
    """
    if scores.shape[-1] == 1:
        raise ValueError(
            "Invalid output of the model. Expected scores of shape (batch, classes) "
            f"with two classes or more. Received: shape {scores.shape}"
        )
    failed = tf.reduce_any(tf.math.is_nan(scores), axis=-1)
    return tf.where(failed, tf.constant(-1, tf.int64), tf.argmax(scores, axis=-1))


def slope(rows, logits):
    """The gradient of the cross-entropy with respect to the logits, `p - y`.

    It is summed as `p (1 - y) - y (1 - p)`, with 1 - p of the largest p as the sum of
    the others: where p rounds to 1, `p - y` is 0 in float32, yet the gradient is not.
    The rows y sum to one. All shapes are (batch, classes).
    """
    p = tf.nn.softmax(logits)
    largest = tf.one_hot(tf.argmax(p, axis=-1), p.shape[-1], dtype=p.dtype)
    others = tf.reduce_sum(p * (1 - largest), axis=-1, keepdims=True)
    return p * (1 - rows) - rows * tf.where(largest > 0, others, 1 - p)
