"""The loss of a mixed batch, against loops over its parts."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup.training.mixed_loss import MixedLoss
from keras_mixup.training.mixed_targets import MixedTarget, MixedWeight, parts_of
from tests import oracles
from tests.training.mixed_parts import (
    CLASS,
    CLASSES,
    GENERATOR,
    LOGITS,
    MODES,
    NEGATIVE,
    PARTNERS,
    PROBABILITIES,
    SIZE,
    WEIGHTS,
    OwnCall,
    entropies,
    mixed,
    of_batch,
    parts_with,
    shares_of,
    squares,
)

# One lam a batch, any loss; one lam an example, inside of the mean.


# XLA takes a second for each: of those, only the ones with everything are not slow.
@pytest.mark.parametrize(
    ("mode", "count", "weighted"),
    [
        pytest.param(
            *(mode, count, weighted),
            marks=[]
            if mode != "xla" or (count == 3 and weighted)
            else pytest.mark.slow,
        )
        for mode in MODES
        for count in (2, 3)
        for weighted in (False, True)
    ],
)
@pytest.mark.parametrize("per", ["batch", "example"])
@pytest.mark.parametrize("form", ["classes", "floats", "rows"])
def test_a_cross_entropy_is_the_sum_of_its_terms(mode, per, count, weighted, form):
    expected, shares = 0.0, shares_of(per, count)
    weights = parts_with(WEIGHTS if weighted else np.ones(SIZE, "float32"), count)
    for share, labels, weight in zip(
        shares, parts_with(CLASS, count), weights, strict=True
    ):
        expected += np.mean(share * weight * entropies(labels))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    y = CLASS.astype("float32") if form == "floats" else CLASS
    if form == "rows":
        loss = keras.losses.CategoricalCrossentropy(from_logits=True)
        y = np.eye(CLASSES, dtype="float32")[CLASS]
    given = weights if weighted else None
    for mix_losses in {False, form == "rows"}:
        found = mixed(
            MixedLoss(loss, mix_losses),
            parts_with(y, count),
            shares,
            LOGITS,
            given,
            mode,
        )
        assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("reduction", ["sum", "mean", "sum_over_batch_size"])
def test_each_reduction_is_that_of_the_terms(reduction):
    for per in ("batch", "example"):
        shares = shares_of(per)
        expected = sum(
            (share * entropies(labels)).sum()
            for share, labels in zip(shares, parts_with(CLASS), strict=True)
        )
        expected /= 1 if reduction == "sum" else SIZE
        loss = keras.losses.SparseCategoricalCrossentropy(True, reduction=reduction)
        found = mixed(MixedLoss(loss), parts_with(CLASS), shares, LOGITS)
        assert found == pytest.approx(expected, rel=1e-5)


def test_a_loss_that_averages_as_it_likes_has_its_terms():
    shares = shares_of("batch", 3)
    expected = sum(
        share * np.log(np.exp((labels - LOGITS[:, 0]) ** 2.0).sum())
        for share, labels in zip(shares, parts_with(CLASS, 3), strict=True)
    )
    found = mixed(MixedLoss(of_batch), parts_with(CLASS, 3), shares, LOGITS)
    assert found == pytest.approx(expected, rel=1e-5)


def test_strings_have_their_terms():
    names = np.array(["a", "b", "c"])[CLASS]
    shares = shares_of("batch")
    expected = sum(
        share * max((part == "a") * LOGITS[:, 0])
        for share, part in zip(shares, parts_with(names), strict=True)
    )
    found = mixed(MixedLoss(OwnCall()), parts_with(names), shares, LOGITS)
    assert found == pytest.approx(expected, rel=1e-5)


# Sample weights.


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("weights", [WEIGHTS, NEGATIVE], ids=["positive", "negative"])
@pytest.mark.parametrize("per", ["batch", "example"])
def test_weights_of_a_loss_that_is_not_linear(mode, weights, per):
    y = GENERATOR.normal(size=(SIZE, 1)).astype("float32")
    p = LOGITS[:, :1]
    expected = 0.0
    for i in range(SIZE):
        share = [float(np.broadcast_to(s, SIZE)[i]) for s in shares_of(per)]
        w = [float(part[i]) for part in parts_with(weights)]
        target = [float(part[i, 0]) for part in parts_with(y)]
        total = sum(t * one for t, one in zip(share, w, strict=True))
        if (weights < 0).any():
            terms = zip(share, w, target, strict=True)
            expected += sum(t * one * (v - p[i, 0]) ** 2 for t, one, v in terms) / SIZE
        elif total:
            terms = zip(share, w, target, strict=True)
            mean = sum(t * one * v for t, one, v in terms) / total
            expected += total * (mean - p[i, 0]) ** 2 / SIZE
    found = mixed(
        MixedLoss("mse"), parts_with(y), shares_of(per), p, parts_with(weights), mode
    )
    assert found == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_weights_that_cancel_still_count():
    y, p = np.array([[1.0], [3.0]], "float32"), np.zeros((2, 1), "float32")
    parts, weights = [y, y[::-1]], [np.array([1, -1], "float32")] * 2
    weights[1] = weights[1][::-1]
    found = mixed(MixedLoss("mse"), parts, [np.float32(0.5)] * 2, p, weights)
    assert found == pytest.approx((0.5 * (1 - 9) + 0.5 * (1 - 9)) / 2)


@pytest.mark.parametrize("shape", [(SIZE,), (SIZE, 1), (SIZE, 4), (SIZE, 4, 1)])
@pytest.mark.parametrize("per", ["batch", "example"])
def test_weights_of_positions(shape, per):
    y = GENERATOR.integers(0, CLASSES, (SIZE, 4))
    p = GENERATOR.normal(size=(SIZE, 4, CLASSES)).astype("float32")
    weights = GENERATOR.uniform(size=shape).astype("float32")
    expected, shares = 0.0, shares_of(per)
    wide = np.broadcast_to(weights.reshape(SIZE, -1), (SIZE, 4))
    for share, labels, w in zip(shares, parts_with(y), parts_with(wide), strict=True):
        for i, t in np.ndindex(SIZE, 4):
            term = oracles.cross_entropy(labels[i, t], p[i, t])
            expected += np.broadcast_to(share, SIZE)[i] * w[i, t] * term / (4 * SIZE)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    found = mixed(MixedLoss(loss), parts_with(y), shares, p, parts_with(weights))
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("mode", "loss"),
    [
        pytest.param(
            *(mode, loss),
            marks=[] if mode != "xla" or loss == "mse" else pytest.mark.slow,
        )
        for mode in MODES
        for loss in ("mse", "mae", squares, "kl_divergence")
    ],
)
@pytest.mark.parametrize("bad", ["label", "weight"])
def test_what_has_a_share_of_zero_leaves_no_trace_in_value_or_gradient(mode, loss, bad):
    y = np.abs(LOGITS)
    weights, spoiled = WEIGHTS + 1, np.arange(SIZE) == 3
    shares = [np.where(spoiled[PARTNERS[0]], 1.0, 0.4).astype("float32")]
    shares[0][3] = 0.0  # The spoiled example itself is its partner alone.
    shares.append(1 - shares[0])

    def step(y, weights, prediction, *shares):
        with tf.GradientTape() as tape:
            tape.watch(prediction)
            target = MixedTarget(parts_of(y, PARTNERS[:1], shares), list(shares))
            weight = MixedWeight(parts_of(weights, PARTNERS[:1], shares))
            value = MixedLoss(loss)(target, prediction, weight)
        return value, tape.gradient(value, prediction)

    clean = oracles.run("eager", step, y, weights, PROBABILITIES, *shares)
    y, weights = y.copy(), weights.copy()
    (y if bad == "label" else weights)[3] = np.nan
    found = oracles.run(mode, step, y, weights, PROBABILITIES, *shares)
    for one, other in zip(found, clean, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


# Masks.


@pytest.mark.parametrize("mode", ["eager", "graph"])
@pytest.mark.parametrize("per", ["batch", "example"])
@pytest.mark.parametrize("name", ["mse", "sparse_categorical_crossentropy"])
def test_each_part_counts_at_its_own_positions(mode, per, name):
    p = GENERATOR.uniform(0.1, 1, (SIZE, 4, CLASSES)).astype("float32")
    p /= p.sum(-1, keepdims=True)
    y = GENERATOR.integers(0, CLASSES, (SIZE, 4))
    lengths = np.array([1, 4, 2, 3, 4])
    mask = np.arange(4)[None] < lengths[:, None]
    if name == "mse":
        y = np.eye(CLASSES, dtype="float32")[y]
    expected, shares = 0.0, shares_of(per)
    for share, labels, keep in zip(
        shares, parts_with(y), parts_with(mask), strict=True
    ):
        for i, t in zip(*np.nonzero(keep), strict=True):
            term = np.mean((labels[i, t] - p[i, t]) ** 2)
            if name != "mse":
                term = -np.log(p[i, t, labels[i, t]])
            expected += np.broadcast_to(share, SIZE)[i] * term / keep.sum()

    def value():
        prediction = tf.constant(p)
        prediction._mixup_masks = [tf.constant(one) for one in parts_with(mask)]
        target = MixedTarget(list(map(tf.constant, parts_with(y))), shares)
        target.shares = [tf.constant(share) for share in shares]
        return MixedLoss(name)(target, prediction)

    found = value() if mode == "eager" else tf.function(value, autograph=False)()
    assert float(found) == pytest.approx(expected, rel=1e-4)
