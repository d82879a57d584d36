"""The laws of MixUp as property tests, in all four modes."""

import hypothesis
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import strategies as st

import keras_mixup
from keras_mixup import keys, targets
from tests import oracles

CLASSES = 4


@st.composite
def policies(draw):
    """Settings of a MixUp, as a dict."""
    return {
        "alpha": draw(st.sampled_from([0.0, 1e-6, 0.05, 0.4, 1.0, 8.0])),
        "per": draw(st.sampled_from(["batch", "example"])),
        "pairing": draw(
            st.sampled_from(["permutation", "derangement", "roll", "same_class"])
        ),
        "examples": draw(st.sampled_from([2, 2, 3])),
        "targets": draw(st.sampled_from(["mix", "mix", "closer"])),
        "label_smoothing": draw(st.sampled_from([0.0, 0.1])),
        "probability": draw(st.sampled_from([1.0, 0.5, 0.0])),
        "seed": draw(st.integers(0, 2**40)),
    }


@st.composite
def batches(draw):
    """A batch of any rank, dtype and size, with integer labels and weights."""
    size = draw(st.integers(1, 9))
    shape = draw(st.sampled_from([(), (3,), (5, 2), (4, 4, 3), (2, 3, 3, 1)]))
    dtype = draw(st.sampled_from(["float32", "float16", "float64", "uint8"]))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    x = generator.integers(0, 256, size=(size, *shape)).astype(dtype)
    y = generator.integers(0, CLASSES, size=size).astype("int32")
    weights = generator.integers(0, 3, size=size).astype("float32")
    return x, y, weights


def coefficients(policy, size, y, step):
    """The draw of a policy as K weights of shape (size,) and K - 1 partners."""
    key = keys.make_key(policy.seed, step, 0)
    given = policy.goes_by([tf.constant(y)], [()])
    draw = policy.draw(size, key, policy.alpha_at(step), given)
    weights = [np.broadcast_to(c.numpy(), size).astype("float64") for c in draw[0]]
    partners = [np.arange(size), *[partner.numpy() for partner in draw[1]]]
    return weights, partners


def mixed_by_loop(policy, x, y, weights, step):
    """The mixed batch, by loops over examples."""
    size = len(x)
    lam, partners = coefficients(policy, size, y, step)
    rows = oracles.one_hot(y, CLASSES)
    rows = rows * (1 - policy.label_smoothing) + policy.label_smoothing / CLASSES
    mixed_x = np.zeros(x.shape)
    mixed_y, mixed_w = np.zeros(rows.shape), np.zeros(size)
    for i in range(size):
        own = [weight[i] for weight in lam]
        shares = own
        if policy.targets == "closer":
            heaviest = max(range(len(own)), key=lambda k: own[k])
            shares = [float(k == heaviest) for k in range(len(own))]
        for k, share in enumerate(shares):
            j = partners[k][i]
            mixed_x[i] += own[k] * x[j].astype("float64")
            mixed_w[i] += share * weights[j]
            mixed_y[i] += share * weights[j] * rows[j]
        if mixed_w[i] > 0:
            mixed_y[i] /= mixed_w[i]
        else:
            mixed_y[i] = sum(s * rows[partners[k][i]] for k, s in enumerate(shares))
    return mixed_x, mixed_y, mixed_w


@hypothesis.given(
    settings=policies(), batch=batches(), step=st.integers(0, 1000), mode=st.data()
)
def test_every_policy_is_the_loop_in_every_mode(settings, batch, step, mode):
    # A dataset of batches of one is refused.
    modes = [one for one in oracles.MODES if one != "map" or len(batch[0]) > 1]
    mode = mode.draw(st.sampled_from(modes))
    policy = keras_mixup.MixUp(num_classes=CLASSES, **settings)

    def mix(x, y, weights):
        return policy.at_step(step, (x, y, weights))

    x, y, weights = oracles.run(mode, mix, *batch)
    expected = mixed_by_loop(policy, *batch, step)
    dtype = np.float32 if batch[0].dtype == np.uint8 else batch[0].dtype
    assert x.dtype == dtype and y.dtype == np.float32 and weights.dtype == np.float32
    scale = 0.2 if dtype == np.float16 else 1e-4
    np.testing.assert_allclose(x.astype("float64"), expected[0], atol=scale)
    np.testing.assert_allclose(y, expected[1], atol=1e-5)
    np.testing.assert_allclose(weights, expected[2], atol=1e-5)
    np.testing.assert_allclose(y.sum(-1), 1, atol=1e-5)


@hypothesis.given(batch=batches(), smoothing=st.sampled_from([0.0, 0.2]))
@pytest.mark.parametrize("off", [{"alpha": 0.0}, {"probability": 0.0}])
def test_without_mixing_the_batch_comes_back_cast(off, batch, smoothing):
    policy = keras_mixup.MixUp(
        num_classes=CLASSES, label_smoothing=smoothing, per="example", **off
    )
    x, y, weights = policy(*batch)
    mixing = keras_mixup.MixUp(num_classes=CLASSES, label_smoothing=smoothing)(*batch)
    assert [t.dtype for t in (x, y, weights)] == [t.dtype for t in mixing]
    np.testing.assert_array_equal(x, batch[0])
    expected = (
        oracles.one_hot(batch[1], CLASSES) * (1 - smoothing) + smoothing / CLASSES
    )
    np.testing.assert_allclose(y, expected, atol=1e-7)
    np.testing.assert_array_equal(weights, batch[2])


def test_without_mixing_infinities_stay_where_they_are():
    x = np.array([[np.inf], [np.nan], [1.0]], "float32")
    mixed, _ = keras_mixup.MixUp(0.0, num_classes=3)(x, np.arange(3))
    np.testing.assert_array_equal(mixed, x)


@pytest.mark.parametrize("jit_compile", [True, False])
@pytest.mark.parametrize("parallel", [None, 1, 8])
@pytest.mark.slow
def test_a_parallel_map_equals_the_serial_loop(jit_compile, parallel):
    x = np.random.default_rng(0).normal(size=(53, 6)).astype("float32")
    y = np.arange(53) % CLASSES
    policy = keras_mixup.MixUp(
        0.4, per="example", num_classes=CLASSES, seed=3, jit_compile=jit_compile
    )
    dataset = (
        tf.data.Dataset.from_tensor_slices((x, y))
        .batch(8)
        .apply(keras_mixup.count_steps)
    )
    mixed = list(dataset.map(policy.at_step, num_parallel_calls=parallel))
    assert [len(a) for a, _ in mixed] == [8] * 6 + [5]
    for step, (a, b) in enumerate(mixed):
        rows = slice(8 * step, 8 * step + 8)
        serial_a, serial_b = policy.at_step(step, (x[rows], y[rows]))
        np.testing.assert_allclose(a, serial_a, atol=1e-6)
        np.testing.assert_allclose(b, serial_b, atol=1e-6)


def test_a_resumed_pipeline_goes_on_with_the_same_draws():
    def pipeline(skipped):
        x = np.arange(64, dtype="float32")[:, None]
        dataset = tf.data.Dataset.from_tensor_slices((x, x))
        dataset = (
            dataset.shuffle(64, seed=1)
            .repeat(2)
            .batch(8)
            .apply(keras_mixup.count_steps)
        )
        policy = keras_mixup.MixUp(1.0, seed=9, jit_compile=False)
        return [a.numpy() for a, _ in dataset.skip(skipped).map(policy.at_step)]

    np.testing.assert_array_equal(pipeline(5), pipeline(0)[5:])


def test_static_shapes_survive_a_map():
    for drop, size in ((True, 4), (False, None)):
        dataset = tf.data.Dataset.from_tensor_slices(
            (np.zeros((9, 5, 5, 3), "uint8"), np.zeros(9, "int32"))
        ).batch(4, drop_remainder=drop)
        x, y = dataset.map(keras_mixup.MixUp(num_classes=CLASSES)).element_spec
        assert x.shape.as_list() == [size, 5, 5, 3] and x.dtype == tf.float32
        assert y.shape.as_list() == [size, CLASSES]


def test_a_map_is_traced_once_over_epochs_and_partial_batches():
    traces = []

    class Counting(keras_mixup.MixUp):
        def _compute(self, *args, **kwargs):
            traces.append(1)
            return super()._compute(*args, **kwargs)

    dataset = tf.data.Dataset.from_tensor_slices((np.zeros((10, 3)), np.zeros(10, int)))
    dataset = dataset.repeat(3).batch(4).map(Counting(num_classes=2))
    for _ in range(3):
        assert len(list(dataset)) == 8
    assert len(traces) == 1


def test_a_mixed_dataset_can_be_saved_and_loaded(tmp_path):
    x = np.arange(8, dtype="float32")[:, None]
    dataset = tf.data.Dataset.from_tensor_slices((x, x)).batch(4)
    policy = keras_mixup.MixUp(seed=2, jit_compile=False)
    dataset.apply(policy).save(str(tmp_path))
    loaded = tf.data.Dataset.load(str(tmp_path))
    again = dataset.apply(policy)
    for (a, _), (b, _) in zip(again, loaded, strict=True):
        np.testing.assert_array_equal(a, b)


SCHEDULE = keras_mixup.AlphaSchedule(1.0, warm_up=10)


@pytest.mark.parametrize(
    ("mode", "settings"),
    [
        ("eager", {"per": "example", "probability": 0.3}),
        ("xla", {"per": "example", "probability": 0.3}),
        ("eager", {"per": "example", "alpha": 1e-4, "examples": 3}),
        ("graph", {"per": "example", "alpha": 1e-4, "examples": 3}),
        ("eager", {"alpha": SCHEDULE}),
        ("map", {"alpha": SCHEDULE}),
    ],
)
def test_an_example_of_weight_one_has_nothing_of_its_partner(mode, settings):
    """Neither its infinities and NaN, nor those of its label and of its weight."""
    x = np.zeros((12, 2), "float32")
    y, weights = np.eye(12, dtype="float32"), np.ones(12, "float32")
    x[5], y[5], weights[5], x[8] = np.inf, np.nan, np.nan, np.nan
    policy = keras_mixup.MixUp(
        **{"alpha": 1.0, "pairing": "roll", "seed": 3, **settings}
    )
    key = keys.make_key(3, 0, 0)
    own = policy.draw(12, key, policy.alpha_at(0)).coefficients[0]
    kept = (np.broadcast_to(own, 12) == 1) & ~np.isin(np.arange(12), (5, 8))
    assert kept.any()

    def mix(x, y, weights):
        return policy.at_step(0, (x, y)), policy.at_step(0, (x, y[:, 0], weights))

    weights = np.nan_to_num(weights)  # The pipeline refuses NaN.
    plain, weighted = oracles.run(mode, mix, x, y, weights)
    np.testing.assert_array_equal(plain[0][kept], 0)
    np.testing.assert_array_equal(plain[1][kept], np.eye(12)[kept])
    assert np.isfinite(weighted[1][kept]).all()
    np.testing.assert_array_equal(weighted[2][kept], 1)


def test_a_partner_of_weight_zero_leaves_nothing_of_its_sample_weight():
    own, other = tf.constant([1.0, 0.0]), tf.constant([0.0, 1.0])
    weights = [tf.constant([2.0, np.inf]), tf.constant([np.nan, 3.0])]
    total, shares = targets.weigh([own, other], weights)
    np.testing.assert_array_equal(total, [2, 3])
    np.testing.assert_array_equal(shares, [[1, 0], [0, 1]])
