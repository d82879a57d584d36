"""Accuracy under mixing, against loops."""

import keras
import numpy as np
import pytest

import keras_mixup

GENERATOR = np.random.default_rng(0)
P = GENERATOR.normal(size=(9, 4)).astype("float32")
Y = GENERATOR.integers(0, 4, 9)
ROWS = np.eye(4, dtype="float32")[Y]


def test_mixed_accuracy_is_weighted_by_lambda():
    lam = GENERATOR.random((9, 1)).astype("float32")
    mixed = lam * ROWS + (1 - lam) * ROWS[::-1]
    hits = [
        float(lam[i, 0]) * (P[i].argmax() == Y[i])
        + (1 - float(lam[i, 0])) * (P[i].argmax() == Y[::-1][i])
        for i in range(9)
    ]
    metric = keras_mixup.metrics.MixedAccuracy()
    metric.update_state(mixed[:5], P[:5])
    metric.update_state(mixed[5:], P[5:])
    assert float(metric.result()) == pytest.approx(np.mean(hits), abs=1e-6)
    assert metric.name == "accuracy"
    # Keras's counts the heavier partner alone.
    theirs = keras.metrics.CategoricalAccuracy()
    theirs.update_state(mixed, P)
    assert float(theirs.result()) != pytest.approx(np.mean(hits), abs=1e-3)


def test_mixed_accuracy_of_one_hot_rows_is_accuracy():
    ours, theirs = keras_mixup.metrics.MixedAccuracy(), keras.metrics.Accuracy()
    weights = GENERATOR.random(9)
    ours.update_state(ROWS, P, weights)
    theirs.update_state(Y, P.argmax(-1), weights)
    assert float(ours.result()) == pytest.approx(float(theirs.result()), abs=1e-6)


def test_mixed_accuracy_of_dense_targets():
    rows, p = np.stack([ROWS, ROWS[::-1]]), np.stack([P, P])
    metric = keras_mixup.metrics.MixedAccuracy()
    metric.update_state(rows, p)
    expected = np.mean(p.argmax(-1) == rows.argmax(-1))
    assert float(metric.result()) == pytest.approx(expected, abs=1e-6)


def test_the_configuration_makes_the_round_trip():
    for metric in (
        keras_mixup.metrics.MixedAccuracy("top"),
        keras_mixup.metrics.CleanAccuracy(),
    ):
        config = keras.saving.serialize_keras_object(metric)
        again = keras.saving.deserialize_keras_object(config)
        assert again.get_config() == metric.get_config()
        again.update_state(ROWS, P)
        assert 0 <= float(again.result()) <= 1


@pytest.mark.parametrize(
    "form",
    [
        "integers",
        "column",
        "floats",
        "one-hot",
        "integer rows",
        "boolean rows",
        "binary",
        "no column",
        "signs",
    ],
)
def test_clean_accuracy_reads_the_form_of_the_targets(form):
    y, p = {
        "integers": (Y, P),
        "column": (Y[:, None], P),
        "floats": (Y.astype("float32"), P),
        "one-hot": (ROWS, P),
        "integer rows": (ROWS.astype("int32"), P),
        "boolean rows": (ROWS.astype("bool"), P),
        "binary": ((Y > 1).astype("float32"), (P[:, :1] > 0).astype("float32")),
        "no column": (Y > 1, (P[:, 0] > 0).astype("float32")),
        "signs": (2 * (Y > 1) - 1, (P[:, 0] > 0).astype("float32")),
    }[form]
    expected = np.mean(P.argmax(-1) == Y)
    if form in ("binary", "no column", "signs"):
        expected = np.mean((P[:, 0] > 0) == (Y > 1))
    metric = keras_mixup.metrics.CleanAccuracy()
    metric.update_state(y, p)
    assert float(metric.result()) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("y", [Y, Y[:, None], Y[:4].astype("float32")])
def test_class_numbers_are_no_rows(y):
    metric = keras_mixup.metrics.MixedAccuracy()
    with pytest.raises(ValueError, match=r"Expected targets of the shape.*\(\d, 4\)"):
        metric.update_state(y, P[: len(y)])
