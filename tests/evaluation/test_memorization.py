"""Training errors on real and corrupted labels, by hand."""

import numpy as np
import pytest

from keras_mixup.evaluation import memorization, memorization_errors
from tests.evaluation.classifiers import linear, network

GIVEN = np.array([0, 1, 2, 0, 1])
CORRUPTED = np.array([False, False, True, True, False])
# Wrong at example 1 of three real ones and at example 3 of two corrupted ones.
PREDICTED = np.array([0, 2, 2, 1, 1])
X = np.eye(3, dtype="float32")[PREDICTED]


def test_by_hand():
    expected = {"error_on_real": pytest.approx(100 / 3), "error_on_corrupted": 50.0}
    assert memorization_errors(PREDICTED, GIVEN, CORRUPTED) == expected
    for batch_size in (2, 5, 512):
        for softmax in (False, True):
            model = linear(np.eye(3), softmax=softmax)
            assert memorization(model, X, GIVEN, CORRUPTED, batch_size) == expected
    pixels = (255 * X).astype("uint8")
    assert memorization(linear(np.eye(3)), pixels, GIVEN, CORRUPTED) == expected


@pytest.mark.parametrize("mask", [True, False])
def test_where_there_are_none(mask):
    found = memorization_errors(PREDICTED, GIVEN, np.full(5, mask))
    kinds = ["error_on_corrupted", "error_on_real"]
    assert found == {kinds[not mask]: 40.0, kinds[mask]: None}


def test_it_is_in_inference_mode_and_a_nan_is_an_error():
    generator = np.random.default_rng(5)
    x = generator.uniform(0, 255, (40, 6)).astype("float32")
    model = network(6, 4)
    predicted = model.predict(x, verbose=0).argmax(-1)
    mask = np.arange(40) % 2 == 0
    none = {"error_on_real": 0.0, "error_on_corrupted": 0.0}
    assert memorization(model, x, predicted, mask, batch_size=7) == none
    x[[1, 3], 0] = np.nan
    expected = {"error_on_real": 10.0, "error_on_corrupted": 0.0}
    assert memorization(model, x, predicted, mask) == expected


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"x": X[:3]}, "`x`. Expected one example for each of the 5 labels"),
        ({"given": X}, "`given`. Expected integers of shape"),
        ({"given": GIVEN / 2}, "`given`. Expected integers of shape"),
        ({"given": []}, "`given`. Expected integers of shape"),
        ({"given": GIVEN[:0]}, "`given`. .* one example or more"),
        ({"given": GIVEN[:, np.newaxis]}, r"`given`. .* shape \(5, 1\)"),
        ({"given": GIVEN - 1}, "`given`. Expected integers >= 0. Received: -1"),
        (
            {"corrupted": CORRUPTED[:3]},
            r"`corrupted`. Expected booleans of shape \(5,\)",
        ),
        ({"corrupted": CORRUPTED * 1}, "`corrupted`. Expected booleans .* dtype int64"),
        ({"batch_size": 2.5}, "`batch_size`. Expected an integer >= 1"),
    ],
)
def test_wrong_arguments_are_told(changed, message):
    arguments = {"x": X, "given": GIVEN, "corrupted": CORRUPTED, **changed}
    with pytest.raises(ValueError, match=message):
        memorization(linear(np.eye(3)), **arguments)


@pytest.mark.parametrize("predicted", [PREDICTED[:2], X])
def test_wrong_predictions_are_told(predicted):
    with pytest.raises(
        ValueError, match=r"`predicted`. Expected integers of shape \(5,\)"
    ):
        memorization_errors(predicted, GIVEN, CORRUPTED)


def test_one_unit_has_no_largest_score():
    model = lambda x, training: x[:, :1]  # noqa: E731
    with pytest.raises(ValueError, match=r"two classes or more.*\(None|\(2, 1\)"):
        memorization(
            model, np.ones((2, 3), "float32"), np.array([0, 1]), np.zeros(2, bool)
        )
