"""The tabled quantiles of the Beta law against scipy, at every alpha and mode."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from scipy import special, stats

import keras_mixup
from keras_mixup import quantiles

# The midpoints that are drawn: the first and the last, those at the median, and others.
PARTS = [0, 1, 2, 2**23 - 1, 2**23, 2**24 - 2, 2**24 - 1, *range(777, 2**24, 9973)]
U = (np.array(PARTS) + 0.5) / 2**24
# a and b of two parameters that differ by more, or in the other direction.
UNEQUAL = [(0.2, 1), (1, 0.2), (200, 5), (1e-9, 1), (1, 1e-9), (1e7, 1), (1e6, 1e-6)]
UNEQUAL += [(1, 1e5), (1e-6, 1e6), (2e5, 1e3)]
# a and b / a. At 1e-8 and 1e5 the formulas of the ends take over. SciPy ends at 1e8.
PARAMETERS = [
    *((a, 1) for a in (1e-6, 1e-3, 0.01, 0.1, 0.2, 0.4, 1, 2, 8, 32, 1e3)),
    *((0.2, 2), (1, 2), (8, 2), (1e-3, 10), (1e-3, 5000), (5, 200)),
    *itertools.product((1.01e-8, 1e-7, 1e-5, 1e-4, 0.99e5), (1, 2, 7)),
    *itertools.product((1e-300, 1e-12, 0.99e-8, 1.01e5, 1e6, 1e8), (1, 2, 7)),
]


@pytest.mark.parametrize(("a", "ratio"), PARAMETERS)
def test_quantiles_are_scipys(a, ratio):
    found = quantiles.beta_quantile(tf.constant(U), a, ratio).numpy()
    expected = special.betaincinv(a, ratio * a, U)
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-8)
    order = np.argsort(U)
    assert np.diff(found[order]).min() >= -1e-12
    assert ((found >= 0) & (found <= 1)).all()


@pytest.mark.parametrize(("a", "b"), UNEQUAL)
def test_quantiles_of_unequal_parameters_are_scipys(a, b):
    found = quantiles.beta_quantile(tf.constant(U), a, b / a).numpy()
    np.testing.assert_allclose(found, special.betaincinv(a, b, U), rtol=0, atol=2e-8)
    assert np.diff(found[np.argsort(U)]).min() >= -1e-12


@pytest.mark.parametrize("ratio", [1, 2, 7])
@pytest.mark.parametrize("a", [0.99e-8, 1.01e-8, 1e-7, 1e-6, 1e-5, 1e-3])
def test_a_law_near_its_end_is_right_inside_of_its_jump(a, ratio):
    # Hardly any of the 2**24 midpoints lies there: U has none.
    u = special.betainc(a, ratio * a, special.expit(np.linspace(-17, 17, 41)))
    found = quantiles.beta_quantile(tf.constant(u), a, ratio).numpy()
    assert ((found > 0) & (found < 1)).all()
    np.testing.assert_allclose(special.betainc(a, ratio * a, found), u, atol=2e-13)


@pytest.mark.parametrize(
    ("a", "ratio", "error"), [(1.01e5, 1, 3e-9), (1.01e5, 7, 3e-7), (1e6, 7, 1e-8)]
)
def test_the_normal_law_is_corrected_for_skewness_and_kurtosis(a, ratio, error):
    """To the error, in standard deviations; without kurtosis it is 2e-5 and more."""
    found = quantiles.beta_quantile(tf.constant(U), a, ratio).numpy()
    difference = np.abs(found - special.betaincinv(a, ratio * a, U))
    assert difference.max() <= error * stats.beta(a, ratio * a).std()


@pytest.mark.parametrize("ratio", [1, 2, 7])
def test_the_iteration_gives_the_same(ratio):
    def draw(a):
        return quantiles.beta_quantile_of_tensors(
            tf.constant(U), a, tf.constant(ratio, tf.float64)
        )

    compiled = tf.function(draw, jit_compile=True)
    for a in (1e-300, 0.99e-8, 1.01e-8, 1e-5, 0.2, 8.0, 0.99e5, 1.01e5, 1e308):
        expected = quantiles.beta_quantile(tf.constant(U), a, ratio)
        for one in (draw, compiled):
            found = one(tf.constant(a, tf.float64))
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize("alpha", [1e-3, 0.2, 1.0, 8.0])
def test_small_weights_are_right_relative_to_themselves(alpha):
    u = np.array([0.5, 1.5, 30.5, 1000.5]) / 2**24
    found = quantiles.beta_quantile(tf.constant(u), alpha).numpy()
    expected = special.betaincinv(alpha, alpha, u)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-300)


@pytest.mark.parametrize("alpha", [0.01, 0.2, 1.0, 32.0])
def test_a_number_and_a_tensor_of_unknown_value_draw_the_same(alpha):
    fixed = keras_mixup.sample_weights(alpha, (300,), 3, seed=5)
    draw = tf.function(lambda a: keras_mixup.sample_weights(a, (300,), 3, seed=5))
    np.testing.assert_allclose(fixed, draw(tf.constant(alpha)), rtol=0, atol=1e-4)
    np.testing.assert_array_equal(
        fixed,
        keras_mixup.sample_weights(tf.constant(alpha, tf.float64), 300, 3, seed=5),
    )


def test_xla_and_a_graph_agree_to_the_last_bit_of_float32():
    def draw(u):
        return tf.cast(quantiles.beta_quantile(u, 0.2), tf.float32)

    u = tf.constant(U)
    expected = draw(u)
    for jit_compile in (False, True):
        found = tf.function(draw, jit_compile=jit_compile)(u)
        differ = np.abs(found.numpy().view("int32") - expected.numpy().view("int32"))
        assert differ.max() <= 1


def test_a_table_is_made_once_and_outside_of_any_graph():
    quantiles.half_table.cache_clear()

    @tf.function
    def draw(u):
        return quantiles.beta_quantile(u, 0.37)

    first = draw(tf.constant(U))
    assert quantiles.half_table.cache_info().misses == 1
    again = quantiles.beta_quantile(tf.constant(U), 0.37)
    np.testing.assert_allclose(first, again, rtol=1e-13)
    assert quantiles.half_table.cache_info().misses == 1
