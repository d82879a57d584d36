"""Targets with a period: mixed along the shorter arc, paired by their chord."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from keras_mixup import circle, neighbors, targets
from tests import oracles

PERIOD = 360.0
GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(12, 2)).astype("float32")
# Quarters of degrees, so that whole turns are exact.
Y = (GENERATOR.integers(0, 1440, (12, 3)) / 4).astype("float32")
SHARES = {2: [0.75, 0.25], 3: [0.25, 0.625, 0.125]}


def by_loop(parts, shares, period):
    """The combination on the circle, value by value, from the heaviest part."""
    mixed = np.empty(parts[0].shape)
    for index in np.ndindex(mixed.shape):
        own = [float(part[index]) for part in parts]
        start = own[int(np.argmax(shares))]
        way = 0.0
        for value, share in zip(own, shares, strict=True):
            arc = (value - start) % period
            way += share * (arc - period if arc >= period / 2 else arc)
        mixed[index] = (start + way) % period
    return mixed


def around(one, other, period=PERIOD):
    """The distance on the circle."""
    apart = np.mod(np.asarray(one, np.float64) - np.asarray(other), period)
    return np.minimum(apart, period - apart)


@pytest.mark.parametrize("examples", [2, 3])
@pytest.mark.parametrize("mode", ["graph", "xla"])
def test_the_way_is_that_of_a_loop_over_values(examples, mode):
    parts = [np.roll(Y, k, axis=0) + 360 * k for k in range(examples)]
    shares = SHARES[examples]
    found = oracles.run(
        mode,
        lambda *parts: circle.mixed(parts, [*map(tf.constant, shares)], 360),
        *parts,
    )
    assert found.dtype == np.float32
    assert ((found >= 0) & (found < 360)).all()
    assert around(found, by_loop(parts, shares, 360)).max() < 1e-3


def mixed(parts, lam, period=PERIOD):
    shares = [tf.constant(lam), 1 - tf.constant(lam)]
    return circle.mixed([*map(tf.constant, parts)], shares, period).numpy()


@pytest.mark.parametrize("angle", [0.25, 90.0, 355.0, -1000.0])
def test_a_shift_by_any_angle_commutes_with_mixing(angle):
    parts = Y, Y[::-1]
    shifted = mixed([part + np.float32(angle) for part in parts], 0.7)
    assert around(shifted, mixed(parts, 0.7) + angle).max() < 1e-3


def test_the_two_may_change_places():
    for lam in (0.125, 0.375, 0.75):
        np.testing.assert_array_equal(
            mixed([Y, Y[::-1]], lam), mixed([Y[::-1], Y], 1 - lam)
        )
    # Also where both ways are as long.
    opposite = [np.float32([10.0]), np.float32([190.0])]
    np.testing.assert_array_equal(mixed(opposite, 0.25), mixed(opposite[::-1], 0.75))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_the_ends_are_exact_and_the_dtype_stays(dtype):
    y = (Y + GENERATOR.random(Y.shape) / 4).astype(dtype) % np.dtype(dtype).type(360)
    for lam, expected in ((1.0, y), (0.0, y[::-1])):
        found = mixed([y, y[::-1]], lam)
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("period", [360, 2 * np.pi, 0.1])
def test_what_is_rounded_stays_below_the_period(dtype, period):
    values = tf.cast(
        tf.constant([-1e-30, -1e-9, period * (1 - 1e-9)], tf.float64), dtype
    )
    share = [tf.constant(0.5)] * 2
    for compiled in (False, True):
        function = tf.function(circle.mixed, jit_compile=compiled)
        found = function([values, values], share, period)
        found = tf.cast(found, tf.float64).numpy()
        assert ((found >= 0) & (found < period)).all()


def test_within_half_a_turn_it_is_the_linear_mix():
    near = (100 + Y / 3).astype("float32")
    parts = [tf.constant(near), tf.constant(near[::-1])]
    shares = [tf.constant(0.3), tf.constant(0.7)]
    straight, _ = targets.mix_target(parts, [None] * 2, shares)
    np.testing.assert_array_equal(circle.mixed(parts, shares, 360), straight)


def test_a_part_of_weight_zero_leaves_no_trace():
    parts = [tf.constant([np.nan, 350.0]), tf.constant([20.0, 30.0])]
    weights = [tf.constant([0.0, 1.0]), tf.constant([2.0, 3.0])]
    found, total = targets.mix_target(
        parts, weights, [tf.constant(0.5)] * 2, period=360
    )
    # 3/4 of the way from 350 to 390.
    np.testing.assert_allclose(found, [20.0, 20.0], rtol=1e-6)
    np.testing.assert_allclose(total, [1.0, 2.0])


def partners_and_lam(policy, step):
    batch = policy.at_step(step, (X, Y), details=True)
    return batch.partners[0].numpy(), float(batch.shares[0])


@pytest.mark.parametrize("named", [False, True])
def test_the_pipeline_mixes_the_named_targets_on_the_circle(named):
    period = {"angle": 360} if named else 360
    policy = keras_mixup.MixUp(1.0, seed=3, period=period)
    y = {"angle": Y, "speed": 2 * Y} if named else Y
    partner, lam = partners_and_lam(keras_mixup.MixUp(1.0, seed=3), 4)
    dataset = tf.data.Dataset.from_tensors((X, y)).repeat(5)
    _, found = list(dataset.apply(policy))[4]
    angle = found["angle"] if named else found
    expected = by_loop([Y, Y[partner]], [lam, 1 - lam], 360)
    assert around(angle, expected).max() < 1e-3
    if named:
        speed = oracles.mix(2 * Y, lam, partner)
        np.testing.assert_allclose(found["speed"], speed, rtol=1e-5)


def model_of(policy, place, **settings):
    """A network whose prediction is 0 for whatever is mixed where."""
    network = keras.Sequential(
        [
            keras.Input((2,)),
            keras.layers.Dense(2, name="hidden"),
            keras.layers.Dense(
                3, kernel_initializer="zeros", use_bias=False, name="end"
            ),
        ]
    )
    return keras_mixup.MixUpModel(network, policy, mix_at=[place], **settings)


@pytest.mark.parametrize(
    ("place", "jit_compile", "mix_losses"),
    [("input", False, None), ("hidden", True, None), ("input", False, True)],
)
def test_a_train_step_has_the_loss_of_the_target_on_the_circle(
    place, jit_compile, mix_losses
):
    policy = keras_mixup.MixUp(1.0, seed=3, pairing="roll", period=360)
    model = model_of(policy, place, mix_losses=mix_losses)
    metric = keras.metrics.MeanAbsoluteError(name="mae")
    model.compile("sgd", "mse", weighted_metrics=[metric], jit_compile=jit_compile)
    weights = np.arange(12, dtype="float32")
    found = model.train_on_batch(X, Y, sample_weight=weights, return_dict=True)
    lam = float(keras_mixup.sample_lambda(1.0, (), 3, 0))
    own, other = lam * weights, (1 - lam) * np.roll(weights, 1)
    partner = np.roll(Y, 1, axis=0)
    expected = np.concatenate(
        [
            by_loop([Y[i], partner[i]], [own[i], other[i]] / (own[i] + other[i]), 360)
            for i in range(12)
        ]
    ).reshape(Y.shape)
    mae = np.average(np.abs(expected).mean(axis=1), weights=own + other)
    assert float(found["mae"]) == pytest.approx(mae, rel=1e-4)
    if mix_losses:
        loss = np.mean(own * (Y**2).mean(1) + other * (partner**2).mean(1))
    else:
        loss = np.mean((own + other) * (expected**2).mean(axis=1))
    assert float(found["loss"]) == pytest.approx(loss, rel=1e-4)


def test_what_is_chosen_stays_as_it_is():
    y = Y - 180
    for settings in ({"targets": "closer"}, {"alpha": 0.0}):
        plain, own = (
            keras_mixup.MixUp(**{"alpha": 1.0, "seed": 1, **settings, **more})
            for more in ({}, {"period": 360})
        )
        np.testing.assert_array_equal(own((X, y))[1], plain((X, y))[1])


@pytest.mark.parametrize("where", ["batch", "set"])
def test_partners_are_near_on_the_circle(where):
    """They are those of the points of a plane, whose distance is the chord."""
    y = np.array([1.0, 359.0, 181.0, 90.0, 721.0])
    plane = np.stack([np.cos(y * np.pi / 180), np.sin(y * np.pi / 180)], axis=1)
    plane *= 180 / np.pi
    apart = y[:, np.newaxis] - y
    chord = 360 / np.pi * np.abs(np.sin(np.pi * apart / 360))
    for i, row in enumerate(circle.points(tf.constant(y), 360).numpy()):
        np.testing.assert_allclose(row, plane[i], atol=1e-9)
        np.testing.assert_allclose(np.hypot(*(row - plane).T), chord[i], atol=1e-9)
    for step in range(50):
        drawn = []
        for given, more in ((y, {"period": 360}), (plane, {})):
            if where == "set":
                table = neighbors.similar_targets(given, 60.0, **more)
                drawn.append(neighbors.draw_neighbors(table, np.arange(5), 3, step))
            else:
                settings = {"pairing": "similar_target", "bandwidth": 60.0, **more}
                drawn.append(
                    keras_mixup.sample_partner(5, 3, step, labels=given, **settings)
                )
        np.testing.assert_array_equal(*drawn)


def test_a_policy_pairs_by_the_chord_of_the_target_that_it_names():
    y = {"angle": np.array([0.0, 90.0, 360.0, 450.0]), "other": np.arange(4.0)}
    policy = keras_mixup.MixUp(
        1.0, pairing="similar_target", pairing_target="angle", bandwidth=1e-3,
        period={"angle": 360}, seed=1,
    )  # fmt: skip
    seen = {
        tuple(policy.at_step(step, (X[:4], y), details=True).partners[0].numpy() % 2)
        for step in range(5)
    }
    assert seen == {(0, 1, 0, 1)}


def test_the_bandwidth_by_rule_is_that_of_the_line_for_a_narrow_arc():
    y = 359.9 + GENERATOR.normal(size=(50, 2)) * [0.01, 0.02]
    on_line = neighbors.reference_bandwidth(y)
    on_circle = neighbors.reference_bandwidth(np.mod(y, 360), period=360)
    np.testing.assert_allclose(on_circle, on_line, rtol=1e-5)
    # All around, the points are a radius away from their mean.
    y = np.arange(0, 360, 3.6)
    expected = 180 / np.pi * (4 / 300) ** 0.2
    assert neighbors.reference_bandwidth(y, 360) == pytest.approx([expected])


def test_settings_are_shown_and_come_back_from_their_config():
    policy = keras_mixup.MixUp(1.0, period={"a": np.float32(24), "b": None})
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(policy)
    )
    assert again.get_config() == policy.get_config()
    assert again.period == {"a": 24.0, "b": None}
    assert "period={'a': 24.0, 'b': None}" in repr(policy)
    choice = keras_mixup.RandomChoice([policy, again])
    assert choice.period == policy.period
    with pytest.raises(ValueError, match="agree in `period`"):
        keras_mixup.RandomChoice([policy, keras_mixup.MixUp(1.0)])


@pytest.mark.parametrize("period", [0, -360.0, np.nan, np.inf, "day", True, {"y": 0}])
def test_a_wrong_period_is_refused_everywhere(period):
    with pytest.raises(ValueError, match="argument `period`"):
        keras_mixup.MixUp(1.0, period=period)
    for function in (neighbors.reference_bandwidth, neighbors.similar_targets):
        with pytest.raises(ValueError, match="argument `period`"):
            function(Y, period=period)
    with pytest.raises(ValueError, match="argument `period`"):
        keras_mixup.sample_partner(
            12, pairing="similar_target", labels=Y, period=period
        )


@pytest.mark.parametrize(
    ("y", "settings", "words"),
    [
        (Y.astype("int32"), {}, "not on a circle.*int32"),
        (Y, {"label_smoothing": 0.1}, "not on a circle.*label_smoothing=0.1"),
        ({"a": Y}, {"period": {"b": 360}}, "argument `period`.*names of entries"),
        ([Y, Y], {"period": [360]}, "argument `period`.*each of 2 targets"),
        # A name of x or of the network's output is none of a target without names.
        (Y, {"period": {"x": 360}}, "argument `period`.*one value for"),
        (Y, {"period": {"end": 360}}, "argument `period`.*one value for"),
        ([Y, Y], {"period": {"end": 360}}, "argument `period`.*a list of one entry"),
    ],
)
def test_targets_that_are_not_on_a_circle_are_refused(y, settings, words):
    policy = keras_mixup.MixUp(1.0, **{"period": 360, **settings})
    with pytest.raises(ValueError, match=words):
        policy((X, y))
    model = model_of(policy, "input")
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=words):
        model.train_on_batch(X, y)
