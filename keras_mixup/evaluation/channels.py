"""Quantities that are one number, or one a channel: how far, and between what."""

import numpy as np
import tensorflow as tf


def not_negative(argument, value, x):
    """The value as a tensor of x's dtype; raises unless it is finite and >= 0."""
    tensor = _by_channel(argument, value, x)
    known = tf.get_static_value(tensor)
    if known is not None and not np.all(np.isfinite(known) & (known >= 0)):
        raise ValueError(
            f"Invalid value received for argument `{argument}`. "
            f"Expected a finite float >= 0. Received: {argument}={value}"
        )
    return tensor


def value_range_of(value_range, x):
    """The two ends as tensors of x's dtype, where x lies between them.

    Raises:
        ValueError: unless it is a pair (low, high) with low < high.
        InvalidArgumentError: for x outside (not under `jit_compile=True`, which drops
            assertions).
    """
    if not isinstance(value_range, (tuple, list)) or len(value_range) != 2:
        _refuse_range(value_range)
    low, high = (_by_channel("value_range", end, x) for end in value_range)
    known = [tf.get_static_value(end) for end in (low, high)]
    if all(end is not None for end in known) and not np.all(known[0] < known[1]):
        _refuse_range(value_range)
    # What normalization rounds is no reason to stop.
    slack = 1e-3 * (high - low)
    tf.debugging.Assert(
        tf.reduce_all((x >= low - slack) & (x <= high + slack)),
        [
            "Invalid value received for `x`. Expected values inside `value_range`, "
            f"{value_range}. Received: values from",
            tf.reduce_min(x),
            "to",
            tf.reduce_max(x),
        ],
    )
    return low, high


def _refuse_range(value_range):
    raise ValueError(
        "Invalid value received for argument `value_range`. Expected a pair (low, "
        f"high) with low < high. Received: value_range={value_range}"
    )


def _by_channel(argument, value, x):
    try:
        value = value if tf.is_tensor(value) else np.asarray(value, np.float64)
    except (TypeError, ValueError):
        raise ValueError(
            f"Invalid value received for argument `{argument}`. "
            f"Expected floats. Received: {argument}={value!r}"
        ) from None
    tensor = tf.cast(value, x.dtype)
    channels = tensor.shape.rank == 1 and tensor.shape[0] in (1, x.shape[-1])
    if tensor.shape.rank != 0 and not channels:
        raise ValueError(
            f"Invalid shape received for argument `{argument}`. Expected a float, or "
            f"one for each of the {x.shape[-1]} channels. Received: shape "
            f"{tensor.shape}"
        )
    return tensor
