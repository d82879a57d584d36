"""Which targets are rows and which class numbers; smoothing; pairs of one class."""

import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from keras_mixup import targets
from tests import oracles

GENERATOR = np.random.default_rng(0)
X = GENERATOR.random((8, 5)).astype("float32")
Y = np.arange(8) % 3
ONE_HOT = np.eye(3, dtype="int64")[Y]
MULTI_HOT = np.array([[1, 1, 0], [0, 0, 1], [0, 0, 0], [1, 1, 1]] * 2)
ROLLED = np.roll(np.arange(8), 1)


def rolling(**settings):
    return keras_mixup.MixUp(1.0, pairing="roll", seed=1, **settings)


def lam_of():
    return float(keras_mixup.sample_lambda(1.0, (), seed=1))


@pytest.mark.parametrize(
    ("mode", "dtype", "rows"),
    [
        ("eager", "int64", ONE_HOT),
        ("eager", "bool", ONE_HOT),
        ("eager", "uint8", MULTI_HOT),
        ("graph", "bool", MULTI_HOT),
        ("map", "int64", MULTI_HOT),
        ("xla", "bool", MULTI_HOT),
    ],
)
def test_rows_of_integers_and_booleans_are_rows(mode, dtype, rows):
    policy = rolling(num_classes=3)

    def mix(x, y):
        return policy.at_step(0, (x, y))

    y = oracles.run(mode, mix, X, rows.astype(dtype))[1]
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, oracles.mix(rows, lam_of(), ROLLED), atol=1e-6)


def test_rows_of_positions_too():
    rows = np.eye(3, dtype="int32")[GENERATOR.integers(0, 3, (8, 4, 2))]
    _, y = rolling(num_classes=3).at_step(0, (X, rows))
    np.testing.assert_allclose(y, oracles.mix(rows, lam_of(), ROLLED), atol=1e-6)


def test_weights_of_rows_are_one_an_example():
    weights = GENERATOR.random(8).astype("float32")
    expected = rolling().at_step(0, (X, MULTI_HOT.astype("float32"), weights))
    found = rolling(num_classes=3).at_step(0, (X, MULTI_HOT, weights))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(ValueError, match="would broadcast"):
        rolling(num_classes=3).at_step(0, (X, MULTI_HOT, np.ones((8, 3))))


def test_a_last_axis_of_one_is_that_of_class_numbers():
    labels = GENERATOR.integers(0, 3, (8, 3))
    rows = np.stack([oracles.one_hot(labels[:, i], 3) for i in range(3)], 1)
    _, y = rolling(num_classes=3).at_step(0, (X, labels[..., None]))
    np.testing.assert_allclose(y, oracles.mix(rows, lam_of(), ROLLED), atol=1e-6)
    _, y = rolling(num_classes=4).at_step(0, (X, labels))
    assert y.shape == (8, 3, 4)


@pytest.mark.parametrize("mode", ["eager", "map"])
def test_class_numbers_at_as_many_positions_as_classes_are_refused(mode):
    labels = GENERATOR.integers(0, 3, (8, 3))
    policy = rolling(num_classes=3)
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=r"rows of 0 and 1.*\[\.\.\., tf.newaxis"
    ):
        oracles.run(mode, lambda x, y: policy.at_step(0, (x, y)), X, labels)


def test_what_turns_out_to_be_rows_only_when_the_graph_runs_is_refused():
    policy = rolling(num_classes=3)

    @tf.function(
        input_signature=[tf.TensorSpec((8, 5)), tf.TensorSpec((8, None), tf.int64)]
    )
    def mix(x, y):
        return policy.at_step(0, (x, y))

    with pytest.raises(tf.errors.InvalidArgumentError, match="ensure_shape"):
        mix(X, ONE_HOT)
    labels = GENERATOR.integers(0, 3, (8, 3))
    labels[0] = 2
    assert mix(X, labels)[1].shape == (8, 3, 3)
    assert mix(X, MULTI_HOT[:, :2])[1].shape == (8, 2, 3)


@pytest.mark.parametrize("dtype", ["float32", "int32", "bool"])
def test_independent_labels_are_smoothed_towards_one_half(dtype):
    settings = {"num_classes": 3, "label_smoothing": 0.2, "multi_label": True}
    _, y = rolling(**settings).at_step(0, (X, MULTI_HOT.astype(dtype)))
    smooth = MULTI_HOT * 0.8 + 0.2 / 2
    np.testing.assert_allclose(y, oracles.mix(smooth, lam_of(), ROLLED), atol=1e-6)


def test_a_label_of_one_unit_is_smoothed_towards_one_half():
    y = (Y > 0).astype("float32")
    found = rolling(label_smoothing=0.2, multi_label=True).at_step(0, (X, y))[1]
    expected = oracles.mix(y * 0.8 + 0.1, lam_of(), ROLLED)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("mode", ["eager", "map"])
@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_smoothing_asks_whether_labels_are_independent(mode, dtype):
    policy = rolling(label_smoothing=0.2, num_classes=3)
    with pytest.raises(tf.errors.InvalidArgumentError, match="multi_label=True"):
        rows = MULTI_HOT.astype(dtype)
        oracles.run(mode, lambda x, y: policy.at_step(0, (x, y)), X, rows)


def test_smoothing_takes_rows_of_zero_where_they_weigh_nothing():
    rows = np.eye(3, dtype="float32")[Y]
    rows[2] = 0
    policy = rolling(label_smoothing=0.2)
    policy.at_step(0, (X, rows, (rows.sum(1) > 0).astype("float32")))
    with pytest.raises(tf.errors.InvalidArgumentError, match="sum to 1"):
        policy.at_step(0, (X, rows))


def test_each_of_several_targets_is_smoothed_by_its_kind():
    y = {"kind": Y, "tags": MULTI_HOT}
    policy = rolling(
        num_classes={"kind": 3, "tags": 3},
        label_smoothing=0.2,
        multi_label={"tags": True},
    )
    _, found = policy.at_step(0, (X, y))
    kind = oracles.mix(ONE_HOT * 0.8 + 0.2 / 3, lam_of(), ROLLED)
    tags = oracles.mix(MULTI_HOT * 0.8 + 0.1, lam_of(), ROLLED)
    np.testing.assert_allclose(found["kind"], kind, atol=1e-6)
    np.testing.assert_allclose(found["tags"], tags, atol=1e-6)
    with pytest.raises(ValueError, match="`kind` are not multi-label"):
        rolling(num_classes=3, multi_label=True).at_step(0, (X, y))


@pytest.mark.parametrize("count", [2, 3])
def test_weights_of_both_signs_weigh_the_sum(count):
    """`W y~` is `sum_k t_k w_k y_k`, by hand. If they cancel there is no such row."""
    shares = [0.2, 0.5, 0.3][-count:]
    weights = GENERATOR.normal(size=(count, 6)).astype("float32")
    rows = np.eye(6, dtype="float32")[GENERATOR.integers(0, 6, (count, 6))]
    given = ([tf.constant(one) for one in part] for part in (rows, weights, shares))
    mixed, total = targets.mix_target(*given)
    expected = sum(
        s * w[:, None] * r for s, w, r in zip(shares, weights, rows, strict=True)
    )
    np.testing.assert_allclose(total.numpy()[:, None] * mixed, expected, atol=1e-5)
    total, _ = targets.weigh([tf.constant(0.5)] * 2, [tf.constant([1.0])] * 2)
    assert total == 1
    opposite = [tf.constant([1.0, 0.0]), tf.constant([-1.0, 0.0])]
    total, _ = targets.weigh([tf.constant(0.5)] * 2, opposite)
    np.testing.assert_array_equal(total, [np.nan, 0])


@pytest.mark.parametrize(("mode", "bad"), [("eager", np.nan), ("map", -1.0)])
def test_the_pipeline_refuses_weights_that_no_row_can_say(mode, bad):
    weights = np.array([1, bad] * 4, "float32")

    def mix(x, y, w, **settings):
        return rolling(num_classes=3, **settings).at_step(0, (x, y, w))

    with pytest.raises(tf.errors.InvalidArgumentError, match="MixUpModel can"):
        oracles.run(mode, mix, X, Y, weights)
    chosen = mix(X, Y, weights, targets="closer")
    heavier = weights if lam_of() >= 0.5 else weights[ROLLED]
    np.testing.assert_array_equal(chosen[2], heavier)
    erm = keras_mixup.MixUp(0.0, num_classes=3)(X, Y, weights)
    np.testing.assert_array_equal(erm[2], weights)


def test_pairs_of_one_class_go_by_the_target_that_is_named():
    kind, other = GENERATOR.integers(0, 2, (2, 40))
    y = {"z_kind": kind, "b_other": other}
    x = np.arange(40, dtype="float32")[:, None]
    settings = {"pairing": "same_class", "num_classes": 2, "seed": 1}
    with pytest.raises(ValueError, match=r"pairing_target=.*\['b_other', 'z_kind'\]"):
        keras_mixup.MixUp(1.0, **settings)(x, y)
    with pytest.raises(ValueError, match="pairing_target='kind'"):
        keras_mixup.MixUp(1.0, pairing_target="kind", **settings)(x, y)
    for name in y:
        policy = keras_mixup.MixUp(1.0, pairing_target=name, **settings)
        mixed = policy(x, y)[1]
        pure = {key: np.all(rows.numpy().max(1) > 0.999) for key, rows in mixed.items()}
        assert pure == {key: key == name for key in y}
    only = keras_mixup.MixUp(1.0, passthrough="b_other", **settings)
    assert np.all(only(x, y)[1]["z_kind"].numpy().max(1) > 0.999)


@pytest.mark.parametrize("mode", ["eager", "xla"])
def test_pairs_of_one_class_by_booleans(mode):
    kind = GENERATOR.integers(0, 2, 40) > 0
    policy = keras_mixup.MixUp(1.0, pairing="same_class", num_classes=2, seed=1)
    x = np.ones((40, 2), "float32")
    mixed = oracles.run(mode, lambda x, y: policy.at_step(0, (x, y)), x, kind)[1]
    np.testing.assert_allclose(mixed, oracles.one_hot(kind.astype(int), 2), atol=1e-6)


def test_pairs_of_one_class_need_one_class_an_example():
    settings = {"pairing": "same_class", "seed": 1}
    with pytest.raises(ValueError, match="one class an example"):
        keras_mixup.MixUp(num_classes=4, **settings)(X, MULTI_HOT)
    with pytest.raises(tf.errors.InvalidArgumentError, match="same_class"):
        keras_mixup.MixUp(num_classes=3, **settings)(X, MULTI_HOT)
    with pytest.raises(ValueError, match="pairing_target='a', pairing='roll'"):
        keras_mixup.MixUp(pairing="roll", pairing_target="a")


def test_settings_of_another_type():
    with pytest.raises(ValueError, match="`multi_label`.*'tags'"):
        keras_mixup.MixUp(multi_label="tags")
    with pytest.raises(ValueError, match="`quantities`.*=3"):
        keras_mixup.MixUp(quantities=3)
