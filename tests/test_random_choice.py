"""RandomChoice: each unit is mixed as the policy that is drawn for it would do it."""

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

import keras_mixup
from keras_mixup import keys, random_choice
from tests import oracles, placed

GENERATOR = np.random.default_rng(0)
X = GENERATOR.random((6, 6, 8, 2)).astype("float32")
Y = np.eye(6, dtype="float32")


def policies_of(*kinds, **settings):
    """Policies by a letter each: m for MixUp, c, r and f for those that paste."""
    made = {
        "m": lambda **more: keras_mixup.MixUp(1.0, **more),
        "c": lambda **more: keras_mixup.CutMix(1.0, **more),
        "r": lambda **more: keras_mixup.ResizeMix(**more),
        "f": lambda **more: keras_mixup.FMix(1.0, **more),
    }
    return [made[kind](**settings) for kind in kinds]


def chosen_of(policy, size, step):
    """The index of the policy that is drawn for each example."""
    key = keys.make_key(policy.seed, step, 0)
    shape = () if policy.per == "batch" else (size,)
    place = keys.uniform(key, keys.Stream.POLICY, shape).numpy()
    edges = np.cumsum(policy.weights)
    edges[-1] = 1
    return np.broadcast_to(np.searchsorted(edges, place, side="right"), size)


def alone(policy, index, x, y, step):
    """The mixed batch of the policy of that index, by loops, at the key it has."""
    one = policy.policies[index]
    per = {"per": "example"} if policy.per == "example" else {}
    one = type(one).from_config({**one.get_config(), **per})
    key = random_choice._key_of(keys.make_key(policy.seed, step, 0), index)
    draw = one.placed(one.draw_all(len(x), key, 1.0), key, [tf.constant(x)])
    if draw.masks is not None:
        return placed.pasted(x, draw), placed.mixed_rows(y, draw)
    lam, partner = draw.coefficients[0].numpy(), draw.partners[0].numpy()
    return oracles.mix(x, lam, partner), oracles.mix(y, lam, partner)


@pytest.mark.parametrize("kinds", ["mc", "crf", "mcrf"])
@pytest.mark.parametrize(
    ("per", "mode"),
    [
        ("batch", "eager"),
        ("example", "eager"),
        pytest.param("example", "xla", marks=pytest.mark.slow),
    ],
)
def test_each_unit_is_mixed_by_the_policy_that_is_drawn(kinds, per, mode):
    own = {} if per == "example" else {"per": "example"}
    policy = keras_mixup.RandomChoice(policies_of(*kinds, **own), per=per, seed=2)
    seen = set()
    for step in range(4 if mode == "eager" else 1):
        mix = lambda *batch: policy.at_step(step, batch)  # noqa: B023, E731
        x, y = oracles.run(mode, mix, X, Y)
        which = chosen_of(policy, len(X), step)
        seen |= set(which)
        for i, index in enumerate(which):
            expected, rows = alone(policy, index, X, Y, step)
            np.testing.assert_allclose(x[i], expected[i], atol=1e-6)
            np.testing.assert_allclose(y[i], rows[i], atol=1e-6)
    assert len(seen) > 1 or mode == "xla"


@pytest.mark.parametrize("weights", [None, [0.2, 0.5, 0.3]])
def test_policies_are_drawn_by_their_weights(weights):
    policy = keras_mixup.RandomChoice(
        policies_of("m", "c", "r"), weights, per="example", seed=1
    )
    key = keys.make_key(1, 0, 0)
    draw = policy.draw(6000, key, policy.alpha_at(0))
    counts = [int(np.sum(condition)) for condition, _ in draw.choices]
    assert sum(counts) == 6000
    expected = 6000 * np.array(weights or [1 / 3] * 3)
    assert scipy.stats.chisquare(counts, expected).pvalue > 0.01


def test_a_weight_of_zero_or_one():
    policies = policies_of("m", "c", per="example")
    for index, weights in ((0, [1, 0]), (1, [0, 1])):
        policy = keras_mixup.RandomChoice(policies, weights, seed=4)
        expected, rows = alone(policy, index, X, Y, 0)
        x, y = policy.at_step(0, (X, Y))
        np.testing.assert_allclose(x, expected, atol=1e-6)
        np.testing.assert_allclose(y, rows, atol=1e-6)


@pytest.mark.parametrize("step", range(3))
def test_dense_targets_go_with_the_features(step):
    """Each position has the row that the pixels have: in a sum, that of the sum."""
    for kinds in ("mc", "cr"):
        policies = policies_of(*kinds, num_classes=4, per="example")
        policy = keras_mixup.RandomChoice(policies, seed=3, per="example")
        labels = np.random.default_rng(1).integers(0, 4, (6, 6, 8))
        rows = oracles.one_hot(labels, 4).astype("float32")
        x, y = policy.at_step(step, (rows, labels))
        np.testing.assert_allclose(x, y, atol=1e-6)


def test_features_are_floats_if_one_policy_averages_and_keep_their_dtype_else():
    x = GENERATOR.integers(0, 255, X.shape).astype("uint8")
    for kinds, dtype in (("mc", tf.float32), ("crf", tf.uint8)):
        for step in range(4):
            for off in ({}, {"probability": 0.0}):
                policy = keras_mixup.RandomChoice(policies_of(*kinds, **off), seed=1)
                assert policy.at_step(step, (x, Y))[0].dtype == dtype
    ids = keras_mixup.RandomChoice(policies_of("c", "r"), seed=1)
    assert ids.at_step(0, (x.astype("int32"), Y))[0].dtype == tf.int32
    mixing = keras_mixup.RandomChoice(policies_of("m", "c"), seed=1)
    with pytest.raises(ValueError, match=r"int32.*passthrough"):
        mixing.at_step(0, (x.astype("int32"), Y))


@pytest.mark.parametrize("per", ["batch", "example"])
@pytest.mark.parametrize(
    ("mapped", "is_ragged"),
    [
        (None, False),
        (None, True),
        (False, False),
        # Long to trace; the eager ones ask the same of ragged boxes.
        pytest.param(False, True, marks=pytest.mark.slow),
        pytest.param(True, False, marks=pytest.mark.slow),
        pytest.param(True, True, marks=pytest.mark.slow),
    ],
)
def test_boxes_are_those_of_the_policy_that_is_drawn(per, is_ragged, mapped):
    generator = np.random.default_rng(2)
    low = generator.integers(0, 4, (6, 3, 2))
    boxes = np.concatenate([low, low + generator.integers(1, 4, (6, 3, 2))], -1)
    given = {"boxes": boxes.astype("float32"), "labels": np.arange(18).reshape(6, 3)}
    if is_ragged:
        given = {
            key: tf.RaggedTensor.from_tensor(
                tf.constant(value), ragged_rank=1, lengths=[3, 0, 1, 2, 3, 3]
            )
            for key, value in given.items()
        }
    settings = {"bounding_box_format": "xyxy", "per": "example", "pairing": "roll"}
    settings["jit_compile"] = bool(mapped)  # Compiling takes most of the time.
    policies = [
        keras_mixup.MixUp(1.0, per="example", pairing="roll"),
        keras_mixup.CutMix(**settings),
        keras_mixup.ResizeMix(**settings),
    ]
    policy = keras_mixup.RandomChoice(policies, per=per, seed=5)
    batch = {"images": X, "bounding_boxes": given}

    def rows_of(found, i):
        there = found["labels"][i].numpy() >= 0
        keys_of = ("labels", "boxes", "weights")
        return [found[key][i].numpy()[there] for key in keys_of]

    for step in range(2):
        if mapped is not None:
            dataset = tf.data.Dataset.from_tensors(batch).repeat(3).apply(policy)
            found = next(iter(dataset.skip(step)))["bounding_boxes"]
        else:
            found = policy.at_step(step, batch)["bounding_boxes"]
        which = chosen_of(policy, 6, step)
        key = keys.make_key(5, step, 0)
        for i in range(6):
            index = which[i]
            one = policies[index]
            of_key = random_choice._key_of(key, index)
            draw = one.placed(one.draw_all(6, of_key, 1.0), of_key, [tf.constant(X)])
            expected = boxes_alone(one, draw, given)
            for own, other in zip(rows_of(found, i), rows_of(expected, i), strict=True):
                np.testing.assert_allclose(own, other, atol=1e-5)


def boxes_alone(policy, draw, given):
    """The boxes as one policy has them, by the functions that have tests."""
    read = keras_mixup.boxes.read_boxes(given)
    parts = keras_mixup.mixing.gather_parts([read], draw.partners)
    return keras_mixup.boxes.mix_boxes(*policy.seen_boxes(parts, draw))


def test_details_say_what_a_position_shows():
    policy = keras_mixup.RandomChoice(policies_of("c", "f"), per="example", seed=3)
    found = policy.at_step(1, (X, Y), details=True)
    own, other = (mask.numpy() for mask in found.mask)
    assert own.dtype == bool and (own ^ other).all() and own.shape[0] == 6
    np.testing.assert_allclose(found.shares[0], own.reshape(6, -1).mean(1), atol=1e-7)
    partner = found.partners[0].numpy()
    expected = np.where(own[..., np.newaxis], X, X[partner])
    np.testing.assert_array_equal(found.x, expected)


def test_a_schedule_of_one_policy_moves():
    schedule = keras_mixup.AlphaSchedule(1.0, warm_up=10)
    policy = keras_mixup.RandomChoice(
        [keras_mixup.MixUp(schedule), keras_mixup.CutMix(schedule)], seed=1
    )
    assert policy.has_schedule and not policy.is_identity
    np.testing.assert_array_equal(policy.at_step(0, (X, Y))[0], X)
    assert (policy.at_step(20, (X, Y))[0].numpy() != X).any()
    same = keras_mixup.RandomChoice([keras_mixup.MixUp(0.0), keras_mixup.CutMix(0.0)])
    assert same.is_identity
    np.testing.assert_array_equal(same(X, Y)[0], X)


@pytest.mark.parametrize("alpha", [-1.0, float("nan")])
def test_an_alpha_that_is_wrong_only_when_the_graph_runs(alpha):
    wrong = keras_mixup.MixUp(lambda step: tf.constant(alpha))
    policy = keras_mixup.RandomChoice([keras_mixup.CutMix(1.0), wrong], seed=1)
    with pytest.raises(tf.errors.InvalidArgumentError, match="`alpha`"):
        policy.at_step(0, (X, Y))


def test_the_configuration_makes_the_round_trip():
    policy = keras_mixup.RandomChoice(
        [
            keras_mixup.MixUp(keras_mixup.AlphaSchedule(0.3, 5, warm_up=1)),
            keras_mixup.CutMix(min_max=(0.2, 0.5), axes=(1, 2)),
            keras_mixup.ResizeMix((0.2, 0.4), axes=(1, 2), bounding_box_format="xyxy"),
            keras_mixup.FMix(0.5, decay=2.0, axes=(1, 2)),
        ],
        weights=[0.1, 0.2, 0.3, 0.4],
        per="example",
        seed=3,
    )
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(policy)
    )
    assert repr(again.policies) == repr(policy.policies)
    assert (again.weights, again.per, again.seed) == (policy.weights, "example", 3)
    for one, other in zip(
        again.at_step(4, (X, Y)), policy.at_step(4, (X, Y)), strict=True
    ):
        np.testing.assert_array_equal(one, other)


MixUp, CutMix = keras_mixup.MixUp, keras_mixup.CutMix


@pytest.mark.parametrize(
    ("policies", "weights", "message"),
    [
        ([], None, r"`policies`.*Received: policies=\[\]"),
        ([MixUp(), "CutMix"], None, "`policies`.*'CutMix'"),
        (MixUp(), None, r"`policies`.*Received: policies=MixUp\(alpha=0.2\)"),
        ([keras_mixup.RandomChoice([MixUp()])], None, "none of them a RandomChoice"),
        ([MixUp(), CutMix()], [1], "one probability for each of 2"),
        ([MixUp(), CutMix()], [0.5, 0.6], r"sum to 1.*\[0.5, 0.6\]"),
        ([MixUp(), CutMix()], [1.5, -0.5], r"`weights`.*\[1.5, -0.5\]"),
        ([MixUp(), CutMix(num_classes=3)], None, r"agree in `num_classes`.*\[None, 3"),
        ([MixUp(examples=3), CutMix()], None, r"agree in `examples`.*\[3, 2\]"),
        ([MixUp(dtype="float16"), CutMix()], None, "agree in `dtype`"),
        ([MixUp(), CutMix(passthrough="id")], None, "agree in `passthrough`"),
        ([CutMix(axes=(1,)), CutMix()], None, "agree in `axes`"),
        ([MixUp(quantities="x"), MixUp()], None, "agree in `quantities`"),
        ([MixUp(seed=1), CutMix(seed=1)], None, "without a seed of their own"),
    ],
)
def test_policies_that_do_not_agree(policies, weights, message):
    with pytest.raises(ValueError, match=message):
        keras_mixup.RandomChoice(policies, weights)


@pytest.mark.parametrize("name", ["alpha", "num_classes", "dtype", "quantities"])
def test_it_has_no_settings_of_the_policies(name):
    with pytest.raises(TypeError, match=name):
        keras_mixup.RandomChoice([MixUp()], **{name: None})


def test_a_quantity_is_refused_by_the_policy_that_would_share_it():
    amounts = np.linspace(0, 5, 6)[:, np.newaxis]
    policy = keras_mixup.RandomChoice([MixUp(), CutMix()], seed=1)
    with pytest.raises(tf.errors.InvalidArgumentError, match="`y` is a quantity"):
        policy.at_step(0, (X, amounts))
    allowed = keras_mixup.RandomChoice([MixUp(), CutMix(share_quantities="y")], seed=1)
    assert allowed.at_step(0, (X, amounts))[1].shape == (6, 1)


def kind_of(batch):
    return batch["kind"]


def test_a_function_that_is_not_registered_is_taken_for_each_example():
    def one_third(lam, y_i, y_j):
        del lam, y_j
        return tf.fill(tf.shape(y_i)[:1], 1 / 3)

    own = {"num_classes": 4, "labels_getter": kind_of, "label_rule": one_third}
    policy = keras_mixup.RandomChoice(
        [keras_mixup.MixUp(alpha, **own) for alpha in (0.2, 1.0)], per="example", seed=1
    )
    kinds = np.arange(8) % 4
    mixed = policy({"image": np.ones((8, 2, 2, 1), "float32"), "kind": kinds})
    rows = np.asarray(mixed["kind"])
    assert np.all(np.isclose(rows, 1 / 3) | np.isclose(rows, 2 / 3) | (rows % 1 == 0))
    assert np.isclose(rows[np.arange(8), kinds], 1 / 3).any()


def test_weights_may_be_numbers_of_numpy():
    weights = np.array([0.25, 0.75], "float32")
    policy = keras_mixup.RandomChoice(policies_of("m", "c"), weights, seed=1)
    assert policy == keras_mixup.RandomChoice(
        policies_of("m", "c"), [0.25, 0.75], seed=1
    )
