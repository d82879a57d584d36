"""What MixedLoss does with each kind of loss: averages, terms, smoothing, refusals."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import keras_private
from keras_mixup.training import mixed_loss
from keras_mixup.training.mixed_loss import MixedLoss
from tests.training.mixed_parts import (
    CLASS,
    CLASSES,
    GENERATOR,
    LOGITS,
    NEGATIVE,
    PROBABILITIES,
    SIZE,
    WEIGHTS,
    OwnCall,
    classes,
    counted,
    entropies,
    mixed,
    of_batch,
    parts_with,
    shares_of,
    squares,
)

# Which targets are averaged: floats in the shape of the prediction, integers.

AVERAGED = {
    "MeanSquaredError": (True, True),
    "MeanAbsoluteError": (True, True),
    "MeanAbsolutePercentageError": (True, True),
    "MeanSquaredLogarithmicError": (True, True),
    "LogCosh": (True, True),
    "Huber": (True, True),
    "Poisson": (True, True),
    "CosineSimilarity": (True, True),
    "KLDivergence": (True, True),
    "BinaryCrossentropy": (True, True),
    "CategoricalCrossentropy": (True, True),
    "BinaryFocalCrossentropy": (True, False),
    "CategoricalFocalCrossentropy": (True, False),
    "Dice": (True, False),
    "Tversky": (True, False),
    "Hinge": (False, False),
    "SquaredHinge": (False, False),
    "CategoricalHinge": (False, False),
    "SparseCategoricalCrossentropy": (False, False),
    "CategoricalGeneralizedCrossEntropy": (False, False),
    "Circle": (False, False),
    "CTC": (False, False),
}
OF_CLASS_NUMBERS = (
    "SparseCategoricalCrossentropy",
    "CategoricalGeneralizedCrossEntropy",
    "Circle",
)


def losses_of_keras():
    found = [getattr(keras.losses, name) for name in dir(keras.losses)]
    kinds = {one.__name__ for one in found if isinstance(one, type)}
    return kinds - {"Loss", "LossFunctionWrapper"}


def test_each_loss_of_keras_is_known():
    assert losses_of_keras() <= set(AVERAGED)


@pytest.mark.parametrize("dtype", ["float32", "int32", "bool"])
@pytest.mark.parametrize("name", [name for name in AVERAGED if name != "CTC"])
def test_a_loss_of_keras_is_called_once_or_once_a_part(name, dtype):
    loss, calls = counted(name)
    y = CLASS if name in OF_CLASS_NUMBERS else np.eye(CLASSES)[CLASS]
    parts = [part.astype(dtype) for part in parts_with(y)]
    shares = shares_of("batch")
    found = mixed(MixedLoss(loss), parts, shares, PROBABILITIES)
    once = AVERAGED[name][dtype != "float32"]
    assert len(calls) == (1 if once else 2)
    plain = getattr(keras.losses, name)()
    pairs = list(zip(shares, parts, strict=True))
    expected = sum(share * float(plain(part, PROBABILITIES)) for share, part in pairs)
    if once:
        average = sum(share * part.astype("float64") for share, part in pairs)
        expected = float(plain(average.astype("float32"), PROBABILITIES))
    assert found == pytest.approx(expected, rel=1e-4)


def test_ctc_is_called_once_a_part():
    loss, calls = counted("CTC")
    y = GENERATOR.integers(1, 4, (SIZE, 2))
    p = GENERATOR.normal(size=(SIZE, 6, 4)).astype("float32")
    shares, plain = shares_of("batch"), keras.losses.CTC()
    found = mixed(MixedLoss(loss), parts_with(y.astype("float32")), shares, p)
    expected = sum(
        share * float(plain(part, p))
        for share, part in zip(shares, parts_with(y), strict=True)
    )
    assert len(calls) == 2
    assert found == pytest.approx(expected, rel=1e-4)


def floats(y, p):
    """The distance of a float to each logit."""
    y = tf.reshape(tf.convert_to_tensor(y), [-1, 1])
    return tf.reduce_mean(tf.abs(tf.cast(y, tf.float32) - p), axis=-1)


@pytest.mark.parametrize("mix_losses", [None, True, False])
@pytest.mark.parametrize(
    ("function", "y", "may_average"),
    [
        (squares, np.eye(CLASSES)[CLASS], True),
        (squares, np.eye(CLASSES, dtype="int32")[CLASS], False),
        (squares, np.eye(CLASSES, dtype="bool")[CLASS], False),
        (classes, CLASS, False),
        # What such a loss makes of floats is not known: they are what is asked for.
        (floats, CLASS.astype("float32"), True),
        (floats, CLASS[:, None].astype("float32"), True),
    ],
)
def test_a_loss_of_ones_own_averages_when_it_is_asked_for_and_possible(
    function, y, may_average, mix_losses
):
    parts, shares = parts_with(y), shares_of("batch")
    found = mixed(MixedLoss(function, mix_losses), parts, shares, LOGITS)

    def plain(part):
        return float(np.mean(function(part, tf.constant(LOGITS))))

    pairs = list(zip(shares, parts, strict=True))
    expected = sum(share * plain(part) for share, part in pairs)
    if may_average and mix_losses is False:
        expected = plain(sum(share * part for share, part in pairs))
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    "name", ["BinaryFocalCrossentropy", "Dice", "Tversky", "Huber"]
)
def test_mix_losses_gives_each_part_a_term(name):
    loss, calls = counted(name)
    parts = parts_with(np.eye(CLASSES, dtype="float32")[CLASS])
    shares, plain = shares_of("batch"), getattr(keras.losses, name)()
    found = mixed(MixedLoss(loss, mix_losses=True), parts, shares, PROBABILITIES)
    expected = sum(
        share * float(plain(part, PROBABILITIES))
        for share, part in zip(shares, parts, strict=True)
    )
    assert len(calls) == 2
    assert found == pytest.approx(expected, rel=1e-5)


# Smoothing.


@pytest.mark.parametrize(
    ("loss", "multi_label", "added"),
    [
        ("CategoricalCrossentropy", False, 0.3 / CLASSES),
        ("CategoricalFocalCrossentropy", False, 0.3 / CLASSES),
        ("MeanSquaredError", False, 0.3 / CLASSES),
        ("MeanSquaredError", True, 0.3 / 2),
        ("BinaryCrossentropy", False, 0.3 / 2),
        ("BinaryFocalCrossentropy", False, 0.3 / 2),
    ],
)
@pytest.mark.parametrize("mix_losses", [False, True])
def test_labels_are_smoothed_over_their_values(loss, multi_label, added, mix_losses):
    rows = np.eye(CLASSES, dtype="float32")[CLASS]
    plain, shares = getattr(keras.losses, loss)(), shares_of("batch")
    smooth = [(part * 0.7 + added).astype("float32") for part in parts_with(rows)]
    pairs = list(zip(shares, smooth, strict=True))
    expected = float(plain(sum(share * part for share, part in pairs), PROBABILITIES))
    if mix_losses:
        expected = sum(
            share * float(plain(part, PROBABILITIES)) for share, part in pairs
        )
    found = mixed(
        MixedLoss(plain, mix_losses),
        parts_with(rows),
        shares,
        PROBABILITIES,
        smoothing=0.3,
        multi_label=multi_label,
    )
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("loss", "y"),
    [
        ("sparse_categorical_crossentropy", CLASS),
        ("sparse_categorical_crossentropy", CLASS.astype("float32")),
        ("hinge", np.eye(CLASSES)[CLASS]),
        (classes, CLASS),
    ],
)
def test_labels_without_a_place_for_other_classes_are_not_smoothed(loss, y):
    with pytest.raises(ValueError, match="cannot be smoothed.*label_smoothing=0.3"):
        mixed(MixedLoss(loss), parts_with(y), shares_of("batch"), LOGITS, smoothing=0.3)


# What is refused.


class Plain(keras.losses.Loss):
    def __call__(self, y_true, y_pred, sample_weight=None):
        return tf.reduce_mean(y_pred)


@pytest.mark.parametrize(
    ("loss", "y", "message"),
    [
        (Plain(), CLASS, '`__call__` of its own.*Expected MixUp.per="batch"'),
        (of_batch, CLASS, "averages over the batch.*Received: values of shape"),
        ("dice", np.eye(CLASSES, dtype="int32")[CLASS], "averages over the batch"),
        (
            keras.losses.Tversky(),
            np.eye(CLASSES, dtype="int32")[CLASS],
            "averages over the batch",
        ),
        (lambda y, p: tf.reduce_mean(p, 0), CLASS, "averages over the batch"),
    ],
)
def test_a_share_of_each_example_needs_a_value_an_example(loss, y, message):
    with pytest.raises(ValueError, match=message):
        mixed(MixedLoss(loss), parts_with(y), shares_of("example"), LOGITS)


@pytest.mark.parametrize("loss", ["mse", "categorical_crossentropy"])
def test_a_target_that_would_broadcast_is_refused(loss):
    with pytest.raises(
        ValueError, match=r"would broadcast.*\(5, 3\).*Received: \(5,\)"
    ):
        mixed(MixedLoss(loss), parts_with(CLASS), shares_of("batch"), LOGITS)


def test_a_column_more_or_less_is_no_broadcast():
    y, p = GENERATOR.normal(size=SIZE).astype("float32"), LOGITS[:, :1]
    shares = shares_of("batch")
    average = sum(
        share * part for share, part in zip(shares, parts_with(y), strict=True)
    )
    expected = np.mean((average - p[:, 0]) ** 2)
    for target, prediction in ((y, p), (y[:, None], p), (y[:, None], p[:, 0])):
        found = mixed(MixedLoss("mse"), parts_with(target), shares, prediction)
        assert found == pytest.approx(expected, rel=1e-5)


# A loss among others.


class Counted(keras.losses.Loss):
    """Counts how often it runs."""

    def __init__(self):
        super().__init__()
        self.runs = tf.Variable(0)

    def call(self, y_true, y_pred):
        self.runs.assign_add(1)
        return tf.reduce_mean((tf.cast(y_true, y_pred.dtype) - y_pred) ** 2, -1)


@pytest.mark.parametrize("mode", ["eager", "graph"])
@pytest.mark.parametrize(
    ("dtype", "weights", "mix_losses", "runs"),
    [
        ("float32", None, None, 2),
        ("float32", None, False, 1),
        ("float32", WEIGHTS, False, 1),
        ("float32", NEGATIVE, False, 2),
        ("int32", None, False, 2),
    ],
)
def test_a_loss_runs_once_a_term(mode, dtype, weights, mix_losses, runs):
    loss, y = Counted(), np.eye(CLASSES, dtype=dtype)[CLASS]
    weights = None if weights is None else parts_with(weights)
    shares = shares_of("batch")
    loss_of_parts = MixedLoss(loss, mix_losses)
    mixed(loss_of_parts, parts_with(y), shares, LOGITS, weights, mode)
    assert int(loss.runs) == runs


def test_unmixed_targets_have_the_users_own_loss():
    plain = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    found = MixedLoss(plain)(tf.constant(CLASS), LOGITS, WEIGHTS)
    expected = np.mean(WEIGHTS * entropies(CLASS))
    assert float(found) == pytest.approx(expected, rel=1e-5)
    assert MixedLoss(OwnCall())(tf.constant(["a"]), tf.constant([[2.0]])) == 2.0


@pytest.mark.parametrize(("y", "p"), [(CLASS, LOGITS), (CLASS % 2, LOGITS[:, :1])])
def test_crossentropy_is_chosen_by_the_shapes(y, p):
    p = 1 / (1 + np.exp(-p))
    plain = keras_private.resolve_loss("crossentropy", y, p)
    shares = shares_of("batch")
    expected = sum(
        share * float(plain(part, p))
        for share, part in zip(shares, parts_with(y), strict=True)
    )
    loss = MixedLoss("crossentropy")
    assert mixed(loss, parts_with(y), shares, p) == pytest.approx(expected, rel=1e-4)


@keras.saving.register_keras_serializable("tests")
def registered(y, p):
    return squares(y, p)


@pytest.mark.parametrize(
    "loss", ["mse", "crossentropy", registered, keras.losses.Huber(3.0, name="h")]
)
def test_a_loss_comes_back_from_its_config(loss):
    config = keras.saving.serialize_keras_object(MixedLoss(loss, mix_losses=True))
    found = keras.saving.deserialize_keras_object(config)
    assert found.mix_losses
    name = getattr(loss, "name", getattr(loss, "__name__", loss))
    assert found.name == name == MixedLoss(loss).name
    y, p = np.zeros((2, 2), "float32"), np.full((2, 2), 0.5, "float32")
    expected = keras_private.resolve_loss(loss, y, p)(y, p)
    assert float(found(tf.constant(y), p)) == pytest.approx(float(expected))


def test_losses_are_wrapped_where_they_stand_and_unwrapped():
    losses = {"a": "mse", "b": None, "c": [keras.losses.Huber()]}
    wrapped = mixed_loss.wrapped(losses, mix_losses=True)
    assert wrapped["b"] is None
    assert isinstance(wrapped["c"][0], MixedLoss) and wrapped["a"].mix_losses
    assert mixed_loss.unwrapped(wrapped) == losses
    assert mixed_loss.unwrapped("mse") == "mse"
