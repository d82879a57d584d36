"""Metrics of soft targets against loops, scikit-learn and Keras on clean targets."""

import keras
import numpy as np
import pytest
import sklearn.metrics
import tensorflow as tf

import keras_mixup
from tests.oracles import MODES, run

GENERATOR = np.random.default_rng(3)
N, LABELS = 40, 3
PARTNER = GENERATOR.permutation(N)
LAM = GENERATOR.random((N, 1)).astype("float32")
W = GENERATOR.uniform(0.5, 2.0, N).astype("float32")
P = GENERATOR.random((N, LABELS)).astype("float32")
HOT = (GENERATOR.random((N, LABELS)) < 0.4).astype("float32")
ROWS = np.eye(LABELS, dtype="float32")[GENERATOR.integers(0, LABELS, N)]


def mixed(y):
    return LAM * y + (1 - LAM) * y[PARTNER]


def updated(metric, mode, *batch):
    """The result after one update in that mode."""
    run(mode, lambda *tensors: metric.update_state(*tensors) or tensors[0], *batch)
    return np.asarray(metric.result())


def counts(y, p, w, threshold=0.5):
    """The weights of true and false positives and negatives, label by label."""
    tp = fp = tn = fn = 0.0
    for index in np.ndindex(y.shape):
        weight, label = float(w[index[0]]), float(y[index])
        if p[index] > threshold:
            tp, fp = tp + weight * label, fp + weight * (1 - label)
        else:
            fn, tn = fn + weight * label, tn + weight * (1 - label)
    return {"tp": tp, "fp": fp, "tn": tn, "fn": fn}


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "map"])
@pytest.mark.parametrize("shape", ["one unit", "vector", "labels"])
def test_precision_recall_and_counts_by_loops(mode, shape):
    y, p = {
        "one unit": (mixed(HOT)[:, :1], P[:, :1]),
        "vector": (mixed(HOT)[:, 0], P[:, :1]),
        "labels": (mixed(HOT), P),
    }[shape]
    found = counts(y.reshape(p.shape), p, W)
    for metric, expected in (
        (keras.metrics.TruePositives(), found["tp"]),
        (keras.metrics.FalsePositives(), found["fp"]),
        (keras.metrics.TrueNegatives(), found["tn"]),
        (keras.metrics.FalseNegatives(), found["fn"]),
        (keras.metrics.Precision(), found["tp"] / (found["tp"] + found["fp"])),
        (keras.metrics.Recall(), found["tp"] / (found["tp"] + found["fn"])),
    ):
        ours = keras_mixup.metrics.SoftTargets(metric)
        assert updated(ours, mode, y, p, W) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "map"])
def test_auc_is_that_of_scikit_learn_with_labels_as_weights(mode):
    # Thresholds lie between the values, so that Keras's sum has no error.
    p = GENERATOR.permutation(N).astype("float32")[:, None] / N + 0.001
    y = mixed(HOT)[:, :1]
    expected = sklearn.metrics.roc_auc_score(
        np.repeat([1, 0], N),
        np.tile(p[:, 0], 2),
        sample_weight=np.concatenate([y[:, 0] * W, (1 - y[:, 0]) * W]),
    )
    auc = keras_mixup.metrics.SoftTargets(keras.metrics.AUC(num_thresholds=1001))
    assert updated(auc, mode, y, p, W) == pytest.approx(expected, abs=1e-4)
    plain = keras.metrics.AUC(num_thresholds=1001)
    assert abs(float(updated(plain, mode, y, p, W)) - expected) > 0.02


METRICS = {
    "auc": lambda: keras.metrics.AUC(),
    "auc of each label": lambda: keras.metrics.AUC(multi_label=True, num_labels=LABELS),
    "auc of weighted labels": lambda: keras.metrics.AUC(
        multi_label=True, label_weights=[1.0, 2.0, 3.0]
    ),
    "auc of logits": lambda: keras.metrics.AUC(from_logits=True),
    "auc at some thresholds": lambda: keras.metrics.AUC(thresholds=[0.2, 0.3, 0.8]),
    "precision of one class": lambda: keras.metrics.Precision(class_id=1),
    "recall in the top 2": lambda: keras.metrics.Recall(top_k=2),
    "precision at thresholds": lambda: keras.metrics.Precision([0.3, 0.6]),
    "sensitivity": lambda: keras.metrics.SensitivityAtSpecificity(0.5),
    "specificity": lambda: keras.metrics.SpecificityAtSensitivity(0.5, class_id=2),
    "precision at recall": lambda: keras.metrics.PrecisionAtRecall(0.5),
    "recall at precision": lambda: keras.metrics.RecallAtPrecision(0.5),
}


@pytest.mark.parametrize("form", ["labels", "classes"])
@pytest.mark.parametrize("name", METRICS)
def test_it_is_the_metric_of_the_clean_targets_weighted_by_their_shares(name, form):
    y = HOT if form == "labels" else ROWS
    lam, clean = LAM[:, 0], METRICS[name]()
    column = "class" in name or name == "specificity"
    for target, share in ((y, lam * W), (y[PARTNER], (1 - lam) * W)):
        whole = np.ones((N, 1 if column else LABELS), "float32")
        clean.update_state(target, P, share[:, None] * whole)
    ours = keras_mixup.metrics.SoftTargets(METRICS[name]())
    for part in (slice(0, 25), slice(25, None)):
        ours.update_state(mixed(y)[part], P[part], W[part])
    np.testing.assert_allclose(ours.result(), clean.result(), rtol=1e-4)


def test_labels_that_are_not_mixed_give_keras_own_metric():
    for name, make in METRICS.items():
        ours, theirs = keras_mixup.metrics.SoftTargets(make()), make()
        for metric in (ours, theirs):
            metric.update_state(HOT, P)
        np.testing.assert_allclose(ours.result(), theirs.result(), rtol=1e-5), name


def test_it_is_a_metric_like_any_other():
    auc = keras_mixup.metrics.SoftTargets(keras.metrics.AUC(name="area"))
    assert auc.name == "area"
    assert len(auc.variables) == 4
    config = keras.saving.serialize_keras_object(auc)
    again = keras.saving.deserialize_keras_object(config)
    assert again.get_config() == auc.get_config()
    again.update_state(mixed(HOT), P)
    assert float(again.result()) > 0
    state = auc.stateless_update_state(auc.variables, mixed(HOT), P)
    assert float(auc.stateless_result(state)) == pytest.approx(float(again.result()))
    assert float(auc.result()) == 0
    again.reset_state()
    assert float(again.result()) == 0


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_model_shows_it_under_its_name(jit_compile):
    network = keras.Sequential([keras.Input((LABELS,)), keras.layers.Identity()])
    network.compile(
        loss="binary_crossentropy",
        metrics=[
            keras_mixup.metrics.SoftTargets(keras.metrics.Precision(name="precision")),
            keras_mixup.metrics.MixedAccuracy(multi_label=True),
        ],
        jit_compile=jit_compile,
    )
    shown = network.evaluate(
        P, mixed(HOT), sample_weight=W, batch_size=16, return_dict=True, verbose=0
    )
    found = counts(mixed(HOT), P, np.ones(N))
    right = (found["tp"] + found["tn"]) / HOT.size
    assert shown["accuracy"] == pytest.approx(right, abs=1e-5)
    precision = found["tp"] / (found["tp"] + found["fp"])
    assert shown["precision"] == pytest.approx(precision, abs=1e-5)


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        (keras.metrics.MeanIoU(3), "linear"),
        (keras.metrics.F1Score(), "use them as they are"),
        (keras.metrics.BinaryAccuracy(), "MixedAccuracy"),
        (keras.metrics.AUC, "Expected an object"),
        ("auc", "Expected an object"),
        (type("Own", (keras.metrics.Recall,), {"update_state": print})(), "linear"),
    ],
)
def test_other_metrics_are_refused(metric, message):
    with pytest.raises(ValueError, match=message):
        keras_mixup.metrics.SoftTargets(metric)


def test_f1_score_of_keras_is_right_for_soft_rows():
    f1, clean = keras.metrics.F1Score(average="micro"), keras.metrics.F1Score("micro")
    f1.update_state(mixed(ROWS), P)
    for target, share in ((ROWS, LAM), (ROWS[PARTNER], 1 - LAM)):
        clean.update_state(target, P, share[:, 0])
    assert float(f1.result()) == pytest.approx(float(clean.result()), rel=1e-5)


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "map"])
@pytest.mark.parametrize("name", ["perfect", "all wrong", "all 0"])
def test_accuracy_of_one_unit(mode, name):
    y = np.array([[0.0], [1.0], [0.3], [1.0]], "float32")
    p, expected = {
        "perfect": (y, 0.925),
        "all wrong": (1 - y, 0.075),
        "all 0": (0 * y, 0.425),
    }[name]
    for target, predicted in ((y, p), (y[:, 0], p), (y[:, 0], p[:, 0]), (y, p[:, 0])):
        metric = keras_mixup.metrics.MixedAccuracy()
        assert updated(metric, mode, target, predicted) == pytest.approx(expected)
    logits = keras_mixup.metrics.MixedAccuracy(threshold=0)
    assert updated(logits, mode, y, p - 0.5) == pytest.approx(expected)


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "map"])
def test_accuracy_of_independent_labels_is_weighted_by_lam(mode):
    total = 0.0
    for i in range(N):
        for label in range(LABELS):
            predicted = P[i, label] > 0.7
            own = predicted == (HOT[i, label] == 1)
            other = predicted == (HOT[PARTNER[i], label] == 1)
            total += W[i] * (LAM[i, 0] * own + (1 - LAM[i, 0]) * other) / LABELS
    metric = keras_mixup.metrics.MixedAccuracy(threshold=0.7, multi_label=True)
    found = updated(metric, mode, mixed(HOT), P, W)
    assert found == pytest.approx(total / W.sum(), rel=1e-5)


def test_a_prediction_at_the_threshold_is_no_label_as_in_keras():
    y, p = np.array([[0.2], [1.0]], "float32"), np.full((2, 1), 0.5, "float32")
    for metric in (keras_mixup.metrics.MixedAccuracy(), keras.metrics.BinaryAccuracy()):
        metric.update_state(np.round(y), p)
        assert float(metric.result()) == 0.5


def test_accuracy_of_maps_of_one_unit():
    y, p = np.full((2, 3, 4, 1), 0.75, "float32"), np.ones((2, 3, 4, 1), "float32")
    for target in (y, y[..., 0]):
        metric = keras_mixup.metrics.MixedAccuracy()
        metric.update_state(target, p)
        assert float(metric.result()) == 0.75


@pytest.mark.parametrize(
    "make",
    [
        lambda: keras_mixup.metrics.MixedAccuracy(),
        lambda: keras_mixup.metrics.SoftTargets(keras.metrics.Recall()),
    ],
)
def test_class_numbers_are_no_labels(make):
    numbers = np.arange(N) % 3
    with pytest.raises(ValueError, match="Expected targets of the shape"):
        make().update_state(numbers, P)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"labels in \[0, 1\]"):
        make().update_state(numbers, P[:, :1])
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"labels in \[0, 1\]"):
        make().update_state(-HOT, P)


def test_rows_of_several_labels_need_multi_label():
    with pytest.raises(tf.errors.InvalidArgumentError, match="multi_label=True"):
        keras_mixup.metrics.MixedAccuracy().update_state(HOT, P)
