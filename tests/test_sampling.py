"""The laws of lam and of partners, and that they are the same everywhere."""

import fractions
import itertools

import hypothesis
import keras
import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf
from hypothesis import strategies as st

import keras_mixup
from keras_mixup import keys, sampling
from tests import oracles

COUNT = 100_000


def uniforms(seed, count):
    """The numbers whose quantiles the weights are: they have one stick each."""
    key = keys.make_key(seed)
    return keys.uniform(key, keys.Stream.WEIGHTS, [count, 1]).numpy()[:, 0]


@pytest.mark.parametrize("alpha", [1.0, 8.0, 32.0])
def test_lambda_follows_the_beta_law(alpha):
    lam = keras_mixup.sample_lambda(alpha, COUNT, seed=1).numpy()
    assert scipy.stats.kstest(lam, scipy.stats.beta(alpha, alpha).cdf).pvalue > 1e-3


@pytest.mark.parametrize("alpha", [1e-6, 0.01, 0.1, 0.2])
def test_small_alpha_puts_the_right_mass_near_0_and_1(alpha):
    # float32 holds no numbers close enough to 1 for a Kolmogorov-Smirnov test.
    lam = keras_mixup.sample_lambda(alpha, COUNT, seed=2).numpy().astype(np.float64)
    # 1 - 1e-6 itself is no float32: count what would have been rounded over it.
    low = (lam < 1e-6).sum()
    left = ((lam >= 1e-6) & (lam < 0.5)).sum()
    high = (lam > 1 - 1e-6).sum()
    right = COUNT - low - left - high
    cdf = scipy.stats.beta(alpha, alpha).cdf
    edge = cdf(1e-6)
    for count, mass in [
        (low, edge),
        (left, 0.5 - edge),
        (right, 0.5 - edge),
        (high, edge),
    ]:
        assert scipy.stats.binomtest(int(count), COUNT, mass).pvalue > 1e-4
    assert np.mean(lam == 0.5) < 1e-4


@pytest.mark.parametrize(
    "alpha", [1e-6, 1e-3, 0.01, 0.05, 0.1, 0.2, 0.4, 1, 8, 32, 1e4]
)
def test_lambda_is_the_quantile_that_scipy_gives(alpha):
    lam = keras_mixup.sample_lambda(alpha, 20_000, seed=3).numpy()
    exact = np.float64(np.float32(alpha))
    expected = scipy.stats.beta(exact, exact).ppf(uniforms(3, 20_000))
    np.testing.assert_allclose(lam, expected, atol=1e-7)


@pytest.mark.parametrize("alpha", [1e-6, 0.01, 0.1, 0.2, 0.4, 1.0, 2.0, 8.0, 32.0])
def test_mean_and_variance_of_lambda(alpha):
    lam = keras_mixup.sample_lambda(alpha, COUNT, seed=4).numpy().astype(np.float64)
    variance = 1 / (4 * (2 * alpha + 1))
    assert abs(lam.mean() - 0.5) < 5 * np.sqrt(variance / COUNT)
    kurtosis = scipy.stats.beta(alpha, alpha).stats("k") + 3
    error = variance * np.sqrt((kurtosis - 1) / COUNT)
    # About the known mean: its own would add a bias of that order at tiny alpha.
    assert abs(np.mean((lam - 0.5) ** 2) - variance) < 5 * error + 1e-9


def test_alpha_zero_is_erm_exactly():
    assert (keras_mixup.sample_lambda(0.0, COUNT).numpy() == 1).all()
    assert keras_mixup.sample_lambda(0.0, tf.constant(COUNT)).shape == (COUNT,)
    weights = keras_mixup.sample_weights(0, (5,), examples=4).numpy()
    np.testing.assert_array_equal(weights, np.tile([1, 0, 0, 0], (5, 1)))


@pytest.mark.parametrize("alpha", [0.01, 0.3, 1.0, 5.0])
@pytest.mark.parametrize("examples", [3, 5])
def test_several_weights_follow_the_dirichlet_law(alpha, examples):
    w = keras_mixup.sample_weights(alpha, 50_000, examples, seed=5).numpy()
    np.testing.assert_allclose(w.sum(-1), 1, atol=1e-6)
    assert (w >= 0).all()
    law = scipy.stats.dirichlet([alpha] * examples)
    errors = np.sqrt(law.var() / len(w))
    assert (np.abs(w.mean(0) - law.mean()) < 5 * errors).all()
    marginal = scipy.stats.beta(alpha, alpha * (examples - 1))
    for k in range(examples):
        below = int((w[:, k] < 0.5).sum())
        assert scipy.stats.binomtest(below, len(w), marginal.cdf(0.5)).pvalue > 1e-4
    if alpha >= 1:
        covariance = -(alpha**2) / ((examples * alpha) ** 2 * (examples * alpha + 1))
        assert np.cov(w[:, 0], w[:, -1])[0, 1] == pytest.approx(covariance, rel=0.1)


def weights_at(form, mode, examples):
    """A function from alpha, a number or what only a graph knows, to weights."""

    # The iteration is slow.
    count = 20_000 if form == "number" else 3000

    def draw(alpha):
        return keras_mixup.sample_weights(alpha, count, examples, seed=3)

    if form == "number":
        return lambda alpha: oracles.run(mode, lambda: draw(alpha))
    compiled = tf.function(draw, jit_compile=mode == "xla")
    return lambda alpha: compiled(tf.constant(alpha, form)).numpy()


AT_THE_ENDS = [
    *(("number", mode, 3) for mode in ("eager", "graph", "xla")),
    *(("number", "eager", examples) for examples in (2, 8)),
    ("float64", "graph", 8),
    ("float32", "graph", 2),
    pytest.param("float64", "xla", 3, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("form", "mode", "examples"), AT_THE_ENDS)
def test_as_alpha_rises_all_weights_become_equal(form, mode, examples):
    draw = weights_at(form, mode, examples)
    ends = (1e38,) if form == "float32" else (1e300, np.finfo("float64").max)
    for alpha in (1e12, 1e14, 1e16, 1e30, *ends):
        w = draw(alpha).astype("float64")
        # Each is Beta(alpha, (K - 1) alpha); then float32 rounds.
        mean = 1 / examples
        deviation = np.sqrt(mean * (1 - mean) / examples) / np.sqrt(alpha)
        assert np.abs(w - mean).max() < 6 * deviation + 4e-8
        if alpha == 1e12:
            assert w.std(axis=0) == pytest.approx(deviation, rel=0.06)


@pytest.mark.parametrize(("form", "mode", "examples"), AT_THE_ENDS)
def test_as_alpha_falls_one_example_has_all_the_weight(form, mode, examples):
    draw = weights_at(form, mode, examples)
    ends = (1e-44,) if form == "float32" else (1e-300, np.nextafter(0, 1))
    for alpha in (1e-6, 1e-7, 1e-12, 1e-30, *ends):
        w = draw(alpha)
        # At 1e-6 the probability of anything else is about 1e-4 for eight examples.
        hot = w.max(axis=-1) == 1
        assert (~hot).sum() <= (20 if alpha == 1e-6 else 4 if alpha == 1e-7 else 0)
        np.testing.assert_array_equal(w[hot].sum(axis=-1), 1)
        counts = np.bincount(w[hot].argmax(axis=-1), minlength=examples)
        assert scipy.stats.chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize(
    "make",
    [
        np.float32,
        np.float64,
        np.array,
        fractions.Fraction,
        tf.constant,
        tf.Variable,
        keras.Variable,
        lambda alpha: tf.constant(alpha, tf.float64),
    ],
)
def test_forms_of_alpha(make):
    expected = keras_mixup.sample_weights(0.5, 50, 3, seed=1)
    alpha = make(0.5)
    found = keras_mixup.sample_weights(alpha, 50, 3, seed=1)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    found = tf.function(lambda: keras_mixup.sample_weights(alpha, 50, 3, seed=1))()
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(
    "alpha",
    [
        True,
        np.bool_(True),
        tf.constant(True),
        np.array("1"),
        np.array([0.2]),
        1j,
        10**400,
        tf.Variable(-1.0),
        tf.Variable([0.2]),
        keras.Variable(-1.0),
        keras.Variable(float("nan")),
    ],
)
def test_what_is_no_alpha_is_told(alpha):
    with pytest.raises(ValueError, match=r"`alpha`. Expected a finite float >= 0"):
        keras_mixup.sample_lambda(alpha, ())


def test_many_examples():
    w = keras_mixup.sample_weights(0.2, 2000, 40, seed=1).numpy()
    np.testing.assert_allclose(w.sum(-1), 1, atol=1e-5)
    assert np.abs(w.mean(0) - 1 / 40).max() < 5 * np.sqrt(39 / 40**2 / 9 / 2000)


def test_two_weights_are_lambda_and_its_rest():
    lam = keras_mixup.sample_lambda(0.4, 50, seed=6, step=3).numpy()
    weights = keras_mixup.sample_weights(0.4, 50, 2, seed=6, step=3).numpy()
    np.testing.assert_array_equal(weights[:, 0], lam)
    np.testing.assert_allclose(weights[:, 1], 1 - lam, atol=1e-7)


@hypothesis.given(
    seed=st.integers(0, 2**63),
    step=st.integers(0, 2**31 - 1),
    replica=st.integers(0, 63),
    alpha=st.sampled_from([1e-3, 0.05, 0.2, 1.0, 8.0]),
    size=st.integers(1, 40),
)
def test_draws_are_the_same_in_every_mode(seed, step, replica, alpha, size):
    def draw(step, replica):
        # Nothing begins anew here: the step is said to go on.
        step = keras_mixup.Step(tf.convert_to_tensor(step))
        lam = keras_mixup.sample_lambda(alpha, (size,), seed, step, replica)
        partner = keras_mixup.sample_partner(size, seed, step, replica)
        return lam, partner

    draws = [
        oracles.run(mode, draw, np.int64(step), np.int32(replica))
        for mode in oracles.MODES
    ]
    for lam, partner in draws[1:]:
        np.testing.assert_array_equal(partner, draws[0][1])
        np.testing.assert_allclose(lam, draws[0][0], atol=1e-7)


def test_the_defaults_are_the_first_step_of_the_first_replica():
    first = {"seed": 1, "step": 0, "replica": 0}
    for draw, arguments in (
        (keras_mixup.sample_lambda, (1.0, 5)),
        (keras_mixup.sample_weights, (1.0, 5)),
        (keras_mixup.sample_partner, (5,)),
    ):
        expected = draw(*arguments, **first)
        np.testing.assert_array_equal(draw(*arguments, seed=1), expected)
    assert keras_mixup.sample_weights(1.0, 5).shape == (5, 3)


def test_seed_step_and_replica_each_change_the_draw():
    base = {"seed": 1, "step": 2, "replica": 3}
    draws = [keras_mixup.sample_lambda(1.0, 20, **base)]
    for change in ({"seed": 2}, {"seed": 1 + 2**32}, {"step": 3}, {"replica": 4}):
        draws.append(keras_mixup.sample_lambda(1.0, 20, **{**base, **change}))
    assert len({tuple(draw.numpy()) for draw in draws}) == len(draws)
    again = keras_mixup.sample_lambda(1.0, 20, **base)
    np.testing.assert_array_equal(again, draws[0])


def test_step_and_replica_are_not_interchangeable():
    one = keras_mixup.sample_lambda(1.0, 20, seed=1, step=2, replica=3)
    other = keras_mixup.sample_lambda(1.0, 20, seed=1, step=3, replica=2)
    assert (one.numpy() != other.numpy()).all()


def test_without_a_seed_every_call_draws_anew_whatever_the_global_seed():
    draws = [keras_mixup.sample_lambda(1.0, 20).numpy()]
    for _ in range(2):
        keras.utils.set_random_seed(7)
        draws.append(keras_mixup.sample_lambda(1.0, 20).numpy())
    assert all((a != b).all() for a, b in itertools.combinations(draws, 2))


def test_shapes_may_be_integers_tuples_or_tensors():
    for shape in (6, (6,), tf.constant([6]), (tf.constant(6),)):
        drawn = keras_mixup.sample_lambda(1.0, shape, seed=1).numpy()
        expected = keras_mixup.sample_lambda(1.0, (6,), seed=1).numpy()
        np.testing.assert_array_equal(drawn, expected)
    for shape in (np.int64(6), np.array([6]), tf.TensorShape([6]), tf.constant(6)):
        drawn = keras_mixup.sample_lambda(1.0, shape, seed=1).numpy()
        np.testing.assert_array_equal(drawn, expected)
    for empty in (0, (0,), (3, 0), tf.constant([0])):
        assert keras_mixup.sample_lambda(0.2, empty, seed=1).numpy().size == 0
    assert keras_mixup.sample_weights(1.0, (2, 3), 4).shape == (2, 3, 4)
    assert keras_mixup.sample_lambda(1.0, ()).shape == ()


def test_shapes_that_only_the_graph_knows():
    draw = tf.function(lambda shape: keras_mixup.sample_lambda(1.0, shape, seed=1))
    for shape in (6, [6], [2, 3]):
        expected = keras_mixup.sample_lambda(1.0, shape, seed=1)
        np.testing.assert_array_equal(draw(tf.constant(shape)), expected)
    with pytest.raises(ValueError, match=r"`shape`. Expected integers >= 0"):
        draw(tf.constant([2.0]))


@pytest.mark.parametrize("shape", [-1, (2, -1), 2.0, (None,), tf.constant([2.0])])
def test_a_wrong_shape_raises(shape):
    with pytest.raises(ValueError, match=r"`shape`. Expected integers >= 0"):
        keras_mixup.sample_lambda(0.2, shape)


def test_alpha_can_be_a_tensor_that_moves_without_retracing():
    traces = []

    @tf.function
    def draw(alpha):
        traces.append(1)
        return keras_mixup.sample_lambda(alpha, 4, seed=1)

    for alpha in (0.0, 0.2, 1.0):
        expected = keras_mixup.sample_lambda(alpha, 4, seed=1)
        np.testing.assert_allclose(draw(tf.constant(alpha)), expected, atol=1e-7)
    assert len(traces) == 1


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "int32"])
def test_dtypes_of_an_alpha_that_only_the_graph_knows(dtype):
    draw = tf.function(lambda alpha: keras_mixup.sample_lambda(alpha, 40, seed=1))
    expected = keras_mixup.sample_lambda(1.0, 40, seed=1)
    np.testing.assert_allclose(draw(tf.constant(1, dtype)), expected, atol=1e-6)
    assert np.all(draw(tf.constant(0, dtype)) == 1)
    if dtype != "int32":
        least = tf.bitcast(
            tf.constant(1, {2: "int16", 4: "int32"}[tf.as_dtype(dtype).size]), dtype
        )
        assert set(draw(least).numpy()) == {0, 1}


@pytest.mark.parametrize("alpha", [-1.0, -0.5, float("nan"), float("inf")])
def test_what_is_no_alpha_gives_nan_where_only_the_graph_knows_it(alpha):
    draw = tf.function(lambda alpha: keras_mixup.sample_lambda(alpha, 4, seed=1))
    assert np.isnan(draw(tf.constant(alpha))).all()


@pytest.mark.parametrize("alpha", [-1.0, float("nan"), float("inf"), "1", None, [1.0]])
def test_a_wrong_alpha_raises(alpha):
    with pytest.raises(ValueError, match=r"`alpha`. Expected a finite float >= 0"):
        keras_mixup.sample_lambda(alpha, ())
    with pytest.raises(ValueError, match="Received: alpha="):
        keras_mixup.MixUp(alpha=alpha)


def test_a_wrong_alpha_tensor_raises():
    with pytest.raises(ValueError, match="finite float >= 0"):
        keras_mixup.sample_lambda(tf.constant(-2.0), ())


@pytest.mark.parametrize("examples", [1, 0, 2.5])
def test_a_wrong_number_of_examples_raises(examples):
    with pytest.raises(ValueError, match=r"`examples`. Expected an integer >= 2"):
        keras_mixup.sample_weights(1.0, (), examples)


def test_apply_has_the_stated_probability():
    applied = sampling.apply_of(keys.make_key(1), 0.3, [COUNT]).numpy()
    assert scipy.stats.binomtest(int(applied.sum()), COUNT, 0.3).pvalue > 1e-3


def test_choice_is_uniform():
    @tf.function
    def choose(step):
        return sampling.choice_of(keys.make_key(1, step), 3)

    chosen = [int(choose(tf.constant(step))) for step in range(900)]
    assert scipy.stats.chisquare(np.bincount(chosen, minlength=3)).pvalue > 1e-3
