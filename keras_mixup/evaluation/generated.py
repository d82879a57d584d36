"""What generated samples cover, and how far they are from real ones."""

from __future__ import annotations

import math
import numbers
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_mixup import arguments


def mode_coverage(
    samples: npt.ArrayLike,
    modes: npt.ArrayLike,
    radius: float,
    least_share: float = 0.01,
) -> dict[str, Any]:
    """How many modes of a mixture samples cover, and how many samples lie at one.

    A sample is of high quality where its Euclidean distance to the nearest mode is at
    most `radius`. A mode is covered where at least `least_share` of all samples, and
    one at least, are of high quality and nearest to it.

    Args:
        samples: Array of shape (samples, dimensions). Rows that are not finite lie at
            no mode.
        modes: Array of shape (modes, dimensions): the means of the mixture.
        radius: Float > 0, in units of the data. Three standard deviations are usual
            (Srivastava et al., 2017).
        least_share: Float in [0, 1], a share of the samples. Default: 0.01.

    Returns:
        Dict of "modes_covered" (integer), "high_quality_share" (in [0, 1]) and
        "shares" (array of shape (modes,): of all samples, those at each mode).

    Raises:
        ValueError: for wrong shapes or numbers out of range.

    References:
        Srivastava et al. (2017), "VEEGAN", section 4.1.
    """
    samples, modes = _points("samples", samples), _points("modes", modes)
    _check_dimensions(samples, modes)
    if not np.isfinite(modes).all():
        raise ValueError(
            "Invalid value received for argument `modes`. Expected finite numbers."
        )
    if not (isinstance(radius, numbers.Real) and 0 < radius < math.inf):
        raise ValueError(
            "Invalid value received for argument `radius`. Expected a finite float "
            "> 0. "
            f"Received: radius={radius}"
        )
    arguments.check_share("least_share", least_share, "[0, 1]")
    counts = np.zeros(len(modes), np.int64)
    finite = samples[np.isfinite(samples).all(axis=1)]
    for start in range(0, len(finite), 4096):
        block = finite[start : start + 4096, np.newaxis]
        distances = np.linalg.norm(block - modes, axis=-1)
        near = distances.min(axis=1) <= radius
        counts += np.bincount(distances.argmin(axis=1)[near], minlength=len(modes))
    # A count is compared with a count: 29 of 100 times .01 is not 1 in floats.
    least = max(1, math.ceil(round(least_share * len(samples), 9)))
    return {
        "modes_covered": int((counts >= least).sum()),
        "high_quality_share": float(counts.sum() / len(samples)),
        "shares": counts / len(samples),
    }


def sliced_wasserstein(
    samples: npt.ArrayLike,
    others: npt.ArrayLike,
    projections: int = 200,
    seed: int | None = 0,
) -> float:
    """The sliced 1-Wasserstein distance of two samples.

    `mean_k W_1(samples theta_k, others theta_k)` over unit directions theta_k, drawn
    uniformly; W_1 of two equally large samples on a line is the mean distance of their
    sorted values. For samples that differ by a shift s alone it is the mean of
    |s theta|: `2 |s| / pi` in the plane, and |s| on the line.

    Args:
        samples: Array of shape (samples, dimensions), or (samples, ...), flattened.
        others: Array of the same shape.
        projections: Integer >= 1, the number of directions. Default: 200.
        seed: Integer: the same directions for the same seed, so that values can be
            compared.

    Returns:
        A float >= 0, in units of the data.

    Raises:
        ValueError: for shapes that differ, values that are not finite, or projections
            below 1.

    References:
        Bonneel et al. (2015), "Sliced and Radon Wasserstein barycenters of measures".
    """
    arguments.check_seed(seed)
    arguments.check_count("projections", projections)
    pair = [
        _points(name, np.reshape(array, (len(np.asarray(array)), -1)))
        for name, array in [("samples", samples), ("others", others)]
    ]
    _check_dimensions(*pair)
    if pair[0].shape != pair[1].shape:
        raise ValueError(
            "Invalid shape received for argument `others`. Expected as many as there "
            f"are samples, {len(pair[0])}. Received: {len(pair[1])}"
        )
    if not all(np.isfinite(array).all() for array in pair):
        raise ValueError(
            "Invalid value received for argument `samples` or `others`. Expected "
            "finite numbers."
        )
    directions = np.random.default_rng(seed).normal(
        size=(pair[0].shape[1], projections)
    )
    directions /= np.linalg.norm(directions, axis=0)
    first, second = (np.sort(array @ directions, axis=0) for array in pair)
    return float(np.abs(first - second).mean())


def _points(name, array):
    array = np.asarray(array, np.float64)
    if array.ndim != 2 or not array.size:
        raise ValueError(
            f"Invalid shape received for argument `{name}`. Expected ({name}, "
            f"dimensions), none of them 0. Received: shape {array.shape}"
        )
    return array


def _check_dimensions(first, second):
    if first.shape[1] != second.shape[1]:
        raise ValueError(
            "The points do not fit. Expected as many dimensions in both arrays. "
            f"Received: {first.shape[1]} and {second.shape[1]}"
        )
