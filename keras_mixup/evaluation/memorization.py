"""How much of the corrupted labels a classifier has learned (Table 2 of the paper)."""

from __future__ import annotations

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from keras_mixup import arguments, mixing
from keras_mixup.evaluation.scores import predicted_class


def memorization(
    model: keras.Model,
    x: npt.ArrayLike,
    given: npt.ArrayLike,
    corrupted: npt.ArrayLike,
    batch_size: int = 512,
) -> dict[str, float | None]:
    """The training error on real and on corrupted labels, in inference mode.

    Args:
        model: A Keras classifier of scores of shape (batch, classes), logits or
            probabilities.
        x: Array of shape (examples, ...): the training examples as the model takes
            them, neither mixed nor augmented. uint8 becomes float32.
        given: As of `memorization_errors`.
        corrupted: As of `memorization_errors`.
        batch_size: Integer >= 1. Default: 512.

    Returns:
        As of `memorization_errors`. A row of scores with a NaN is an error.

    Raises:
        ValueError: for wrong arguments.

    References:
        Zhang et al. (2018), section 3.4 and Table 2.
    """
    arguments.check_backend("evaluation.memorization")
    arguments.check_count("batch_size", batch_size)
    x, given, corrupted = (np.asarray(array) for array in (x, given, corrupted))
    _check_labels(given, corrupted)
    if x.shape[:1] != given.shape:
        raise ValueError(
            "Invalid shape received for argument `x`. Expected one example for each of "
            f"the {len(given)} labels. Received: shape {x.shape}"
        )

    @tf.function(autograph=False)
    def predict(x):
        x = tf.cast(x, mixing.mixed_dtype(x.dtype))
        return predicted_class(model(x, training=False))

    predicted = [
        predict(tf.convert_to_tensor(x[start : start + batch_size])).numpy()
        for start in range(0, len(x), batch_size)
    ]
    return memorization_errors(np.concatenate(predicted), given, corrupted)


def memorization_errors(
    predicted: npt.ArrayLike, given: npt.ArrayLike, corrupted: npt.ArrayLike
) -> dict[str, float | None]:
    """The percentage of predictions that are not the given label, by its kind.

    A model that has memorized the corrupted labels has an error near 0 there; one
    that has not, near `100 (1 - 1 / classes)`.

    Args:
        predicted: Integers of shape (examples,).
        given: Integers >= 0 of shape (examples,): the labels of the training, those
            that were corrupted included.
        corrupted: Booleans of shape (examples,): which labels were replaced, whether
            or not the replacement is the true label.

    Returns:
        Dict of "error_on_real" and "error_on_corrupted", in percent, or None where
        there are no such examples.

    Raises:
        ValueError: for wrong shapes or dtypes.

    References:
        Zhang et al. (2018), section 3.4 and Table 2.
    """
    predicted, given, corrupted = map(np.asarray, (predicted, given, corrupted))
    _check_labels(given, corrupted)
    if predicted.shape != given.shape or predicted.dtype.kind not in "iu":
        raise ValueError(
            "Invalid value received for argument `predicted`. Expected integers of "
            f"shape {given.shape}. Received: shape {predicted.shape} and dtype "
            f"{predicted.dtype}"
        )
    wrong = predicted != given
    return {
        "error_on_real": _percent(wrong[~corrupted]),
        "error_on_corrupted": _percent(wrong[corrupted]),
    }


def _percent(wrong):
    return 100 * float(np.mean(wrong)) if len(wrong) else None


def _check_labels(given, corrupted):
    if given.ndim != 1 or not len(given) or given.dtype.kind not in "iu":
        raise ValueError(
            "Invalid value received for argument `given`. Expected integers of shape "
            "(examples,), with one example or more. Received: shape "
            f"{given.shape} and dtype {given.dtype}"
        )
    if given.min() < 0:
        raise ValueError(
            "Invalid value received for argument `given`. Expected integers >= 0. "
            f"Received: {given.min()}"
        )
    if corrupted.shape != given.shape or corrupted.dtype != bool:
        raise ValueError(
            "Invalid value received for argument `corrupted`. Expected booleans of "
            f"shape {given.shape}. Received: shape {corrupted.shape} and dtype "
            f"{corrupted.dtype}"
        )
