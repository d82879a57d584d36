"""How a classifier behaves between its examples (Figure 2 of the paper)."""

from __future__ import annotations

from typing import Literal

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from keras_mixup import arguments, mixing
from keras_mixup.evaluation import scores
from keras_mixup.evaluation.gradients import input_gradient

TARGETS = ("mixed", "predicted")


def between(
    model: keras.Model,
    x_i: npt.ArrayLike,
    y_i: npt.ArrayLike,
    x_j: npt.ArrayLike,
    y_j: npt.ArrayLike,
    lams: npt.ArrayLike | None = None,
    batch_size: int = 256,
    from_logits: bool | None = None,
    target: Literal["mixed", "predicted"] = "mixed",
    progress: bool = True,
) -> dict[str, np.ndarray]:
    """Misses, loss and gradient norm of a classifier at points between examples.

    At `x = lam x_i + (1 - lam) x_j` a prediction is a miss if it is neither y_i nor
    y_j. The loss is `CE(model(x), lam y_i + (1 - lam) y_j)`. The gradient norm is
    `||grad_x loss||_2` of each pair's own loss, over all entries of the input, in
    the units of the input. The model is in inference mode.

    Args:
        model: A Keras classifier of scores of shape (batch, classes).
        x_i: Array of shape (pairs, ...), floats or uint8, as the model takes it.
        y_i: Integers of shape (pairs,).
        x_j: Array of the shape of x_i.
        y_j: Integers of shape (pairs,).
        lams: Weights of x_i in [0, 1]. Default: 0, 0.05, ..., 1, as in the figure.
        batch_size: Integer >= 1. Default: 256.
        from_logits: As of `fgsm`.
        target: Label of the loss: "mixed", the default, or "predicted", the class
            that the model predicts at the point. The paper does not say which.
        progress: Whether a progress bar is shown. Default: True.

    Returns:
        Dict of float64 arrays of shape (len(lams),): "lam", "miss" in percent,
        "loss" in nats (mean over the pairs), "gradient_norm" (mean over the pairs)
        and "gradient_norm_median".

    Raises:
        ValueError: for wrong arguments.

    References:
        Zhang et al. (2018), section 3.1 and Figures 2a and 2b.
    """
    arguments.check_backend("evaluation.between")
    arguments.check_choice("target", target, TARGETS)
    lams = _checked_lams(np.linspace(0, 1, 21) if lams is None else lams)
    arguments.check_count("batch_size", batch_size)
    x_i, y_i, x_j, y_j = (np.asarray(array) for array in (x_i, y_i, x_j, y_j))
    _check_pairs(x_i, y_i, x_j, y_j)
    pairs = len(x_i)
    batch_size = min(batch_size, pairs)

    @tf.function(autograph=False)
    def at_lam(lam, x_i, y_i, x_j, y_j):
        x = mixing.convex_combination([x_i, x_j], [lam, 1 - lam])

        def labels_of(logits):
            mixed = mixing.convex_combination(
                [scores.label_rows(y, logits) for y in (y_i, y_j)], [lam, 1 - lam]
            )
            if target == "mixed":
                return mixed
            return tf.one_hot(scores.predicted_class(logits), logits.shape[-1])

        direction, size, logits, rows = input_gradient(model, x, labels_of, from_logits)
        norm = tf.norm(tf.reshape(direction, [tf.shape(x)[0], -1]), axis=-1)
        predicted = scores.predicted_class(logits)
        missed = (predicted != y_i) & (predicted != y_j)
        loss = tf.nn.softmax_cross_entropy_with_logits(rows, logits)
        return missed, loss, tf.cast(size, norm.dtype) * norm

    starts = range(0, pairs, batch_size)
    bar = keras.utils.Progbar(len(starts) * len(lams)) if progress else None
    found = np.empty([3, len(lams), pairs])
    for start in starts:
        # The last batch goes on with the first pairs: one shape, one trace.
        rows = np.arange(start, start + batch_size) % pairs
        batch = [
            tf.convert_to_tensor(array[rows])
            for array in (x_i, y_i.astype(np.int64), x_j, y_j.astype(np.int64))
        ]
        stop = min(start + batch_size, pairs)
        for index, lam in enumerate(lams):
            for values, result in zip(
                found, at_lam(tf.constant(lam, tf.float32), *batch)
            ):
                values[index, start:stop] = result.numpy()[: stop - start]
            if bar:
                bar.add(1)
    missed, loss, norm = found
    return {
        "lam": lams,
        "miss": 100 * missed.mean(axis=1),
        "loss": loss.mean(axis=1),
        "gradient_norm": norm.mean(axis=1),
        "gradient_norm_median": np.median(norm, axis=1),
    }


def _checked_lams(lams: npt.ArrayLike) -> np.ndarray:
    lams = np.asarray(lams, np.float64)
    if lams.ndim != 1 or not len(lams) or not np.all((lams >= 0) & (lams <= 1)):
        raise ValueError(
            "Invalid value received for argument `lams`. Expected floats in [0, 1] of "
            f"shape (points,). Received: lams={lams}"
        )
    return lams


def _check_pairs(x_i, y_i, x_j, y_j):
    if x_i.shape != x_j.shape or x_i.dtype != x_j.dtype or not x_i.ndim or not len(x_i):
        raise ValueError(
            "Invalid shapes received for arguments `x_i` and `x_j`. Expected two equal "
            "shapes (pairs, ...) of one dtype, with one pair or more. Received: "
            f"{x_i.shape} of {x_i.dtype} and {x_j.shape} of {x_j.dtype}"
        )
    if x_i.dtype.kind != "f" and x_i.dtype != np.uint8:
        raise ValueError(
            "Invalid dtype received for arguments `x_i` and `x_j`. Expected floats or "
            f"uint8. Received: {x_i.dtype}"
        )
    for name, y in (("y_i", y_i), ("y_j", y_j)):
        if y.shape != x_i.shape[:1] or y.dtype.kind not in "iu":
            raise ValueError(
                f"Invalid labels received for argument `{name}`. Expected integers of "
                f"shape ({len(x_i)},). Received: shape {y.shape} and dtype {y.dtype}"
            )
