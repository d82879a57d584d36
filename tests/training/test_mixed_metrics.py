"""What a metric sees of a mixed batch: the rule, and values by loops over parts."""

import warnings

import keras
import numpy as np
import pytest
import sklearn.metrics
import tensorflow as tf

from keras_mixup import keras_private
from keras_mixup.training.mixed_metrics import update_metrics
from keras_mixup.training.mixed_targets import MixedTarget, MixedWeight
from tests.training.mixed_parts import (
    CLASS,
    CLASSES,
    GENERATOR,
    LOGITS,
    PROBABILITIES,
    SIZE,
    WEIGHTS,
    parts_with,
    shares_of,
)

ROWS = np.eye(CLASSES, dtype="float32")[CLASS]
VALUES = GENERATOR.normal(size=(SIZE, CLASSES)).astype("float32")


def seen(
    metrics,
    y,
    p,
    loss=None,
    per="batch",
    weights=None,
    weighted=False,
    choices=None,
    masks=None,
    count=2,
    shares=None,
):
    """The results of the metrics after one mixed batch."""
    model = keras.Sequential([keras.Input((1,))])
    name = "weighted_metrics" if weighted else "metrics"
    model.compile("sgd", loss="mse", **{name: metrics})
    compiled = keras_private.compiled_metrics(model)
    shares = shares_of(per, count) if shares is None else shares
    target = MixedTarget(
        [tf.constant(part) for part in parts_with(np.asarray(y), count)],
        [tf.constant(share) for share in shares],
    )
    p = tf.constant(p)
    if loss is not None:
        target.loss = keras_private.resolve_loss(loss, target.parts[0], p)
    if masks is not None:
        p._mixup_masks = [tf.constant(mask) for mask in parts_with(masks, count)]
    if weights is not None:
        weights = MixedWeight(list(map(tf.constant, parts_with(weights, count))))
    update_metrics(compiled, target, p, weights, choices or {})
    return {name: float(value) for name, value in compiled.result().items()}


def absolute(y, p):
    """Mean absolute error of each example."""
    return np.abs(np.asarray(y, "float64") - p).mean(-1)


def hits(y, p):
    """1 for each row whose argmax is that of the row of predictions."""
    return (np.argmax(y, -1) == np.argmax(p, -1)).astype("float64")


def by_parts(function, y, p, per="batch", count=2, weights=None):
    """`sum_k t_k m(y_k)`, weighted."""
    above = below = 0.0
    weights = np.ones(SIZE) if weights is None else weights
    for share, part, weight in zip(
        shares_of(per, count),
        parts_with(y, count),
        parts_with(weights, count),
        strict=True,
    ):
        for i, value in enumerate(function(part, p)):
            above += np.broadcast_to(share, SIZE)[i] * weight[i] * value
            below += np.broadcast_to(share, SIZE)[i] * weight[i]
    return above / below


def by_mixed(function, y, p, per="batch", weights=None):
    """The metric of the mixed target; each part has its sample weight."""
    above = below = 0.0
    weights = np.ones(SIZE) if weights is None else weights
    for i in range(SIZE):
        shares = [
            np.broadcast_to(share, SIZE)[i] * weight[i]
            for share, weight in zip(shares_of(per), parts_with(weights), strict=True)
        ]
        total = sum(shares)
        if total:
            parts = [np.asarray(part[i], "float64") for part in parts_with(y)]
            mixed = sum(s * part for s, part in zip(shares, parts, strict=True)) / total
            above += total * function(mixed[None], p[i : i + 1])[0]
            below += total
    return above / below


# The rule.


def own_mae(y, p):
    return tf.reduce_mean(tf.abs(tf.cast(y, p.dtype) - p), -1)


def own_loss(y, p):
    return tf.reduce_mean(tf.square(tf.cast(y, p.dtype) - p), -1)


def maes():
    return [
        "mae",
        keras.metrics.MeanAbsoluteError(name="of_class"),
        own_mae,
        keras.losses.mean_absolute_error,
        keras.losses.MeanAbsoluteError(name="of_loss"),
    ]


@pytest.mark.parametrize(
    ("y", "loss", "further", "choice"),
    [
        (VALUES, "mse", [], "mixed"),
        (VALUES, None, [], "mixed"),
        (VALUES, own_loss, [], "mixed"),
        (VALUES, "mse", [keras.metrics.RootMeanSquaredError], "mixed"),
        (ROWS, "mse", [], "mixed"),
        (ROWS.astype("int32"), "mse", [], "mixed"),
        (ROWS, "mse", [keras.metrics.CategoricalAccuracy], "clean"),
        (ROWS, "categorical_crossentropy", [], "clean"),
        (ROWS, "binary_crossentropy", [], "clean"),
        (ROWS.astype("int32"), own_loss, [], "clean"),
        (ROWS.astype("bool"), own_loss, [], "clean"),
        (ROWS.astype("int32"), None, [], "clean"),
        (ROWS.astype("int32"), "binary_crossentropy", [], "clean"),
    ],
)
def test_what_a_metric_sees_follows_from_the_output(y, loss, further, choice):
    of_choice = {"mixed": by_mixed, "clean": by_parts}[choice]
    expected = of_choice(absolute, y, LOGITS)
    assert by_mixed(absolute, y, LOGITS) != pytest.approx(by_parts(absolute, y, LOGITS))
    found = seen(
        [*maes(), *(kind(name="further") for kind in further)], y, LOGITS, loss
    )
    found.pop("further", None)
    assert len(found) == 5
    # A loss among the metrics is its mean over a batch, averaged over batches.
    assert list(found.values()) == pytest.approx([expected] * 5, rel=1e-5)


def own_hits(y, p):
    return tf.cast(tf.argmax(y, -1) == tf.argmax(p, -1), tf.float32)


@pytest.mark.parametrize("per", ["batch", "example"])
@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("weighted", [False, True])
def test_classes_are_counted_part_by_part(per, count, weighted):
    expected = by_parts(hits, ROWS, LOGITS, per, count, WEIGHTS if weighted else None)
    metrics = [
        "accuracy",
        keras.metrics.CategoricalAccuracy(name="of_class"),
        own_hits,
        keras.metrics.categorical_accuracy,
    ]
    found = seen(
        metrics,
        ROWS,
        LOGITS,
        "categorical_crossentropy",
        per,
        WEIGHTS,
        weighted,
        None,
        None,
        count,
    )
    assert list(found.values()) == pytest.approx([expected] * 4, rel=1e-5)


@pytest.mark.parametrize("per", ["batch", "example"])
@pytest.mark.parametrize("weighted", [False, True])
def test_quantities_are_compared_with_the_mixed_target(per, weighted):
    expected = by_mixed(absolute, VALUES, LOGITS, per, WEIGHTS if weighted else None)
    metrics = maes()[:4]
    found = seen(metrics, VALUES, LOGITS, "mse", per, WEIGHTS, weighted)
    assert list(found.values()) == pytest.approx([expected] * 4, rel=1e-5)


def test_metric_targets_overrules_the_rule():
    choices = {"mae": "clean", "accuracy": "mixed"}
    found = seen(["mae"], VALUES, LOGITS, "mse", choices={"mae": "clean"})
    assert found["mae"] == pytest.approx(by_parts(absolute, VALUES, LOGITS), rel=1e-5)
    # Two classes a row, none of them is the argmax alone.
    found = seen(["accuracy", "mae"], ROWS, LOGITS, "mse", choices=choices)
    assert found["accuracy"] == pytest.approx(by_mixed(hits, ROWS, LOGITS), rel=1e-5)
    assert found["mae"] == pytest.approx(by_parts(absolute, ROWS, LOGITS), rel=1e-5)


def test_metric_targets_with_a_name_that_no_metric_has_raises():
    message = r"`metric_targets`.*\['mae'\]. Received: \['acc'\]"
    with pytest.raises(ValueError, match=message):
        seen(["mae"], VALUES, LOGITS, "mse", choices={"acc": "clean"})
    with pytest.raises(
        ValueError, match=r"compiled metrics, \[\]. Received: \['mae'\]"
    ):
        update_metrics(None, None, None, None, {"mae": "clean"})


# Metrics of one value a batch.


def own_scalar(y, p):
    return tf.reduce_max(tf.abs(tf.cast(y, p.dtype) - p))


@pytest.mark.parametrize("per", ["batch", "example"])
def test_one_value_a_batch_is_weighted_by_the_share_of_all(per):
    y = ROWS.astype("int32")
    expected = sum(
        np.mean(share) * np.abs(part - LOGITS).max()
        for share, part in zip(shares_of(per), parts_with(y), strict=True)
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = seen([own_scalar], y, LOGITS, own_loss, per)
    assert found["own_scalar"] == pytest.approx(expected, rel=1e-5)
    said = [str(one.message) for one in caught if "own_scalar" in str(one.message)]
    assert len(said) == (2 if per == "example" else 0)
    assert all("one value a batch" in text for text in said)


# Metric classes of the user's own.


class Ignores(keras.metrics.Metric):
    def __init__(self, name="mine"):
        super().__init__(name=name)
        self.total = self.add_weight(initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.total.assign_add(float(y_true.shape[0]))

    def result(self):
        return self.total


class Uses(Ignores):
    def update_state(self, y_true, y_pred, sample_weight=None):
        self.total.assign_add(tf.reduce_sum(sample_weight))


class CannotBeTried(Uses):
    def __init__(self, threshold):
        super().__init__()


@pytest.mark.parametrize(
    ("metric", "reason"),
    [
        (Ignores(), "ignores its `sample_weight`"),
        (CannotBeTried(1), "could not be tried"),
        (Uses(), None),
        (keras.metrics.AUC(name="mine"), None),
    ],
)
@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_a_metric_that_ignores_its_weights_is_warned_of(metric, reason, mode):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if mode == "eager":
            seen([metric], ROWS, PROBABILITIES, "categorical_crossentropy")
        else:
            _in_a_graph(metric)
    said = [str(one.message) for one in caught if "`mine`" in str(one.message)]
    assert bool(said) == bool(reason)
    if reason:
        assert reason in said[0] and 'metric_targets={"mine": "mixed"}' in said[0]


def _in_a_graph(metric):
    model = keras.Sequential([keras.Input((1,))])
    model.compile("sgd", "mse", metrics=[metric])

    @tf.function(autograph=False)
    def step(p):
        parts = list(map(tf.constant, parts_with(ROWS)))
        target = MixedTarget(parts, list(map(tf.constant, shares_of("batch"))))
        target.loss = keras.losses.CategoricalCrossentropy()
        update_metrics(keras_private.compiled_metrics(model), target, p, None, {})

    step(tf.constant(PROBABILITIES))
    step(tf.constant(PROBABILITIES, tf.float64))  # Traces it again.


def test_a_metric_of_ones_own_of_the_mixed_target_is_not_tried():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = seen([Ignores()], VALUES, LOGITS, "mse")
    assert found["mine"] == SIZE


# Metrics that count.


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("sparse", [False, True])
def test_iou_counts_the_heavier_part_with_its_weight(weighted, sparse):
    shares, weights = shares_of("example"), np.array([1, 0, 2, 4, 3], "float32")
    table = np.zeros((CLASSES, CLASSES))
    for i in range(SIZE):
        k = int(shares[1][i] > shares[0][i])
        weight = parts_with(weights)[k][i] if weighted else 1
        table[parts_with(CLASS)[k][i], LOGITS[i].argmax()] += weight
    union = table.sum(0) + table.sum(1) - table.diagonal()
    expected = np.mean((table.diagonal() / np.maximum(union, 1))[union > 0])
    kind = keras.metrics.MeanIoU if sparse else keras.metrics.OneHotMeanIoU
    settings = {"sparse_y_pred": False} if sparse else {}
    found = seen(
        [kind(CLASSES, name="iou", **settings)],
        CLASS if sparse else ROWS,
        LOGITS,
        "sparse_categorical_crossentropy" if sparse else "categorical_crossentropy",
        "example",
        weights,
        weighted,
    )
    assert found["iou"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("shape", [(SIZE,), (SIZE, 1)])
def test_auc_precision_and_recall_of_one_unit_weigh_each_part(shape):
    p = np.array([0.2, 0.9, 0.4, 0.7, 0.6], "float32")
    y = np.array([0, 1, 1, 0, 1], "float32")
    metrics = [
        keras.metrics.AUC(num_thresholds=2001, name="auc"),
        keras.metrics.Precision(name="precision"),
        keras.metrics.Recall(name="recall"),
        keras.metrics.BinaryAccuracy(name="binary"),
    ]
    found = seen(
        metrics, y.reshape(shape), p.reshape(shape), "binary_crossentropy", "example"
    )
    weights = np.concatenate(shares_of("example"))
    labels, scores = np.concatenate(parts_with(y)), np.tile(p, 2)
    given = {"sample_weight": weights}
    expected = {
        "auc": sklearn.metrics.roc_auc_score(labels, scores, **given),
        "precision": sklearn.metrics.precision_score(labels, scores > 0.5, **given),
        "recall": sklearn.metrics.recall_score(labels, scores > 0.5, **given),
        "binary": sklearn.metrics.accuracy_score(labels, scores > 0.5, **given),
    }
    assert found == pytest.approx(expected, abs=2e-3)


# A prediction at each position.

POSITIONS = GENERATOR.normal(size=(SIZE, 4, CLASSES)).astype("float32")
TAGS = GENERATOR.integers(0, CLASSES, (SIZE, 4))
KEPT = np.arange(4)[None] < np.array([1, 4, 2, 3, 4])[:, None]


@pytest.mark.parametrize("per", ["batch", "example"])
@pytest.mark.parametrize("weights", [None, (SIZE,), (SIZE, 4)])
@pytest.mark.parametrize("masked", [False, True])
def test_accuracy_of_positions_with_weights_and_masks(per, weights, masked):
    given = (
        None if weights is None else GENERATOR.uniform(size=weights).astype("float32")
    )
    wide = np.ones((SIZE, 4)) if given is None else given.reshape(SIZE, -1)
    wide = np.broadcast_to(wide, (SIZE, 4)) * (KEPT if masked else 1)
    above = below = 0.0
    pairs = zip(shares_of(per), parts_with(TAGS), parts_with(wide), strict=True)
    for share, tags, weight in pairs:
        for i, t in np.ndindex(SIZE, 4):
            counts = np.broadcast_to(share, SIZE)[i] * weight[i, t]
            above += counts * (POSITIONS[i, t].argmax() == tags[i, t])
            below += counts
    found = seen(
        ["accuracy"],
        TAGS,
        POSITIONS,
        "sparse_categorical_crossentropy",
        per,
        given,
        given is not None,
        masks=KEPT if masked else None,
    )
    assert found["accuracy"] == pytest.approx(above / below, rel=1e-5)


def test_quantities_at_padding_are_those_of_the_other_part():
    values = GENERATOR.normal(size=(SIZE, 4, 2)).astype("float32")
    p, shares = POSITIONS[..., :2], shares_of("batch")
    above = below = 0.0
    for i, t in np.ndindex(SIZE, 4):
        w = [s * one[i, t] for s, one in zip(shares, parts_with(KEPT), strict=True)]
        if sum(w):
            parts = zip(w, parts_with(values), strict=True)
            mixed = sum(one * part[i, t] for one, part in parts) / sum(w)
            above += sum(w) * np.abs(mixed - p[i, t]).mean()
            below += sum(w)
    found = seen(["mae"], values, p, "mse", masks=KEPT)
    assert found["mae"] == pytest.approx(above / below, rel=1e-5)
