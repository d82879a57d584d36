"""The laws of all policies that paste regions, as property tests."""

import hypothesis
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import strategies as st

import keras_mixup
from keras_mixup import keys
from tests import oracles, placed

CLASSES = 4
KINDS = {
    "CutMix": keras_mixup.CutMix,
    "CutMix of a range": lambda **settings: keras_mixup.CutMix(
        **{**settings, "alpha": 1.0, "min_max": (0.2, 0.7)}
    ),
    "ResizeMix": lambda **settings: keras_mixup.ResizeMix(
        **{name: value for name, value in settings.items() if name != "alpha"}
    ),
    "FMix": keras_mixup.FMix,
}
SHAPES = [(7,), (6, 1), (5, 3), (4, 6, 2), (3, 4, 2, 2)]
DTYPES = ["float32", "float16", "float64", "uint8", "int32", "int64", "bool"]


@st.composite
def policies(draw):
    """A policy that pastes, of each kind."""
    kind = draw(st.sampled_from(list(KINDS)))
    settings = {
        "alpha": draw(st.sampled_from([0.3, 1.0, 1.0, 4.0])),
        "per": draw(st.sampled_from(["batch", "example"])),
        "examples": draw(st.sampled_from([2, 2, 3, 4])),
        "pairing": draw(st.sampled_from(["permutation", "derangement", "roll"])),
        "probability": draw(st.sampled_from([1.0, 0.5])),
        "seed": draw(st.integers(0, 2**40)),
    }
    return KINDS[kind](num_classes=CLASSES, **settings)


@st.composite
def batches(draw):
    """A batch of rank 2 to 5 of one of many dtypes, with labels and weights.

    It has two examples or more: where one is known to be alone, it is refused.
    """
    size = draw(st.integers(2, 5))
    shape = draw(st.sampled_from(SHAPES))
    dtype = draw(st.sampled_from(DTYPES))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    high = 2 if dtype == "bool" else 256
    x = generator.integers(0, high, size=(size, *shape)).astype(dtype)
    y = generator.integers(0, CLASSES, size=size).astype("int32")
    return x, y, generator.integers(0, 3, size=size).astype("float32")


def mixed_by_loop(policy, x, y, weights, step):
    """The features, rows and weights, by loops over examples and positions."""
    draw = placed.draw_at(policy, x, step)
    size = len(x)
    own, partners = placed.shares(draw, size), placed.partners_of(draw, size)
    rows, total = np.zeros((size, CLASSES)), np.zeros(size)
    for i in range(size):
        for share, partner in zip(own[i], partners, strict=True):
            j = partner[i]
            total[i] += share * weights[j]
            rows[i, y[j]] += share * weights[j]
        if total[i]:
            rows[i] /= total[i]
        else:
            for share, partner in zip(own[i], partners, strict=True):
                rows[i, y[partner[i]]] += share
    return placed.pasted(x, draw), rows, total


@pytest.mark.slow
@hypothesis.given(
    policy=policies(), batch=batches(), step=st.integers(0, 1000), mode=st.data()
)
@hypothesis.settings(max_examples=8)
def test_every_policy_is_the_loop_in_every_mode(policy, batch, step, mode):
    check_loop(policy, batch, step, mode.draw(st.sampled_from(oracles.MODES)))


@hypothesis.given(policy=policies(), batch=batches(), step=st.integers(0, 1000))
@hypothesis.settings(max_examples=12)
def test_every_policy_is_the_loop(policy, batch, step):
    check_loop(policy, batch, step, "eager")


def check_loop(policy, batch, step, mode):
    def mix(x, y, weights):
        return policy.at_step(step, (x, y, weights))

    x, y, weights = oracles.run(mode, mix, *batch)
    expected = mixed_by_loop(policy, *batch, step)
    assert x.dtype == batch[0].dtype and x.shape == batch[0].shape
    np.testing.assert_array_equal(x, expected[0])
    np.testing.assert_allclose(y, expected[1], atol=1e-6)
    np.testing.assert_allclose(weights, expected[2], atol=1e-6)
    np.testing.assert_allclose(y.sum(-1), 1, atol=1e-6)


@pytest.mark.slow
@hypothesis.given(policy=policies(), batch=batches(), step=st.integers(0, 1000))
@hypothesis.settings(max_examples=12)
def test_the_four_modes_are_equal_bit_by_bit(policy, batch, step):
    def mix(x, y, weights):
        return policy.at_step(step, (x, y, weights))

    eager, *others = [oracles.run(mode, mix, *batch) for mode in oracles.MODES]
    for other in others:
        np.testing.assert_array_equal(other[0], eager[0])
        np.testing.assert_allclose(other[1], eager[1], atol=1e-7)
        np.testing.assert_allclose(other[2], eager[2], atol=1e-6)


@hypothesis.given(policy=policies(), batch=batches(), step=st.integers(0, 1000))
@hypothesis.settings(max_examples=25)
def test_shares_are_the_positions_to_the_last_bit(policy, batch, step):
    x, y, weights = batch
    found = policy.at_step(step, (x, y, weights), details=True)
    one = np.finfo("float32").eps
    assert len(found.mask) == len(found.shares) == len(found.partners) + 1
    shape = () if policy.per == "batch" else (len(x),)
    for mask, share in zip(found.mask, found.shares, strict=True):
        assert mask.shape.rank <= max(x.ndim - 1, 2) and share.shape == shape
        means = mask.numpy().reshape(len(mask), -1).mean(1)
        np.testing.assert_allclose(tf.reshape(share, [-1]), means, atol=one)
    np.testing.assert_allclose(sum(found.shares), 1, atol=one)
    assert sum(tf.cast(mask, tf.int32) for mask in found.mask).numpy().min() == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("off", [{"alpha": 0.0}, {"probability": 0.0}])
def test_without_mixing_all_is_as_it_would_be(kind, off):
    """Dtypes and shapes never depend on whether something is mixed."""
    if "alpha" in off and kind in ("ResizeMix", "CutMix of a range"):
        off = {"probability": 0.0}
    settings = {"num_classes": CLASSES, "per": "example", "seed": 1}
    generator = np.random.default_rng(0)
    y, weights = np.arange(4), np.ones(4, "float32")
    dense = generator.integers(0, 4, (4, 6, 5))
    for dtype in (*DTYPES, "bfloat16"):
        x = generator.integers(0, 2, (4, 6, 5, 2))
        x = tf.cast(x, dtype)
        batch = (x, {"y": y, "map": dense}, {"y": weights, "map": weights})
        one = KINDS[kind](**{**settings, **off})
        found, mixed = one(*batch), KINDS[kind](**settings)(*batch)
        tf.nest.map_structure(_alike, found, mixed)
        np.testing.assert_array_equal(found[0], x)
        np.testing.assert_array_equal(found[1]["map"], oracles.one_hot(dense, 4))


def _alike(one, other):
    assert one.dtype == other.dtype and one.shape == other.shape


@pytest.mark.parametrize("kind", KINDS)
def test_static_shapes_survive_a_map(kind):
    for drop, size in ((True, 4), (False, None)):
        dataset = tf.data.Dataset.from_tensor_slices(
            (np.zeros((9, 5, 5, 3), "uint8"), np.zeros(9, "int32"))
        ).batch(4, drop_remainder=drop)
        x, y = dataset.map(KINDS[kind](num_classes=CLASSES)).element_spec
        assert x.shape.as_list() == [size, 5, 5, 3] and x.dtype == tf.uint8
        assert y.shape.as_list() == [size, CLASSES]


@pytest.mark.parametrize("kind", KINDS)
def test_sizes_that_only_the_graph_knows(kind):
    settings = {"per": "example", "jit_compile": kind == "FMix"}
    policy = KINDS[kind](num_classes=CLASSES, seed=3, **settings)
    x = np.random.default_rng(0).random((4, 6, 9, 3)).astype("float32")
    y = np.arange(4)
    spec = [tf.TensorSpec([None, None, None, 3]), tf.TensorSpec([None], tf.int64)]
    mix = tf.function(lambda x, y: policy.at_step(5, (x, y)), input_signature=spec)
    expected = policy.at_step(5, (x, y))
    for found, one in zip(mix(x, y), expected, strict=True):
        np.testing.assert_allclose(found, one, atol=1e-7)


@pytest.mark.parametrize("kind", KINDS)
def test_draws_follow_from_seed_step_and_replica(kind):
    x, y = np.random.default_rng(0).random((3, 8, 8, 1)), np.eye(3)

    def mixed(seed=5, step=2, replica=1):
        policy = KINDS[kind](seed=seed, per="example", pairing="roll")
        return policy.at_step(step, (x, y), replica)[0].numpy()

    np.testing.assert_array_equal(mixed(), mixed())
    for other in ({"seed": 6}, {"step": 3}, {"replica": 0}):
        assert (mixed(**other) != mixed()).any()


@pytest.mark.parametrize("kind", ["CutMix", "FMix"])
def test_keep_larger_gives_the_example_the_larger_share(kind):
    """To the rounding of the sides to whole positions."""
    x, y = np.zeros((64, 64, 64, 1), "float32"), np.zeros((64, 1), "float32")
    policy = KINDS[kind](seed=1, per="example", keep_larger=True)
    own = policy.at_step(0, (x, y), details=True).shares[0].numpy()
    rounding = 2 / 64 if kind == "CutMix" else 0
    assert own.min() >= 0.5 - rounding and own.max() > 0.8
    other = KINDS[kind](seed=1, per="example")
    assert other.at_step(0, (x, y), details=True).shares[0].numpy().min() < 0.4


@pytest.mark.parametrize(
    ("kind", "mode"), [*((kind, "eager") for kind in KINDS), ("CutMix", "xla")]
)
def test_what_is_not_shown_leaves_no_trace(kind, mode):
    """Neither infinities nor NaN, of features and of labels that have no share."""
    policy = KINDS[kind](seed=2, per="example", pairing="roll", probability=0.5)
    x = np.random.default_rng(0).random((12, 6, 5, 2)).astype("float32")
    y = np.eye(12, dtype="float32")
    draw = placed.draw_at(policy, x)
    # Each entry that nobody shows is made NaN.
    numbers = np.arange(x[..., 0].size).reshape(x.shape[:3])
    shown = np.unique(placed.pasted(numbers, draw))
    hidden = ~np.isin(numbers, shown)
    own, partner = placed.shares(draw, 12), placed.partners_of(draw, 12)[1]
    visible = {i for i in range(12) if own[i, 0]}
    visible |= {partner[i] for i in range(12) if own[i, 1]}
    assert hidden.any()
    broken = np.where(hidden[..., np.newaxis], [np.nan, np.inf], x).astype("float32")
    weights = np.ones(12, "float32")
    mix = lambda *batch: policy.at_step(0, batch)  # noqa: E731
    found = oracles.run(mode, mix, broken, y, weights)
    expected = oracles.run(mode, mix, x, y, weights)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    assert np.isfinite(found[0]).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64"])
def test_features_of_another_dtype(kind, dtype):
    policy = KINDS[kind](num_classes=CLASSES, seed=3, dtype=dtype)
    x = np.random.default_rng(0).integers(0, 255, (4, 6, 6, 3))
    for given in ("float32", "uint8"):
        found, rows = policy.at_step(1, (x.astype(given), np.arange(4)))
        assert found.dtype == dtype and rows.dtype == tf.float32
        expected = placed.pasted(x, placed.draw_at(policy, x, 1))
        np.testing.assert_array_equal(tf.cast(found, tf.int32), expected)
    ids, _ = policy.at_step(1, (x.astype("int64"), np.arange(4)))
    assert ids.dtype == tf.int64


@pytest.mark.parametrize("kind", KINDS)
def test_several_features_are_cut_alike_at_the_coarsest_grid(kind):
    generator = np.random.default_rng(1)
    policy = KINDS[kind](seed=4, per="example", passthrough="id", pairing="roll")
    fine, coarse = generator.random((5, 12, 8, 3)), generator.random((5, 6, 4, 1))
    x = {"fine": fine, "coarse": coarse, "id": np.arange(5)}
    found, _ = policy.at_step(2, (x, np.eye(5)))
    draw = placed.draw_at(policy, [coarse, fine], 2)
    assert [int(size) for size in draw.grid.sizes] == [6, 4]
    np.testing.assert_array_equal(found["fine"], placed.pasted(fine, draw))
    np.testing.assert_array_equal(found["coarse"], placed.pasted(coarse, draw))
    np.testing.assert_array_equal(found["id"], np.arange(5))


@pytest.mark.parametrize(("axes", "shape"), [((1, 2), (6, 5)), ((2, 3), (3, 6, 5, 2))])
@pytest.mark.parametrize("kind", KINDS)
def test_axes_that_are_named(kind, axes, shape):
    """Images without channels, and videos whose time is not cut."""
    policy = KINDS[kind](seed=4, axes=axes, per="example", pairing="roll")
    x = np.random.default_rng(1).random((4, *shape))
    found, rows = policy.at_step(2, (x, np.eye(4)))
    draw = placed.draw_at(policy, x, 2)
    assert draw.grid.axes == axes
    np.testing.assert_array_equal(found, placed.pasted(x, draw))
    np.testing.assert_allclose(rows, placed.mixed_rows(np.eye(4), draw), atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_the_closer_target_is_that_of_the_larger_share(kind):
    policy = KINDS[kind](seed=4, per="example", targets="closer", pairing="roll")
    x = np.random.default_rng(1).random((30, 6, 5, 1))
    _, found = policy.at_step(2, (x, np.arange(30)))
    draw = placed.draw_at(policy, x, 2)
    own, partners = placed.shares(draw, 30), placed.partners_of(draw, 30)
    clear = np.abs(own[:, 0] - 0.5) > 1e-6
    expected = np.where(own[:, 0] > 0.5, np.arange(30), partners[1])
    np.testing.assert_array_equal(np.asarray(found)[clear], expected[clear])


@pytest.mark.parametrize("kind", KINDS)
def test_between_two_batches(kind):
    policy = KINDS[kind](seed=4, per="example")
    generator = np.random.default_rng(1)
    x, other = generator.random((2, 4, 6, 5, 1))
    y, of_other = np.eye(8)[:4], np.eye(8)[4:]
    found, rows = policy.between((x, y), (other, of_other), step=3)
    features = [tf.constant(x)]
    key = keys.make_key(4, 3, 0)
    draw = policy.draw(4, key, policy.alpha_at(3), with_partners=False)
    draw = policy.placed(draw, key, features)
    draw = draw._replace(partners=[tf.range(4, 8)])
    both, of_both = np.concatenate([x, other]), np.concatenate([y, of_other])
    for i in range(4):
        own = placed.shares(draw, 4)[i]
        np.testing.assert_allclose(
            rows[i], own[0] * of_both[i] + own[1] * of_both[i + 4], atol=1e-6
        )
        for position in np.ndindex(6, 5):
            k, source = placed.shown_at(draw, i, position, x.shape)
            np.testing.assert_array_equal(found[i][position], both[i + 4 * k][source])
