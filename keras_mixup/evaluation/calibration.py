"""Whether a classifier is right as often as it says (Guo et al., 2017)."""

from __future__ import annotations

import numbers
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_mixup import hints


def reliability(
    probabilities: npt.ArrayLike, labels: npt.ArrayLike, bins: int = 15
) -> dict[str, list[Any]]:
    """Accuracy and mean confidence of the predictions, by their confidence.

    The confidence is the largest probability of a row. Bin k holds the examples whose
    confidence is in `(k / bins, (k + 1) / bins]`.

    Args:
        probabilities: Array of shape (examples, classes) whose rows sum to one.
        labels: Integers of shape (examples,).
        bins: Integer >= 1. Default: 15, as of Guo et al.

    Returns:
        Dict of lists of length `bins` that JSON can hold: "count", integers, and
        "accuracy" and "confidence", floats in [0, 1] or None where a bin is empty.

    Raises:
        ValueError: for rows that are no probabilities, for wrong shapes or labels,
            for no example.

    References:
        Guo et al. (2017), section 2.
    """
    probabilities, labels = np.asarray(probabilities), np.asarray(labels)
    _check_examples(probabilities, labels)
    if not isinstance(bins, numbers.Integral) or bins < 1:
        raise ValueError(
            "Invalid value received for argument `bins`. "
            f"Expected an integer >= 1. Received: bins={bins}"
        )
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == labels
    # Edges in the precision of the confidences, so that 0.6 lies on the edge 0.6.
    edges = (np.arange(1, bins) / bins).astype(confidence.dtype)
    places = np.searchsorted(edges, confidence, side="left")
    count = np.bincount(places, minlength=bins)
    return {
        "count": count.tolist(),
        "accuracy": _means(places, correct, count),
        "confidence": _means(places, confidence, count),
    }


def calibration_error(reliability: Mapping[str, Sequence[Any]]) -> float:
    """The expected calibration error, `sum_b n_b / n |acc_b - conf_b|`.

    Args:
        reliability: What `reliability` returns.

    Returns:
        Float in [0, 1].

    Raises:
        ValueError: for a dict that holds no example.

    References:
        Guo et al. (2017), equation 3.
    """
    return sum(
        share * abs(accuracy - confidence)
        for share, accuracy, confidence in _filled(reliability)
    )


def expected_calibration_error(
    probabilities: npt.ArrayLike, labels: npt.ArrayLike, bins: int = 15
) -> float:
    """The `calibration_error` of the `reliability` of predictions."""
    return calibration_error(reliability(probabilities, labels, bins))


def overconfidence_error(reliability: Mapping[str, Sequence[Any]]) -> float:
    """The overconfidence error, `sum_b n_b / n conf_b max(conf_b - acc_b, 0)`.

    Args:
        reliability: What `reliability` returns.

    Returns:
        Float in [0, 1].

    Raises:
        ValueError: for a dict that holds no example.

    References:
        Thulasidasan et al. (2019), section 2.
    """
    return sum(
        share * confidence * max(confidence - accuracy, 0.0)
        for share, accuracy, confidence in _filled(reliability)
    )


def draw_reliability_diagram(
    reliability: Mapping[str, Sequence[Any]], axis: hints.Axes, label: str | None = None
) -> None:
    """Draws accuracy against confidence, and the diagonal of perfect calibration.

    Args:
        reliability: What `reliability` returns. Empty bins are left out.
        axis: A matplotlib axis.
        label: Name of the curve in a legend, or None.

    References:
        Guo et al. (2017), Figure 1.
    """
    filled = _filled(reliability)
    axis.plot([0, 1], [0, 1], color="gray", linestyle="--", linewidth=1)
    axis.plot(
        [confidence for _, _, confidence in filled],
        [accuracy for _, accuracy, _ in filled],
        marker="o",
        label=label,
    )
    axis.set_xlim(0, 1)
    axis.set_ylim(0, 1)
    axis.set_xlabel("confidence")
    axis.set_ylabel("accuracy")


def _means(places, values, count):
    sums = np.bincount(places, weights=values, minlength=len(count))
    return [float(s / n) if n else None for s, n in zip(sums, count, strict=True)]


def _filled(reliability):
    """(share of the examples, accuracy, confidence) of each bin that is not empty."""
    total = sum(reliability["count"])
    if not total:
        raise ValueError(
            "No examples received. Expected a reliability of at least one."
        )
    bins = zip(
        reliability["count"],
        reliability["accuracy"],
        reliability["confidence"],
        strict=True,
    )
    return [(n / total, accuracy, confidence) for n, accuracy, confidence in bins if n]


def _check_examples(probabilities, labels):
    shape = probabilities.shape
    if len(shape) != 2 or not all(shape) or probabilities.dtype.kind != "f":
        raise ValueError(
            "Invalid shape or dtype received for argument `probabilities`. Expected "
            "floats of shape (examples, classes), with one example or more. Received: "
            f"shape {shape} and dtype {probabilities.dtype}"
        )
    sums = probabilities.sum(axis=1, dtype=np.float64)
    if not (np.all(probabilities >= 0) and np.all(np.abs(sums - 1) <= 1e-3)):
        raise ValueError(
            "Invalid value received for argument `probabilities`. Expected rows of "
            "numbers >= 0 that sum to 1: apply softmax to logits first. Received: rows "
            f"with sums from {sums.min()} to {sums.max()}, and the smallest number "
            f"{probabilities.min()}"
        )
    if labels.shape != shape[:1] or labels.dtype.kind not in "iu":
        raise ValueError(
            "Invalid labels received. Expected integers of shape "
            f"({shape[0]},). Received: shape {labels.shape} and dtype {labels.dtype}"
        )
    if not np.all((labels >= 0) & (labels < shape[1])):
        raise ValueError(
            f"Invalid labels received. Expected integers in [0, {shape[1]}). "
            f"Received: labels from {labels.min()} to {labels.max()}"
        )
