"""The names of classes, as text."""

import numbers
from collections.abc import Mapping

import numpy as np
import tensorflow as tf


def checked_labels(labels, count):
    """As many names as there are classes, each a string.

    Args:
        labels: Names in the order of the classes (a list, array or tensor of strings,
            bytes or numbers), a dict of them by index, or None for the indices.
        count: Number of classes.

    Raises:
        ValueError: for another number of names, or what is no name.
    """
    if labels is None:
        return [str(index) for index in range(count)]
    if isinstance(labels, Mapping):
        if len(labels) != count or any(
            type(key) is bool or key not in range(count) for key in labels
        ):
            _refuse(
                f"the names by index, {{0: ..., {count - 1}: ...}} (where names are "
                "the keys, write {index: name for name, index in labels.items()})",
                repr(dict(labels)),
            )
        labels = [labels[index] for index in range(count)]
    elif tf.is_tensor(labels) or isinstance(labels, np.ndarray):
        labels = np.asarray(labels)
        if labels.ndim != 1:
            _refuse("a list of names, of one axis", f"shape {labels.shape}")
    elif isinstance(labels, (str, bytes, set, frozenset)):
        # A set has no order.
        _refuse("a list of names, in the order of the classes", repr(labels))
    try:
        labels = [_text(name) for name in labels]
    except TypeError:
        _refuse("a list of names", repr(labels))
    if len(labels) != count:
        raise ValueError(
            "Invalid length received for argument `labels`. "
            f"Expected {count} names, one a class. Received: {len(labels)}"
        )
    return labels


def _text(name):
    if not isinstance(name, (str, bytes)):
        array = np.asarray(name)
        name = array.item() if array.ndim == 0 else name
    if not isinstance(name, (str, bytes, numbers.Real)):
        _refuse("names that are strings or numbers", repr(name))
    try:
        text = name.decode() if isinstance(name, bytes) else str(name)
        # Half of a pair of UTF-16 is no text, and TensorFlow cannot write it.
        text.encode()
    except UnicodeError:
        _refuse("names of Unicode letters (bytes are read as UTF-8)", repr(name))
    return text


def _refuse(expected, received):
    raise ValueError(
        f"Invalid value received for argument `labels`. Expected {expected}. "
        f"Received: {received}"
    )
