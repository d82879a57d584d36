"""The picture of a mixed batch: what stands in it, read from its axes."""

import sys

import matplotlib
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup

matplotlib.use("Agg")
from matplotlib import pyplot

X = np.random.default_rng(0).random((4, 6, 6, 3)).astype("float32")
ROWS = np.array([[0.7, 0.3, 0], [0, 1, 0], [0.25, 0.25, 0.5], [0, 0.002, 0.998]], "f")
NAMES = ["cat", "dog", "eel"]


@pytest.fixture(autouse=True)
def _closed():
    yield
    pyplot.close("all")


def drawn(figure):
    """The images and the titles of the axes that show something."""
    axes = [axis for axis in figure.axes if axis.images]
    return [axis.images[0].get_array() for axis in axes], [
        axis.get_title() for axis in axes
    ]


def test_each_image_has_its_classes_with_their_shares():
    images, titles = drawn(keras_mixup.show((X, ROWS), NAMES))
    np.testing.assert_array_equal(np.stack(images), X)
    assert titles == [
        *("cat 0.70, dog 0.30", "dog 1.00", "eel 0.50, cat 0.25, dog 0.25", "eel 1.00")
    ]


def test_a_dict_and_names_that_are_not_given():
    batch = {"image": tf.constant(X), "label": tf.constant([2, 0, 1, 1])}
    images, titles = drawn(keras_mixup.show(batch, count=3))
    assert len(images) == 3
    assert titles == ["2", "0", "1"]
    assert drawn(keras_mixup.show({"images": X}))[1] == [""] * 4


def test_a_mixed_batch_has_the_shares_of_its_parts():
    policy = keras_mixup.MixUp(1.0, per="example", examples=3, seed=1)
    batch = policy(X, ROWS, details=True)
    images, titles = drawn(keras_mixup.show(batch))
    np.testing.assert_allclose(np.stack(images), batch.x, atol=1e-6)
    for index, title in enumerate(titles):
        numbers = [float(share) for share in title.partition("shares ")[2].split(", ")]
        expected = [float(share[index]) for share in batch.shares]
        np.testing.assert_allclose(numbers, expected, atol=0.0051)


def test_a_target_that_is_a_quantity_stands_as_it_is():
    for y in (np.array([1.5, 2.25, 3, 4]), np.array([[1.5], [2.25], [3], [4]])):
        assert drawn(keras_mixup.show((X, y)))[1][:2] == ["1.5", "2.25"]
    # A row of quantities has no shares of classes either.
    rows = np.array([[0.5, -2], [0.25, 3], [0, 1], [1, 0]], "float32")
    assert drawn(keras_mixup.show((X, rows)))[1][:2] == ["0.5, -2", "0.25, 3"]
    many = np.arange(20.0).reshape(4, 5)
    assert drawn(keras_mixup.show((X, many)))[1][1] == "5, 6, 7, ..."


@pytest.mark.parametrize(
    ("images", "shown", "note"),
    [
        (np.uint8(X * 255), np.uint8(X * 255) / 255, ""),
        (X * 254, X * 254 / 255, ""),
        (X, X, ""),
        (X * 4 - 2, (X - X.min()) / (X.max() - X.min()), "black is -2, white is 1.99."),
        (X[..., 0], X[..., 0], ""),
        (X[..., :1], X[..., :1], ""),
    ],
)
def test_values_are_drawn_between_black_and_white(images, shown, note):
    figure = keras_mixup.show((images, ROWS))
    found = np.stack(drawn(figure)[0]).reshape(shown.shape)
    np.testing.assert_allclose(found, shown, atol=1e-5)
    assert note in figure.get_suptitle()
    assert bool(note) == bool(figure.get_suptitle())


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (X, "Expected .images, targets.*ndarray"),
        ((X[..., :2], ROWS), r"one or three channels.*\(4, 6, 6, 2\)"),
        (({"a": X}, ROWS), "one tensor of images"),
        ((X, {"a": ROWS}), "one tensor of targets"),
        ({"labels": ROWS}, "images"),
    ],
)
def test_what_cannot_be_drawn_is_refused(batch, message):
    with pytest.raises(ValueError, match=message):
        keras_mixup.show(batch)


def test_a_target_may_be_a_word_or_a_row_of_booleans():
    words = ["cat", "dog", "cat", "cow"]
    for y in (np.array(words), tf.constant(words)):
        assert drawn(keras_mixup.show((X, y)))[1] == words
    rows = np.eye(3)[[2, 0, 1, 2]] > 0
    titles = drawn(keras_mixup.show((X, rows)))[1]
    assert titles == ["2 1.00", "0 1.00", "1 1.00", "2 1.00"]


def test_no_examples_and_too_few_names_are_refused():
    with pytest.raises(ValueError, match="argument `count`. Expected an integer >= 1"):
        keras_mixup.show((X, ROWS), count=0)
    with pytest.raises(ValueError, match="argument `labels`.*class 2 among them"):
        keras_mixup.show((X, np.array([0, 1, 2, 0])), labels=["cat", "dog"])


def test_without_matplotlib_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match="pip install matplotlib"):
        keras_mixup.show((X, ROWS))
