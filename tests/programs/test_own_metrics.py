"""Metric classes of the user's own, in a graph as in eager mode."""

import warnings

import keras
import numpy as np
import pytest

import keras_mixup
from tests.programs import by_hand

X, Y = by_hand.linear_data()
LAM, PARTNER = by_hand.draw(16)


def predictions(**kwargs):
    mixed = by_hand.mixed(X, LAM, PARTNER).astype("float32")
    return by_hand.outputs(by_hand.linear(**kwargs), mixed)


class Weighted(keras.metrics.Metric):
    """The mean of the first logit where the label is 0."""

    def __init__(self, name="own", **kwargs):
        super().__init__(name=name, **kwargs)
        self.total = self.add_weight(shape=(), initializer="zeros", name="total")
        self.count = self.add_weight(shape=(), initializer="zeros", name="count")

    def update_state(self, y_true, y_pred, sample_weight=None):
        here = keras.ops.cast(y_true == 0, "float32")
        if sample_weight is not None:
            here *= keras.ops.cast(sample_weight, "float32")
        self.total.assign_add(keras.ops.sum(here * y_pred[:, 0]))
        self.count.assign_add(keras.ops.sum(here))

    def result(self):
        return self.total / self.count


class Unweighted(Weighted):
    def update_state(self, y_true, y_pred, sample_weight=None):
        super().update_state(y_true, y_pred)


class UnweightedAccuracy(keras.metrics.SparseCategoricalAccuracy):
    def update_state(self, y_true, y_pred, sample_weight=None):
        super().update_state(y_true, y_pred)


def shown(metric, y, loss, network, batch_size=16, **compiled):
    """What one epoch shows, and the library's warnings."""
    model = keras_mixup.MixUpModel(network, keras_mixup.MixUp(1.0, seed=1))
    model.compile(by_hand.still(), loss, metrics=metric, **compiled)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        history = model.fit(X, y, batch_size=batch_size, shuffle=False, verbose=0)
    said = [str(one.message) for one in caught]
    of_library = [one for one in said if "sample_weight" in one or "integer" in one]
    return {name: values[0] for name, values in history.history.items()}, of_library


@pytest.mark.parametrize("mode", [{"run_eagerly": True}, {}], ids=str)
def test_a_metric_that_uses_its_weights_has_no_warning(mode):
    found, said = shown(
        [Weighted()], Y, by_hand.sparse_loss(), by_hand.linear(), **mode
    )
    logits = predictions()[:, 0]
    shares = LAM * (Y == 0), (1 - LAM) * (Y[PARTNER] == 0)
    expected = sum(np.sum(share * logits) for share in shares) / np.sum(shares)
    assert found["own"] == pytest.approx(expected, abs=1e-5)
    assert said == []


def test_a_loop_of_batches_has_no_warning():
    model = keras_mixup.MixUpModel(by_hand.linear(), keras_mixup.MixUp(1.0, seed=1))
    model.compile(by_hand.still(), by_hand.sparse_loss(), metrics=[Weighted()])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            model.train_on_batch(X, Y)
    assert not [one for one in caught if "sample_weight" in str(one.message)]


def test_a_last_batch_of_another_size_has_no_warning():
    _, said = shown([Weighted()], Y, by_hand.sparse_loss(), by_hand.linear(), 5)
    assert said == []


@pytest.mark.parametrize("kind", [Unweighted, UnweightedAccuracy])
@pytest.mark.parametrize("mode", [{"run_eagerly": True}, {}], ids=str)
def test_a_metric_that_ignores_its_weights_is_named(kind, mode):
    _, said = shown([kind()], Y, by_hand.sparse_loss(), by_hand.linear(), **mode)
    assert said
    assert all("ignores its `sample_weight`" in one for one in said)


def test_a_cosine_similarity_leaves_a_regression_one():
    y = np.random.default_rng(3).normal(size=(16, 2)).astype("float32")
    metrics = [keras.metrics.CosineSimilarity(), "mae"]
    found, _ = shown(metrics, y, "mse", by_hand.linear(outputs=2))
    target, guess = by_hand.mixed(y, LAM, PARTNER), predictions(outputs=2)
    lengths = np.linalg.norm(target, axis=-1) * np.linalg.norm(guess, axis=-1)
    cosines = np.sum(target * guess, -1) / lengths
    assert found["cosine_similarity"] == pytest.approx(cosines.mean(), abs=1e-5)
    assert found["mae"] == pytest.approx(np.abs(target - guess).mean(), abs=1e-5)


class MacroF1(keras.metrics.F1Score):
    """A metric that derives from one of Keras for classes."""

    def __init__(self):
        super().__init__(average="macro", name="f1")


def squares(y_true, y_pred):
    return keras.ops.mean(keras.ops.square(y_true - y_pred), -1)


def test_a_class_that_derives_from_one_of_keras_is_for_classes():
    rows = np.eye(3, dtype="float32")[Y]
    found, _ = shown([MacroF1()], rows, squares, by_hand.linear())
    guess = np.eye(3)[predictions().argmax(-1)]
    parts = ((LAM, rows), (1 - LAM, rows[PARTNER]))
    hits = sum(share * (guess * part).sum(0) for share, part in parts)
    seen = guess.sum(0) + sum(share * part.sum(0) for share, part in parts)
    assert found["f1"] == pytest.approx((2 * hits / seen).mean(), abs=1e-5)


def test_iou_without_weights_has_no_warning_of_weights():
    iou = keras.metrics.MeanIoU(3, sparse_y_pred=False)
    _, said = shown([iou], Y, by_hand.sparse_loss(), by_hand.linear())
    assert said == []


def test_a_wrong_name_lists_the_names_there_are():
    model = keras_mixup.MixUpModel(
        by_hand.linear(), keras_mixup.MixUp(), metric_targets={"mea": "clean"}
    )
    model.compile("sgd", "mse", metrics=["mae"])
    with pytest.raises(ValueError, match=r"compiled metrics, \['mae'\]"):
        model.train_on_batch(X, np.eye(3, dtype="float32")[Y])
