"""Padded sequences: where a mixed one counts, by its weights and by its masks."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from keras_mixup import combining, mixing, mixing_points, targets
from keras_mixup.draws import Draw
from keras_mixup.training import mixed_inputs
from tests import oracles

GENERATOR = np.random.default_rng(0)
X = GENERATOR.uniform(1, 2, (4, 5, 2)).astype("float32")
Y = GENERATOR.uniform(1, 2, (4, 5, 3)).astype("float32")
LENGTHS = np.array([5, 2, 4, 1])
HERE = np.arange(5) < LENGTHS[:, np.newaxis]
PADDED = np.where(HERE[..., np.newaxis], X, 0)
WEIGHTS = (HERE * GENERATOR.uniform(1, 2, (4, 5))).astype("float32")
# Partner i - 1 of example i.
LAM = float(keras_mixup.sample_lambda(1.0, (), 3, 0))
ROLL = {"pairing": "roll", "seed": 3}


def policy_of(padding, **settings):
    return keras_mixup.MixUp(1.0, **{**ROLL, "padding": padding, **settings})


def rolled(values):
    return np.roll(values, 1, axis=0)


def counts(weights, coefficients, padding):
    """Whether a position counts, of the weights of its parts."""
    there = [w != 0 for w, c in zip(weights, coefficients, strict=True) if c > 0]
    return all(there) if padding == "intersection" else any(there)


@pytest.mark.parametrize("padding", mixing.PADDINGS)
@pytest.mark.parametrize("mode", ["eager", "xla"])
@pytest.mark.parametrize("per", ["batch", "example"])
def test_a_target_is_that_of_a_loop_over_positions(padding, mode, per):
    """Of three parts, with padding that is NaN and shares that are 0."""
    generator = np.random.default_rng(1)
    parts = list(generator.normal(size=(3, 4, 5, 2)).astype("float32"))
    weights = list(generator.integers(0, 3, (3, 4, 5)).astype("float32"))
    for part, weight in zip(parts, weights, strict=True):
        part[weight == 0] = np.nan
    shares = np.float32([[0.25, 0.75, 0.0]] * 4)
    if per == "example":
        shares = np.float32(
            [[0.5, 0.5, 0], [0, 1, 0], [0.25, 0.25, 0.5], [0, 0.5, 0.5]]
        )
    given = list(shares.T) if per == "example" else list(shares[0])
    found, total = oracles.run(
        mode,
        lambda *of: targets.mix_target(*of, padding=padding),
        *(parts, weights, given),
    )
    for i, t in np.ndindex(4, 5):
        own = [float(weight[i, t]) for weight in weights]
        products = [c * w for c, w in zip(shares[i], own, strict=True)]
        expected = sum(products) if counts(own, shares[i], padding) else 0
        np.testing.assert_allclose(total[i, t], expected, rtol=1e-6)
        if any(products):
            there = [(p, part[i, t]) for p, part in zip(products, parts) if p]
            row = sum(p * one for p, one in there) / sum(products)
            np.testing.assert_allclose(found[i, t], row, rtol=1e-5)


@pytest.mark.parametrize("padding", mixing.PADDINGS)
def test_the_pipeline_weighs_positions_by_the_rule(padding):
    dataset = tf.data.Dataset.from_tensors((X, Y, WEIGHTS)).apply(policy_of(padding))
    _, mixed, weight = next(iter(dataset))
    own, other = LAM * WEIGHTS, (1 - LAM) * rolled(WEIGHTS)
    kept = HERE & rolled(HERE) if padding == "intersection" else True
    np.testing.assert_allclose(weight, (own + other) * kept, rtol=1e-5)
    here = HERE & rolled(HERE)
    expected = own[..., None] * Y + other[..., None] * rolled(Y)
    expected = expected[here] / (own + other)[here][:, None]
    np.testing.assert_allclose(mixed.numpy()[here], expected, rtol=1e-5)


def test_one_part_alone_and_the_closer_target_count_where_they_are():
    for settings in ({"alpha": 0.0}, {"targets": "closer"}):
        found = [
            keras_mixup.MixUp(**{"alpha": 1.0, **ROLL, **settings, "padding": one})(
                (X, Y, WEIGHTS)
            )
            for one in mixing.PADDINGS
        ]
        for union, intersection in zip(*found, strict=True):
            np.testing.assert_array_equal(union, intersection)


def network_of(masking):
    """Sequences for which the network predicts 0, at its input and behind a point."""
    inputs = features = keras.Input((5, 2))
    if masking:
        features = keras.layers.Masking(0.0)(features)
    features = keras_mixup.layers.MixFeatures(name="point")(features)
    zeros = keras.layers.Dense(3, kernel_initializer="zeros")(features)
    return keras.Model(inputs, zeros)


def trained(padding, place, weights=None, jit_compile=False, **settings):
    network = network_of(masking=weights is None)
    model = keras_mixup.MixUpModel(
        network, policy_of(padding), mix_at=[place], **settings
    )
    mae = keras.metrics.MeanAbsoluteError(name="mae")
    model.compile("sgd", "mse", weighted_metrics=[mae], jit_compile=jit_compile)
    x = PADDED if weights is None else X
    return model.train_on_batch(x, Y, sample_weight=weights, return_dict=True)


@pytest.mark.parametrize("padding", mixing.PADDINGS)
@pytest.mark.parametrize(
    ("jit_compile", "mix_losses"), [(False, None), (False, True), (True, None)]
)
def test_a_train_step_weighs_positions_by_the_rule(padding, jit_compile, mix_losses):
    found = trained(padding, "input", WEIGHTS, jit_compile, mix_losses=mix_losses)
    own, other = LAM * WEIGHTS, (1 - LAM) * rolled(WEIGHTS)
    if padding == "intersection":
        own, other = (one * HERE * rolled(HERE) for one in (own, other))
    total = own + other
    shares = [one / np.where(total > 0, total, 1) for one in (own, other)]
    row = shares[0][..., None] * Y + shares[1][..., None] * rolled(Y)
    loss = total * (row**2).mean(-1)
    if mix_losses:
        loss = own * (Y**2).mean(-1) + other * (rolled(Y) ** 2).mean(-1)
    loss = np.where(total > 0, loss, 0).mean()
    assert float(found["loss"]) == pytest.approx(loss, rel=1e-4)
    kept = total > 0
    mae = np.average(np.abs(row).mean(-1)[kept], weights=total[kept])
    assert float(found["mae"]) == pytest.approx(mae, rel=1e-4)


def test_a_metric_of_classes_has_each_part_where_both_are():
    y = np.arange(20).reshape(4, 5) % 3
    model = keras_mixup.MixUpModel(network_of(False), policy_of("intersection"))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    metric = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
    model.compile("sgd", loss, weighted_metrics=[metric], run_eagerly=True)
    found = model.train_on_batch(X, y, sample_weight=WEIGHTS, return_dict=True)
    both = HERE & rolled(HERE)
    own, other = LAM * WEIGHTS * both, (1 - LAM) * rolled(WEIGHTS) * both
    # Of three logits that are alike, each costs log 3 and the first one is predicted.
    assert float(found["loss"]) == pytest.approx(
        np.log(3) * (own + other).mean(), rel=1e-5
    )
    right = (own * (y == 0) + other * (rolled(y) == 0)).sum() / (own + other).sum()
    assert float(found["accuracy"]) == pytest.approx(right, rel=1e-5)


@pytest.mark.parametrize("padding", mixing.PADDINGS)
@pytest.mark.parametrize(("place", "jit_compile"), [("input", False), ("point", True)])
def test_masks_follow_the_same_rule(padding, place, jit_compile):
    """The mean of each term is over the positions that count for it."""
    found = trained(padding, place, jit_compile=jit_compile)
    both = HERE & rolled(HERE)
    masks = [both, both] if padding == "intersection" else [HERE, rolled(HERE)]
    loss = sum(
        share * (y**2).mean(-1)[mask].mean()
        for share, y, mask in zip((LAM, 1 - LAM), (Y, rolled(Y)), masks, strict=True)
    )
    assert float(found["loss"]) == pytest.approx(loss, rel=1e-4)


@pytest.mark.parametrize("mode", ["eager", "xla"])
@pytest.mark.parametrize("lam", [0.3, 1.0, 0.0])
def test_features_and_masks_are_those_of_a_loop(mode, lam):
    """Where a part is missing its own padding stands, so that `Masking` sees it."""
    both = PADDED, rolled(PADDED)
    masks = HERE, rolled(HERE)
    shares = np.float32([lam, 1 - lam])

    def mix(parts, masks, shares):
        shares = tf.unstack(shares)
        features = mixing.mix_masked(parts, masks, shares, "intersection")
        draw = Draw(shares, [])
        return features, combining.combined_masks(masks, draw, "intersection")

    features, mask = oracles.run(mode, mix, list(both), list(masks), shares)
    for i, t in np.ndindex(4, 5):
        there = [m[i, t] for m, share in zip(masks, shares, strict=True) if share > 0]
        assert mask[i, t] == all(there)
        expected = sum(s * part[i, t] for s, part in zip(shares, both, strict=True))
        expected = expected if all(there) else np.zeros(2)
        np.testing.assert_allclose(features[i, t], expected, rtol=1e-6)


def test_a_point_masks_what_either_part_leaves_out():
    policy = policy_of("intersection")
    draw = Draw([tf.constant(0.3), tf.constant(0.7)], [tf.constant([3, 0, 1, 2])])
    points = mixing_points.MixingPoints({"point": draw}, policy, None)
    mask = points.masks_at("point", tf.constant(HERE))
    np.testing.assert_array_equal(mask, HERE & rolled(HERE))


def test_inputs_of_a_masking_layer_are_padding_where_one_part_is():
    draw = Draw([tf.constant(0.3), tf.constant(0.7)], [tf.constant([3, 0, 1, 2])])
    policy = policy_of("intersection")
    points = mixing_points.MixingPoints({"input": draw}, policy, None)
    found = mixed_inputs.mix_inputs(network_of(masking=True), PADDED, points)
    both = (HERE & rolled(HERE))[..., np.newaxis]
    expected = np.where(both, 0.3 * PADDED + 0.7 * rolled(PADDED), 0)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_what_is_predicted_and_exported_is_the_network(tmp_path):
    network = network_of(masking=True)
    network.layers[-1].kernel.assign(np.ones((2, 3)))
    model = keras_mixup.MixUpModel(network, policy_of("intersection"), ["point"])
    plain = network.predict(PADDED, verbose=0)
    np.testing.assert_array_equal(model.predict(PADDED, verbose=0), plain)
    model.export(tmp_path / "network", verbose=False)
    served = tf.saved_model.load(tmp_path / "network")
    np.testing.assert_allclose(served.serve(PADDED), plain, rtol=1e-6)


def test_settings_are_shown_and_come_back_from_their_config():
    policy = policy_of("intersection")
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(policy)
    )
    assert again.get_config() == policy.get_config()
    assert "padding='intersection'" in repr(again)
    one, other = (keras_mixup.MixUp(1.0, padding=name) for name in mixing.PADDINGS)
    assert keras_mixup.RandomChoice([other]).padding == "intersection"
    with pytest.raises(ValueError, match="agree in `padding`"):
        keras_mixup.RandomChoice([one, other])
    with pytest.raises(ValueError, match="argument `padding`. Expected one of"):
        keras_mixup.MixUp(1.0, padding="shortest")
