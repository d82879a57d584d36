"""Calibration, by hand on three examples and by its laws."""

import json

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from keras_mixup.evaluation import (
    calibration_error,
    draw_reliability_diagram,
    expected_calibration_error,
    overconfidence_error,
    reliability,
)

P = np.array([[0.9, 0.1], [0.3, 0.7], [0.2, 0.8]])
LABELS = np.array([0, 0, 1])


def binary(confidences):
    confidences = np.asarray(confidences)
    return np.stack([confidences, 1 - confidences], axis=-1)


def test_by_hand():
    # Bins of a fifth: 0.9 is right; 0.7 and 0.8 share (0.6, 0.8], one is right.
    found = reliability(P, LABELS, bins=5)
    assert found["count"] == [0, 0, 0, 2, 1]
    assert found["accuracy"] == [None, None, None, 0.5, 1.0]
    assert found["confidence"][:3] == [None] * 3
    assert found["confidence"][3:] == pytest.approx([0.75, 0.9])
    assert calibration_error(found) == pytest.approx(2 / 3 * 0.25 + 1 / 3 * 0.1)
    assert overconfidence_error(found) == pytest.approx(2 / 3 * 0.75 * 0.25)
    assert expected_calibration_error(P, LABELS, 5) == calibration_error(found)
    assert json.loads(json.dumps(found, allow_nan=False)) == found


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_edge_belongs_to_the_bin_below(dtype):
    p = binary([0.6, 0.8, 1.0, np.nextafter(0.6, 1, dtype=dtype)]).astype(dtype)
    assert reliability(p, [0] * 4, bins=5)["count"] == [0, 0, 1, 2, 1]
    # A sum that is a little above 1 stays in the last bin.
    assert reliability([[1.0005, 0.0]], [0], bins=5)["count"] == [0, 0, 0, 0, 1]


def test_the_default_has_fifteen_bins():
    assert len(reliability(P, LABELS)["count"]) == 15
    confidences = np.linspace(0.5, 1, 50)
    p, labels = binary(confidences), np.arange(50) % 2
    expected = expected_calibration_error(p, labels, 15)
    assert expected_calibration_error(p, labels) == expected
    assert expected != expected_calibration_error(p, labels, 16)


def test_perfect_calibration_has_no_error_and_overconfidence_has():
    generator = np.random.default_rng(0)
    confidences = generator.uniform(0.5, 1, 200_000)
    labels = (generator.random(200_000) > confidences).astype(int)
    assert expected_calibration_error(binary(confidences), labels) < 0.005
    # Right half of the time at a confidence of 0.9 : an error of 0.4.
    found = reliability(binary(np.full(1000, 0.9)), np.arange(1000) % 2)
    assert calibration_error(found) == pytest.approx(0.4)
    assert overconfidence_error(found) == pytest.approx(0.9 * 0.4)
    # Always right at 0.6: as far off, but not overconfident.
    found = reliability(binary(np.full(10, 0.6)), np.zeros(10, int))
    assert calibration_error(found) == pytest.approx(0.4)
    assert overconfidence_error(found) == 0


@hypothesis.given(
    seed=st.integers(0, 10**6), bins=st.integers(1, 20), classes=st.integers(2, 6)
)
def test_by_loop(seed, bins, classes):
    generator = np.random.default_rng(seed)
    p = generator.dirichlet(np.full(classes, 0.3), 50)
    labels = generator.integers(0, classes, 50)
    error = overconfidence = 0
    for k in range(bins):
        members = [
            (row.max(), row.argmax() == label)
            for row, label in zip(p, labels, strict=True)
            if k / bins < row.max() <= (k + 1) / bins
            or (k + 1 == bins and row.max() > 1)
        ]
        if members:
            confidence, accuracy = np.mean(members, axis=0)
            error += len(members) / 50 * abs(accuracy - confidence)
            excess = max(confidence - accuracy, 0)
            overconfidence += len(members) / 50 * confidence * excess
    found = reliability(p, labels, bins)
    assert sum(found["count"]) == 50
    assert calibration_error(found) == pytest.approx(error)
    assert overconfidence_error(found) == pytest.approx(overconfidence)
    assert 0 <= calibration_error(found) <= 1


def test_one_bin_compares_the_means():
    assert expected_calibration_error(P, LABELS, 1) == pytest.approx(0.8 - 2 / 3)


def test_the_diagram():
    figure = pytest.importorskip("matplotlib.figure")
    axis = figure.Figure().add_subplot()
    draw_reliability_diagram(reliability(P, LABELS, 5), axis, label="mixup")
    diagonal, curve = axis.get_lines()
    np.testing.assert_array_equal(diagonal.get_xydata(), [[0, 0], [1, 1]])
    np.testing.assert_allclose(curve.get_xydata(), [[0.75, 0.5], [0.9, 1.0]])
    assert curve.get_label() == "mixup"
    assert axis.get_xlim() == axis.get_ylim() == (0, 1)
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("confidence", "accuracy")


@pytest.mark.parametrize(
    ("p", "labels", "bins", "message"),
    [
        ([[2.0, -1.0]], [0], 5, "apply softmax to logits first"),
        ([[0.5, 0.51]], [0], 5, "apply softmax .* sums from 1.01 to 1.01"),
        ([[np.nan, 0.5]], [0], 5, "apply softmax to logits first"),
        ([[np.inf, 0.5]], [0], 5, "apply softmax to logits first"),
        ([0.5, 0.5], [0, 1], 5, r"`probabilities`. Expected floats of shape"),
        ([[1, 0]], [0], 5, "Received: shape \\(1, 2\\) and dtype int64"),
        (np.ones([0, 2]), [], 5, "one example or more"),
        (P, [0, 1], 5, r"labels received. Expected integers of shape \(3,\)"),
        (P, [0.0, 1, 1], 5, "labels received. Expected integers of shape"),
        (
            P,
            [0, 1, 2],
            5,
            r"Expected integers in \[0, 2\). Received: labels from 0 to 2",
        ),
        (P, LABELS, 0, "`bins`. Expected an integer >= 1. Received: bins=0"),
        (P, LABELS, 2.0, "`bins`. Expected an integer >= 1"),
    ],
)
def test_wrong_arguments_are_told(p, labels, bins, message):
    with pytest.raises(ValueError, match=message):
        reliability(p, labels, bins)


def test_a_reliability_of_nothing_is_told():
    empty = {"count": [0], "accuracy": [None], "confidence": [None]}
    for function in (calibration_error, overconfidence_error):
        with pytest.raises(ValueError, match="No examples received"):
            function(empty)
