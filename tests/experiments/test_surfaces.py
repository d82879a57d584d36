"""The plane of Figure 1b: points of known laws, and measures of known surfaces."""

import json

import numpy as np
import pytest
import tensorflow as tf

from experiments.paper import surfaces


def linear(weights, bias):
    """A network whose logit is linear in the point."""
    weights = tf.constant(weights, tf.float32)[:, tf.newaxis]
    return lambda x: x @ weights + bias


@pytest.mark.parametrize(
    ("shape", "law"),
    [
        # The radius is 1 and 1/2; class 1 is the inner one.
        ("circles", lambda x, y: np.hypot(*x.T) - np.where(y == 1, 0.5, 1)),
        # Half circles about (0, 0) and (1, 1/2).
        ("moons", lambda x, y: np.hypot(*(x - y[:, np.newaxis] * [1, 0.5]).T) - 1),
    ],
)
def test_points_are_of_the_law_of_their_shape(shape, law):
    (x, y), (test_x, test_y) = surfaces.draw_points(shape, 300, 5000, 0.1, seed=0)
    assert (x.shape, y.shape, test_x.shape) == ((300, 2), (300, 1), (5000, 2))
    assert (x.dtype, y.dtype) == ("float32", "float32")
    for part, labels in ((x, y), (test_x, test_y)):
        assert labels.mean() == 0.5
        distance = law(part, labels[:, 0])
        # Noise of .1 in both directions: a tenth along the radius, and a little out.
        assert np.std(distance) == pytest.approx(0.1, abs=0.015)
        assert np.mean(distance) == pytest.approx(0, abs=0.03)
    assert not set(map(tuple, x)) & set(map(tuple, test_x))
    (again, _), _ = surfaces.draw_points(shape, 300, 5000, 0.1, seed=0)
    np.testing.assert_array_equal(x, again)
    (other, _), _ = surfaces.draw_points(shape, 300, 5000, 0.1, seed=1)
    assert np.abs(x - other).max() > 0.1


def test_the_gradient_of_a_linear_logit_is_known_in_closed_form():
    points = np.array([[0, 0], [1, 0], [0, 2], [-1, 1]], "float32")
    p, norms = surfaces.with_gradient_norms(linear([3.0, -4.0], 0.5), points)
    expected = 1 / (1 + np.exp(-(points @ [3.0, -4.0] + 0.5)))
    np.testing.assert_allclose(p, expected, rtol=1e-4)
    # p (1 - p) times the norm of the weights.
    np.testing.assert_allclose(norms, expected * (1 - expected) * 5, rtol=1e-3)


def test_segments_go_from_class_0_at_lam_0_to_class_1_at_lam_1():
    zeros, ones = np.array([[-2, 7], [0, 0]]), np.array([[2, 9], [1, 0]])
    p = surfaces.on_segments(linear([1.0, 0.0], 0.0), zeros, ones, [0, 0.5, 1])
    expected = 1 / (1 + np.exp([[2, 0, -2], [0, -0.5, -1]]))
    np.testing.assert_allclose(p, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("p", "expected"),
    [
        ([[0, 0.5, 1]], 1),
        ([[0.5, 0.5, 0.5]], 0),
        # A step: .25 of .5 is left.
        ([[0, 0, 1]], 0.5),
        # The wrong way round: 2 of .5.
        ([[1, 0.5, 0]], -3),
        # Over both: 2 of 1. The mean curve is 1/2.
        ([[0, 0.5, 1], [1, 0.5, 0]], -1),
    ],
)
def test_r_squared_by_hand(p, expected):
    assert surfaces.r_squared(p, np.array([0, 0.5, 1])) == pytest.approx(expected)


def test_what_is_measured_of_a_linear_logit():
    # One point of each class: every pair is they, and lam is the first coordinate.
    x, y = np.array([[0, 0], [1, 0.5]], "float32"), np.array([[0], [1]], "float32")
    found = surfaces.measure(linear([2.0, 0.0], -1.0), x, y, pairs=3, grid=4, seed=0)
    lam = np.linspace(0, 1, 21)
    curve = 1 / (1 + np.exp(1 - 2 * lam))
    np.testing.assert_allclose(found["curve"], curve, atol=1e-4)
    left = ((curve - lam) ** 2).sum() / ((lam - 0.5) ** 2).sum()
    assert found["r_squared"] == pytest.approx(1 - left, abs=1e-5)
    assert found["curve_r_squared"] == pytest.approx(1 - left, abs=1e-5)
    # The grid is from -1/4 to 5/4, and p is of the first coordinate alone.
    across = 1 / (1 + np.exp(1 - 2 * np.array([-0.25, 0.25, 0.75, 1.25])))
    norms = 2 * across * (1 - across)
    assert found["gradient_mean"] == pytest.approx(norms.mean(), rel=1e-4)
    assert found["gradient_max"] == pytest.approx(norms.max(), rel=1e-4)
    surface = found["surface"]
    assert surface["extent"] == [-0.25, 1.25, -0.25, 0.75]
    p = surfaces.as_rows(surface["p"])
    np.testing.assert_allclose(p, [across] * 4, atol=6e-4)
    assert (surface["class_0"], surface["class_1"]) == (["0", "0"], ["1", "0.5"])


def test_pairs_depend_on_the_seed_alone():
    (x, y), _ = surfaces.draw_points("moons", 40, 2, 0.1, seed=0)
    network = linear([1.0, -1.0], 0.0)
    first, again, other = (
        surfaces.measure(network, x, y, 5, 2, seed)["r_squared"] for seed in (0, 0, 1)
    )
    assert first == again != other


def test_the_rows_of_a_surface_begin_below():
    x, y = np.array([[0, 0], [1, 1]], "float32"), np.array([[0], [1]], "float32")
    surface = surfaces.measure(linear([0.0, 2.0], 0.0), x, y, 1, 3, 0)["surface"]
    p = surfaces.as_rows(surface["p"])
    expected = 1 / (1 + np.exp(-2 * np.array([-0.25, 0.5, 1.25])))
    np.testing.assert_allclose(p, np.tile(expected, (3, 1)).T, atol=6e-4)


def test_numbers_are_kept_as_text_of_three_decimals():
    rows = np.array([[0.0, 1.0, 0.12345], [-0.0001, 1e-5, -1.5]])
    text = surfaces.as_text(rows)
    assert text == ["0 1 0.123", "0 0 -1.5"]
    np.testing.assert_allclose(surfaces.as_rows(text), rows, atol=5e-4)


def test_the_finest_surface_takes_little_of_the_result_file():
    (x, y), _ = surfaces.draw_points("moons", 300, 2, 0.1, seed=0)
    # Shades everywhere: none is written in fewer digits.
    surface = surfaces.measure(linear([1.0, 0.3], 0.0), x, y, 1, 61, 0)["surface"]
    assert len(surface["p"]) == 61
    assert len(json.dumps(surface, indent=1)) < 28_000
