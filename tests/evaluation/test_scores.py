"""Logits, labels and the slope of the loss, against float64 and Keras's losses."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup.evaluation import scores
from tests.evaluation.classifiers import softmax

GENERATOR = np.random.default_rng(0)
LOGITS = GENERATOR.normal(size=(6, 4)).astype("float32")
SOFT = GENERATOR.dirichlet(np.ones(4), 6).astype("float32")


def test_slope_is_the_gradient_of_keras_cross_entropy():
    logits = tf.constant(LOGITS)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = keras.losses.categorical_crossentropy(SOFT, logits, from_logits=True)
    ours = scores.slope(tf.constant(SOFT), logits)
    np.testing.assert_allclose(ours, tape.gradient(loss, logits), atol=1e-6)
    np.testing.assert_allclose(ours, softmax(LOGITS) - SOFT, atol=1e-6)


@pytest.mark.parametrize("margin", [10.0, 20.0, 40.0, 80.0])
def test_slope_is_exact_where_float32_rounds_p_to_one(margin):
    logits = np.array([[margin, 0.0, -1.0]], "float32")
    p = softmax(logits)
    expected = np.array([-(p[:, 1] + p[:, 2]), p[:, 1], p[:, 2]]).T
    ours = scores.slope(tf.constant([[1.0, 0.0, 0.0]]), tf.constant(logits))
    np.testing.assert_allclose(ours, expected, rtol=1e-5)


def test_logits_of_probabilities_have_their_softmax():
    p = softmax(LOGITS)
    logits = scores.as_logits(tf.constant(p, tf.float32), from_logits=False)
    np.testing.assert_allclose(softmax(logits), p, rtol=1e-5)
    zero = scores.as_logits(tf.constant([[1.0, 0.0]]), from_logits=False)
    assert np.isfinite(zero).all()


def test_logits_are_float32_at_least():
    for dtype, expected in (("float16", "float32"), ("float64", "float64")):
        logits = scores.as_logits(tf.constant(LOGITS, dtype), from_logits=True)
        assert logits.dtype == expected


@pytest.mark.parametrize("output", [tf.ones([3, 1]), tf.ones([3]), {"a": tf.ones([3])}])
def test_other_outputs_are_told(output):
    with pytest.raises(ValueError, match="Expected one tensor of scores of shape"):
        scores.as_logits(output, from_logits=True)


def test_label_rows():
    logits = tf.constant(LOGITS[:3])
    expected = np.eye(4)[[2, 0, 3]]
    for labels in ([2, 0, 3], [[2], [0], [3]], expected):
        rows = scores.label_rows(tf.constant(labels), logits)
        np.testing.assert_array_equal(rows, expected)
        assert rows.dtype == tf.float32


@pytest.mark.parametrize("labels", [[0.0, 1, 2], np.ones([3, 3]), np.eye(3, dtype=int)])
def test_labels_of_other_shapes_are_told(labels):
    with pytest.raises(ValueError, match="Invalid labels. Expected integers of shape"):
        scores.label_rows(tf.constant(labels), tf.constant(LOGITS[:3]))


@pytest.mark.parametrize("label", [-1, 4])
def test_labels_that_are_no_class_are_told(label):
    with pytest.raises(tf.errors.InvalidArgumentError, match="integers in \\[0, 4\\)"):
        scores.label_rows(tf.constant([0, label]), tf.constant(LOGITS[:2]))


def test_predicted_class_of_a_nan_is_none():
    rows = tf.constant([[0.0, 2, 1], [3, np.nan, 1], [5, 1, 5]])
    np.testing.assert_array_equal(scores.predicted_class(rows), [1, -1, 0])
