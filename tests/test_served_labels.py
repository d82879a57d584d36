"""Names of classes in the forms that users have them."""

import numpy as np
import pytest
import tensorflow as tf

from keras_mixup.served_labels import checked_labels

NAMES = ["cat", "dög", "3"]


@pytest.mark.parametrize(
    "given",
    [
        NAMES,
        tuple(NAMES),
        iter(NAMES),
        ["cat", "dög".encode(), 3],
        [np.str_("cat"), np.bytes_("dög".encode()), np.int64(3)],
        np.array(NAMES),
        np.array([name.encode() for name in NAMES]),
        np.array(NAMES, dtype=object),
        tf.constant(NAMES),
        list(tf.constant(NAMES)),
        {0: "cat", 1: "dög", 2: 3},
        {np.int64(2): b"3", np.int64(1): "dög", np.int64(0): "cat"},
        dict.fromkeys(NAMES).keys(),
    ],
)
def test_names_are_read(given):
    assert checked_labels(given, 3) == NAMES


def test_by_default_they_are_the_indices():
    assert checked_labels(None, 3) == ["0", "1", "2"]
    assert checked_labels(tf.constant([7, 8]), 2) == ["7", "8"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("cat", "a list of names.*'cat'"),
        (b"cat", "a list of names.*b'cat'"),
        ({"cat", "dog", "bird"}, "order of the classes"),
        (7, "a list of names"),
        (["a", "b"], "Expected 3 names.*Received: 2"),
        (np.array([["a", "b", "c"]]), r"one axis. Received: shape \(1, 3\)"),
        (tf.constant("cat"), r"one axis. Received: shape \(\)"),
        ({1: "a", 2: "b", 3: "c"}, r"by index, \{0: ..., 2: ...\}"),
        ({"a": 0, "b": 1, "c": 2}, r"write \{index: name"),
        ({True: "a", 0: "b", 2: "c"}, "by index"),
        (["a", None, "c"], "strings or numbers. Received: None"),
        (["a", ["b"], "c"], r"strings or numbers. Received: \['b'\]"),
        (["a", b"\xff", "c"], r"read as UTF-8\). Received: b'\\xff'"),
        (["a", "\ud800", "c"], "Unicode"),
    ],
)
def test_what_is_no_list_of_names_is_refused(given, message):
    with pytest.raises(ValueError, match=f"`labels`.*{message}"):
        checked_labels(given, 3)
