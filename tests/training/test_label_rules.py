"""Label rules in the train step: the same labels as in the pipeline, by any loss."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from keras_mixup import MixUp, MixUpModel, Remix
from tests.programs import by_hand

X, Y = by_hand.linear_data()
ROWS = np.eye(3, dtype="float32")[Y]
WEIGHTS = np.linspace(0, 2, 16, dtype="float32")
LABELS = (np.random.default_rng(1).random((16, 3)) < 0.4).astype("float32")
REMIX = Remix([90, 30, 5])
DENSE = keras.losses.CategoricalCrossentropy(from_logits=True)
BINARY = keras.losses.BinaryCrossentropy(from_logits=True)


def logs_of(policy, loss, y, network=None, weights=None, **settings):
    """What the first step shows."""
    at = {
        key: settings.pop(key) for key in ("mix_at", "clean_weight") if key in settings
    }
    model = MixUpModel(network or by_hand.linear(), policy, **at)
    model.compile(by_hand.still(), loss, weighted_metrics=["accuracy"], **settings)
    return model.train_on_batch(X, y, sample_weight=weights, return_dict=True)


def pipelines_loss(policy, y, loss):
    """The loss of the batch that the pipeline mixes by the same seed."""
    x, rows, weight = policy.at_step(0, (X, y, WEIGHTS))
    return float(loss(rows, by_hand.linear()(x), weight))


@pytest.mark.parametrize(
    "run",
    [
        {"run_eagerly": True},
        {},
        pytest.param({"jit_compile": True}, marks=pytest.mark.slow),
    ],
    ids=str,
)
@pytest.mark.parametrize("per", ["batch", "example"])
def test_remix_of_class_numbers_is_that_of_the_pipeline(run, per):
    policy = MixUp(1.0, per=per, seed=1, label_rule=REMIX)
    found = logs_of(policy, by_hand.sparse_loss(), Y, weights=WEIGHTS, **run)
    in_pipeline = MixUp(1.0, per=per, seed=1, num_classes=3, label_rule=REMIX)
    expected = pipelines_loss(in_pipeline, Y, DENSE)
    assert found["loss"] == pytest.approx(expected, rel=1e-5)
    # It is another one than that of plain mixup.
    plain = pipelines_loss(MixUp(1.0, per=per, seed=1, num_classes=3), Y, DENSE)
    assert abs(expected - plain) > 1e-3
    # The accuracy of each label is weighted by the share of the label.
    batch = in_pipeline.at_step(0, (X, Y), details=True)
    own, partner = batch.shares[0].numpy(), batch.partners[0].numpy()
    logits = by_hand.outputs(by_hand.linear(), batch.x)
    shares = own * WEIGHTS, (1 - own) * WEIGHTS[partner]
    hits = by_hand.hits(logits, Y), by_hand.hits(logits, Y[partner])
    accuracy = np.sum(np.multiply(shares, hits)) / np.sum(shares)
    assert found["accuracy"] == pytest.approx(accuracy, rel=1e-5)


@pytest.mark.parametrize(
    "rule", [REMIX, lambda lam, y_i, y_j: lam**2], ids=["remix", "own"]
)
def test_rows_have_the_same_loss_as_class_numbers(rule):
    policy = MixUp(1.0, seed=1, num_classes=3, label_rule=rule)
    of_rows = logs_of(policy, DENSE, ROWS, weights=WEIGHTS, **by_hand.EAGER)
    of_numbers = logs_of(
        policy, by_hand.sparse_loss(), Y, weights=WEIGHTS, **by_hand.EAGER
    )
    assert of_rows["loss"] == pytest.approx(of_numbers["loss"], rel=1e-5)
    assert of_rows["loss"] == pytest.approx(
        pipelines_loss(policy, ROWS, DENSE), rel=1e-5
    )


@pytest.mark.parametrize(
    ("kind", "run"),
    [
        *((kind, {"run_eagerly": True}) for kind in ("float32", "int32", "bool")),
        ("float32", {}),
        pytest.param("float32", {"jit_compile": True}, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_a_union_is_that_of_the_pipeline(kind, run):
    policy = MixUp(
        1.0, seed=1, multi_label=True, label_rule="union", label_smoothing=0.1
    )
    found = logs_of(policy, BINARY, LABELS.astype(kind), weights=WEIGHTS, **run)
    expected = pipelines_loss(policy, LABELS, BINARY)
    assert found["loss"] == pytest.approx(expected, rel=1e-5)
    plain = MixUp(1.0, seed=1, multi_label=True, label_smoothing=0.1)
    assert abs(pipelines_loss(plain, LABELS, BINARY) - expected) > 1e-2


def test_a_union_of_three_leaves_out_what_weighs_nothing():
    policy = MixUp(1.0, seed=1, examples=3, multi_label=True, label_rule="union")
    found = logs_of(policy, BINARY, LABELS, weights=WEIGHTS, **by_hand.EAGER)
    batch = policy.at_step(0, (X, LABELS), details=True)
    plain = MixUp(1.0, seed=1, examples=3, multi_label=True)
    shares = plain.at_step(0, (X, LABELS), details=True).shares
    logits = by_hand.outputs(by_hand.linear(), batch.x)
    at = [np.arange(16), *[partner.numpy() for partner in batch.partners]]
    weights = sum(float(s) * WEIGHTS[a] for s, a in zip(shares, at))
    heard = np.max([LABELS[a] * (WEIGHTS[a] > 0)[:, None] for a in at], axis=0)
    losses = by_hand.binary_cross_entropies(logits, heard).mean(-1)
    assert found["loss"] == pytest.approx(np.mean(weights * losses), rel=1e-5)


def test_hidden_layers_and_the_clean_half_go_with_a_rule():
    keras.utils.set_random_seed(1)
    inputs = keras.Input((6,))
    hidden = keras.layers.Dense(4, activation="tanh", name="hidden")(inputs)
    network = keras.Model(inputs, keras.layers.Dense(3)(hidden))
    policy = MixUp(1.0, seed=1, label_rule=REMIX)
    given = policy, by_hand.sparse_loss(), Y, network
    found = logs_of(*given, mix_at=["hidden"], clean_weight=2.0, **by_hand.EAGER)
    shares = MixUp(1.0, seed=1, num_classes=3, label_rule=REMIX)
    batch = shares.at_step(0, (X, Y), details=True)
    lam, partner = by_hand.draw(16)
    _, first, last = network.layers
    logits = last(by_hand.mixed(first(X), lam, partner)).numpy()
    losses = by_hand.two_terms(
        *(lambda y: by_hand.cross_entropies(logits, y), Y),
        *(batch.shares[0].numpy(), partner),
    )
    clean = by_hand.cross_entropies(by_hand.outputs(network, X), Y)
    expected = losses.mean() + 2 * clean.mean()
    assert found["loss"] == pytest.approx(expected, rel=1e-5)


def test_a_model_with_a_rule_is_saved_and_loaded(tmp_path):
    model = MixUpModel(by_hand.linear(), MixUp(1.0, label_rule=REMIX, seed=1))
    model.compile("sgd", by_hand.sparse_loss())
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.mixup == model.mixup
    assert loaded.mixup.label_rule == REMIX


UNION = {"label_rule": "union", "multi_label": True}


@pytest.mark.parametrize(
    ("policy", "loss", "y", "expected"),
    [
        (MixUp(label_rule=REMIX), "mse", ROWS, "loss of classes"),
        (MixUp(label_rule=REMIX), "mse", X[:, 0], "not for quantities"),
        (MixUp(label_rule=REMIX), DENSE, np.eye(4)[Y], "3 classes"),
        (MixUp(label_rule=REMIX, num_classes=4), DENSE, Y, "3 classes"),
        (MixUp(label_rule=lambda *of: of[0]), DENSE, Y, "with num_classes"),
        (MixUp(**UNION), DENSE, LABELS, "independent"),
        (MixUp(**UNION), by_hand.sparse_loss(), Y, "0 or 1"),
        (MixUp(**UNION), "mse", LABELS, "independent"),
    ],
)
def test_targets_and_losses_that_no_rule_goes_with_are_refused(
    policy, loss, y, expected
):
    with pytest.raises(ValueError, match=expected):
        logs_of(policy, loss, y, **by_hand.EAGER)


def test_two_targets_are_refused():
    inputs = keras.Input((6,))
    outputs = {name: keras.layers.Dense(3)(inputs) for name in "ab"}
    model = MixUpModel(keras.Model(inputs, outputs), MixUp(label_rule=REMIX))
    model.compile("sgd", dict.fromkeys("ab", by_hand.sparse_loss()), **by_hand.EAGER)
    with pytest.raises(ValueError, match=r"one target.*\['a', 'b'\]"):
        model.train_on_batch(X, {"a": Y, "b": Y})


def test_masks_that_are_pasted_are_refused():
    images, masks = np.zeros((4, 8, 8, 1), "float32"), np.zeros((4, 8, 8), "int32")
    network = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Dense(3)])
    policy = keras_mixup.CutMix(label_rule=REMIX)
    model = MixUpModel(network, policy)
    model.compile("sgd", by_hand.sparse_loss(), **by_hand.EAGER)
    with pytest.raises(ValueError, match="position by position"):
        model.train_on_batch(images, masks)


def test_class_numbers_without_a_count_fail_in_a_sentence():
    short = MixUp(1.0, seed=1, label_rule=Remix([90, 30]))
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"labels in \[0, 2\)"):
        logs_of(short, by_hand.sparse_loss(), Y)
