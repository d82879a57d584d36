"""Top-k errors in percent."""

from __future__ import annotations

import numbers
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def top_k_errors(
    scores: npt.ArrayLike, labels: npt.ArrayLike, ks: Sequence[int] = (1, 5)
) -> dict[str, float]:
    """The percentage of examples whose class is not among the k highest scores.

    A class is among them if fewer than k others score as high or higher: a tie
    counts against the model (tf.math.in_top_k counts it for the model). A row with
    a NaN is an error.

    Args:
        scores: Array of shape (examples, classes), logits or probabilities.
        labels: Integers of shape (examples,), or rows of shape (examples, classes)
            whose largest entry is the class.
        ks: Integers >= 1. Default: (1, 5).

    Returns:
        Dict such as `{"top_1": 25.0, "top_5": 0.0}`, in percent.

    Raises:
        ValueError: for wrong shapes, for labels that are no class, for no example.
    """
    check_ks(ks)
    scores = np.asarray(scores)
    missed = missed_by(scores, labels, ks)
    return percent(missed, len(scores), ks)


def missed_by(scores, labels, ks):
    """How many examples each k misses, int64 of shape (len(ks),)."""
    scores, labels = np.asarray(scores), np.asarray(labels)
    if scores.ndim == 2 and labels.shape == scores.shape:
        labels = labels.argmax(axis=-1)
    if labels.ndim == 2 and labels.shape[-1] == 1:
        labels = labels[:, 0]
    whole = np.issubdtype(labels.dtype, np.integer) or labels.dtype == bool
    if scores.ndim != 2 or labels.shape != scores.shape[:1] or not whole:
        raise ValueError(
            "Invalid scores or labels. Expected scores of shape (examples, classes), "
            "and integers of shape (examples,) or rows of shape (examples, classes). "
            f"Received: scores of shape {scores.shape}, labels of shape "
            f"{labels.shape} and dtype {labels.dtype}"
        )
    labels = labels.astype(np.int64)
    if not np.all((labels >= 0) & (labels < scores.shape[1])):
        raise ValueError(
            f"Invalid labels. Expected integers in [0, {scores.shape[1]}). Received: "
            f"labels from {labels.min()} to {labels.max()}"
        )
    own = np.take_along_axis(scores, labels[:, np.newaxis], axis=1)
    ahead = np.sum(scores >= own, axis=1) - 1
    ahead = np.where(np.isnan(scores).any(axis=1), max(ks), ahead)
    return np.array([np.sum(ahead >= k) for k in ks], np.int64)


def percent(missed, examples, ks):
    """The counts as a dict of percentages; raises where there is no example."""
    if not examples:
        raise ValueError("No examples received. Expected at least one.")
    return {
        f"top_{k}": 100 * int(m) / examples for k, m in zip(ks, missed, strict=True)
    }


def check_ks(ks):
    """Raises unless it is a tuple or list of integers >= 1."""
    valid = isinstance(ks, (tuple, list)) and ks
    if not valid or not all(isinstance(k, numbers.Integral) and k >= 1 for k in ks):
        raise ValueError(
            "Invalid value received for argument `ks`. Expected a tuple of integers "
            f">= 1. Received: ks={ks!r}"
        )
