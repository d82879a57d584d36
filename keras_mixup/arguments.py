"""Checks of arguments: what was wrong, what is expected, what was received."""

import math
import numbers

import tensorflow as tf


def check_alpha(alpha):
    """Raises unless alpha is a finite scalar >= 0, where its value is known."""
    value = tf.get_static_value(alpha) if tf.is_tensor(alpha) else alpha
    if tf.is_tensor(alpha) and value is None:
        return  # Known only when the graph runs.
    scalar = isinstance(value, numbers.Real) or getattr(value, "shape", None) == ()
    if not (scalar and math.isfinite(value) and value >= 0):
        raise ValueError(
            "Invalid value received for argument `alpha`. "
            f"Expected a finite float >= 0. Received: alpha={alpha}"
        )


def check_examples(examples):
    """Raises unless it is an integer >= 2."""
    if not isinstance(examples, numbers.Integral) or examples < 2:
        raise ValueError(
            "Invalid value received for argument `examples`. "
            f"Expected an integer >= 2. Received: examples={examples}"
        )


def check_choice(argument, value, choices):
    """Raises, with the valid names, unless the value is one of them."""
    if value not in choices:
        raise ValueError(
            f"Unknown value received for argument `{argument}`. "
            f"Expected one of {list(choices)}. Received: {argument}={value!r}"
        )


def check_share(argument, value, below, expected):
    """Raises unless `below` holds and the value is not negative."""
    if not (below and value >= 0):
        raise ValueError(
            f"Invalid value received for argument `{argument}`. "
            f"Expected a float in {expected}. Received: {argument}={value}"
        )
