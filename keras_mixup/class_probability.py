"""The probability that an example is mixed, where each class has one of its own."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from keras_mixup import arguments, targets, variables

_HALF = 0.5


def of_classes(probability):
    """Whether a probability is one for each class: a sequence, array or variable."""
    if isinstance(probability, Sequence) or variables.is_variable(probability):
        return True
    return len(getattr(probability, "shape", ())) > 0


def check_probability(probability, per):
    """Raises unless it is in [0, 1], or in per="example" one such for each class."""
    if not of_classes(probability):
        arguments.check_share("probability", probability, "[0, 1]")
        return
    values = np.asarray(variables.value_of(probability))
    numbers = values.ndim == 1 and values.dtype.kind in "iuf"
    if not (numbers and len(values) and np.all((values >= 0) & (values <= 1))):
        raise ValueError(
            "Invalid value received for argument `probability`. Expected a float in "
            "[0, 1], or a sequence or variable of one for each class. Received: "
            f"probability={probability}"
        )
    if per != "example":
        raise ValueError(
            "Examples of several classes are in one batch, so that a probability for "
            'each class is drawn an example. Expected per="example". Received: '
            f"per={per!r}, probability={values.tolist()}"
        )


def of_examples(policy, leaves, paths):
    """The probability of each example by its class, (batch,); one number stays.

    Raises:
        ValueError: for a target that does not name one class an example.
        tf.errors.InvalidArgumentError: where the graph runs, for a class without a
            probability, and for rows in which no class has more than half. XLA leaves
            that out: the probability of such a class is NaN, and so is the loss.
    """
    if not of_classes(policy.probability):
        return policy.probability
    values = tf.cast(tf.convert_to_tensor(policy.probability), tf.float32)
    labels, path = targets.pairing_target(leaves, paths, policy.pairing_target)
    multi_label = targets.per_target(policy.multi_label, path)
    count, shape = values.shape[0], labels.shape
    if targets.is_integer(labels) and (shape.rank == 1 or shape[1:] == [1]):
        classes = tf.cast(tf.reshape(labels, [-1]), tf.int64)
        inside = (classes >= 0) & (classes < count)
    elif shape.rank == 2 and shape[1] == count and not multi_label:
        classes = tf.argmax(labels, axis=-1)
        inside = tf.reduce_max(tf.cast(labels, tf.float32), axis=-1) > _HALF
    else:
        raise ValueError(
            "A probability for each class needs a target that names one class an "
            "example, without multi_label. Expected class numbers as integers of shape "
            f"(batch_size,), or rows (batch_size, {count}). Received: dtype "
            f"{labels.dtype.name}, shape {shape}, multi_label={multi_label}"
        )
    tf.debugging.Assert(
        tf.reduce_all(inside),
        [
            f"A probability for each of {count} classes needs labels that are class "
            f"numbers in [0, {count}), or rows in which one class has more than half. "
            "Received:",
            tf.boolean_mask(labels, ~inside),
        ],
        summarize=12,
    )
    found = tf.gather(values, tf.clip_by_value(classes, 0, count - 1))
    return tf.where(inside, found, float("nan"))


def without_labels(policy):
    """What a draw without labels goes by: no label, and one probability.

    Raises:
        ValueError: where each class has a probability of its own.
    """
    if of_classes(policy.probability):
        raise ValueError(
            "A probability for each class needs labels, which are not known here. "
            "Expected one number for `probability`, or in MixUpSummary a `batch`. "
            f"Received: probability={policy.probability}"
        )
    return None, policy.probability
