"""Checks of arguments: what was wrong, what is expected, what was received."""

import math
import numbers
from collections.abc import Mapping

import keras
import numpy as np
import tensorflow as tf

# Below are numbers that processors take for 0.
_LEAST = float(np.finfo(np.float64).tiny)


def check_alpha(alpha):
    """Raises unless alpha is a finite scalar >= 0, where its value is known."""
    if known_value(alpha) is None and tf.executing_eagerly():
        # A variable: the value that it has now.
        known_value(tf.convert_to_tensor(alpha))


def known_value(alpha):
    """Alpha as a float, or None where it is known only when the graph runs.

    Raises:
        ValueError: for what is no finite scalar >= 0.
    """
    value = tf.get_static_value(alpha) if tf.is_tensor(alpha) else alpha
    if tf.is_tensor(alpha) and value is None:
        dtype = tf.as_dtype(alpha.dtype)
        if len(alpha.shape) or not (dtype.is_floating or dtype.is_integer):
            _refuse_alpha(alpha)
        return None
    scalar = isinstance(value, numbers.Real) or getattr(value, "shape", None) == ()
    # bfloat16 is of kind V.
    if not scalar or np.asarray(value).dtype.kind not in "iufOV":
        _refuse_alpha(alpha)
    try:
        value = float(value)
    except OverflowError:
        _refuse_alpha(alpha)
    if not (math.isfinite(value) and value >= 0):
        _refuse_alpha(alpha)
    return value


def check_backend(what, instead=""):
    """Raises where Keras runs on another backend than TensorFlow."""
    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise ValueError(
            f"{what} needs the TensorFlow backend of Keras. Expected "
            "KERAS_BACKEND=tensorflow in the environment before Keras is imported"
            f"{instead}. Received: backend={backend!r}"
        )


def assert_alpha(alpha):
    """Fails, where the graph runs, unless alpha is a finite float >= 0."""
    alpha = tf.cast(alpha, tf.float64)
    tf.debugging.Assert(
        tf.math.is_finite(alpha) & (alpha >= 0),
        [
            "Invalid value received for argument `alpha`. Expected a finite float "
            ">= 0. "
            "Received:",
            alpha,
        ],
    )


def check_examples(examples):
    """Raises unless it is an integer >= 2."""
    if not isinstance(examples, numbers.Integral) or examples < 2:
        raise ValueError(
            "Invalid value received for argument `examples`. "
            f"Expected an integer >= 2. Received: examples={examples}"
        )


def check_count(argument, value, least=1):
    """Raises unless the value is an integer >= `least`."""
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not whole or value < least:
        raise ValueError(
            f"Invalid value received for argument `{argument}`. "
            f"Expected an integer >= {least}. Received: {argument}={value!r}"
        )


def check_seed(seed):
    """Raises unless it is an integer of 64 bits or None."""
    if seed is not None:
        check_index("seed", seed, "an integer or None")


def check_index(argument, value, expected="an integer"):
    """Raises unless it is an integer of 64 bits, with or without a sign."""
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not whole or not -(2**63) <= value < 2**64:
        expected = "an integer from -2**63 to 2**64 - 1" if whole else expected
        raise ValueError(
            f"Invalid value received for argument `{argument}`. Expected {expected}. "
            f"Received: {argument}={value!r}"
        )


def check_num_classes(num_classes):
    """Raises unless it is None, an integer >= 1, or a dict or list of such."""
    values = [num_classes]
    if isinstance(num_classes, Mapping):
        values = list(num_classes.values())
    elif isinstance(num_classes, (list, tuple)):
        values = list(num_classes)
    for value in values:
        if value is not None and not (
            isinstance(value, numbers.Integral) and value > 0
        ):
            raise ValueError(
                "Invalid value received for argument `num_classes`. Expected an "
                "integer >= 1, or a dict or list of them for several targets. "
                f"Received: num_classes={num_classes!r}"
            )


def check_period(period, with_names=False):
    """Raises unless it is None or a finite number > 0 (or a dict or list of such)."""
    values = [period]
    if isinstance(period, Mapping) and with_names:
        values = list(period.values())
    elif isinstance(period, (list, tuple)) and with_names:
        values = list(period)
    for value in values:
        number = isinstance(value, numbers.Real) and not isinstance(value, bool)
        if value is not None and not (number and 0 < value < math.inf):
            raise ValueError(
                "Invalid value received for argument `period`. Expected a finite "
                "number > 0, such as 360 of degrees, or in a policy a dict or list of "
                f"them for several targets. Received: period={period!r}"
            )


def check_multi_label(multi_label):
    """Raises unless it is a boolean, or a dict or list of such."""
    values = [multi_label]
    if isinstance(multi_label, Mapping):
        values = list(multi_label.values())
    elif isinstance(multi_label, (list, tuple)):
        values = list(multi_label)
    if not all(isinstance(value, bool) for value in values):
        raise ValueError(
            "Invalid value received for argument `multi_label`. Expected a boolean, or "
            "a dict or list of them for several targets. "
            f"Received: multi_label={multi_label!r}"
        )


def check_quantities(quantities):
    """Raises unless it is a name, names, or a boolean."""
    if not isinstance(quantities, (str, bool, list, tuple, set)):
        raise ValueError(
            "Invalid value received for argument `quantities`. Expected a name, names, "
            f"or True for all of x. Received: quantities={quantities!r}"
        )


def check_pairing_target(pairing_target, pairing, bandwidth="auto", by_class=False):
    """Raises where a target is named that nothing looks at.

    `by_class` says that a probability of mixing does.
    """
    if pairing_target is None:
        return
    if pairing not in ("same_class", "similar_target") and not by_class:
        raise ValueError(
            'Only pairing="same_class" and "similar_target", and a probability for '
            "each class, go by a target. "
            f"Expected pairing_target=None. Received: pairing_target="
            f"{pairing_target!r}, pairing={pairing!r}"
        )
    if isinstance(bandwidth, Mapping):
        raise ValueError(
            "A dict of bandwidths names the targets that the pairing goes by. Expected "
            f"pairing_target=None. Received: pairing_target={pairing_target!r}, "
            f"bandwidth={bandwidth!r}"
        )


def check_bandwidth(bandwidth, pairing="similar_target", with_names=False):
    """Raises unless it is "auto", a number > 0, or several (by name in a dict)."""
    values = [bandwidth]
    if isinstance(bandwidth, Mapping) and with_names:
        values = list(bandwidth.values())
    flat = []
    for value in values:
        # The shape of a scalar tensor is true, and its length 0.
        several = isinstance(value, (list, tuple)) or len(getattr(value, "shape", ()))
        flat.extend(value if several else [value])
    number = [
        isinstance(one, numbers.Real) and _LEAST <= one < math.inf and one is not True
        for one in flat
    ]
    auto = isinstance(bandwidth, str) and bandwidth == "auto"
    if not (auto or (flat and all(number))):
        raise ValueError(
            "Invalid value received for argument `bandwidth`. Expected a finite number "
            '> 0, one for each entry of a target, or "auto"; with 0 each example would '
            "be its own partner, which alpha=0 says as well. "
            f"Received: bandwidth={bandwidth!r}"
        )
    if pairing != "similar_target" and not auto:
        raise ValueError(
            'A bandwidth belongs to pairing="similar_target". Received: bandwidth='
            f"{bandwidth!r}, pairing={pairing!r}"
        )


def check_kernel(kernel, kernels, pairing="similar_target"):
    """Raises unless it is one of the kernels, the first for another pairing."""
    check_choice("kernel", kernel, kernels)
    if pairing != "similar_target" and kernel != kernels[0]:
        raise ValueError(
            'A kernel belongs to pairing="similar_target". Received: kernel='
            f"{kernel!r}, pairing={pairing!r}"
        )


def check_axes(axes):
    """Raises unless it is None or different axes behind the batch, in their order."""
    given = axes if isinstance(axes, (tuple, list)) else [axes]
    whole = [isinstance(a, numbers.Integral) and a >= 1 for a in given]
    if axes is not None and not (
        isinstance(axes, (tuple, list))
        and given
        and all(whole)
        and list(given) == sorted(set(given))
    ):
        raise ValueError(
            "Invalid value received for argument `axes`. Expected None, or the axes of "
            "positions in ascending order, such as (1, 2) for images; axis 0 is the "
            f"batch. Received: axes={axes!r}"
        )


def check_dtype(dtype):
    """Raises unless it is None or the name of a floating dtype."""
    names = ("float16", "bfloat16", "float32", "float64")
    if dtype is not None and getattr(dtype, "name", dtype) not in names:
        raise ValueError(
            "Invalid value received for argument `dtype`. Expected None or one of "
            f"{list(names)}. Received: dtype={dtype!r}"
        )


def check_range(argument, value, most=1.0):
    """Raises unless the value is two numbers 0 < a <= b <= `most`."""
    fits = isinstance(value, (tuple, list)) and len(value) == 2
    fits = fits and all(isinstance(one, numbers.Real) for one in value)
    if not (fits and 0 < value[0] <= value[1] <= most):
        raise ValueError(
            f"Invalid value received for argument `{argument}`. Expected two numbers "
            f"(a, b) with 0 < a <= b <= {most:g}. Received: {argument}={value!r}"
        )


def check_choice(argument, value, choices):
    """Raises, with the valid names, unless the value is one of them."""
    if value not in choices:
        raise ValueError(
            f"Unknown value received for argument `{argument}`. "
            f"Expected one of {list(choices)}. Received: {argument}={value!r}"
        )


def check_share(argument, value, expected):
    """Raises unless the value is a number in the interval `[0, 1)` or `[0, 1]`."""
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not (number and 0 <= value <= 1 and (value < 1 or expected.endswith("]"))):
        raise ValueError(
            f"Invalid value received for argument `{argument}`. "
            f"Expected a float in {expected}. Received: {argument}={value!r}"
        )


def _refuse_alpha(alpha):
    raise ValueError(
        "Invalid value received for argument `alpha`. "
        f"Expected a finite float >= 0. Received: alpha={alpha}"
    )
