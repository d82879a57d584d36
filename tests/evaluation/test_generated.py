"""Coverage and distance of samples against counts by hand, scipy and known laws."""

import math

import numpy as np
import pytest
from scipy import stats

from keras_mixup import evaluation

MODES = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])


def test_coverage_is_as_counted_by_hand():
    samples = np.array([[0, 0.5], [0.5, 0], [3, 0], [10, 1.0], [10, 1.001], [0, 9]])
    found = evaluation.mode_coverage(samples, MODES, radius=1.0)
    assert found["modes_covered"] == 3
    assert found["high_quality_share"] == pytest.approx(4 / 6)
    np.testing.assert_allclose(found["shares"], [2 / 6, 1 / 6, 1 / 6])


def test_a_mode_is_covered_from_its_share_on_and_by_one_sample_at_least():
    samples = np.concatenate([np.zeros((71, 2)), np.full((29, 2), [10.0, 0.0])])
    for share, covered in [(0.29, 2), (0.291, 1), (0.71, 1), (0.72, 0), (0.0, 2)]:
        found = evaluation.mode_coverage(samples, MODES, 1.0, least_share=share)
        assert found["modes_covered"] == covered, share


def test_a_sample_near_two_modes_counts_for_the_nearer_one_alone():
    found = evaluation.mode_coverage([[4.0, 0.0]], MODES, radius=100.0)
    np.testing.assert_array_equal(found["shares"], [1, 0, 0])


def test_what_is_not_finite_lies_at_no_mode():
    samples = [[np.nan, 0.0], [np.inf, 0.0], [0.0, 0.0], [-np.inf, np.nan]]
    found = evaluation.mode_coverage(samples, MODES, radius=1.0)
    assert found["high_quality_share"] == 0.25
    assert found["modes_covered"] == 1


def test_blocks_are_counted_as_one():
    generator = np.random.default_rng(0)
    samples = generator.normal(size=(10_000, 2)) * 8
    found = evaluation.mode_coverage(samples, MODES, radius=3.0)
    distances = np.stack([np.hypot(*(samples - mode).T) for mode in MODES])
    at = np.bincount(distances.argmin(0)[distances.min(0) <= 3], minlength=3)
    np.testing.assert_allclose(found["shares"], at / 10_000)
    found = evaluation.mode_coverage(MODES[np.arange(9000) % 3], MODES, radius=1.0)
    np.testing.assert_array_equal(found["shares"], [1 / 3] * 3)


@pytest.mark.parametrize("sigmas", [1, 3])
def test_the_share_of_the_mixture_itself_is_that_of_its_law(sigmas):
    generator = np.random.default_rng(1)
    samples = MODES[generator.integers(3, size=20_000)]
    samples = samples + 0.1 * generator.normal(size=samples.shape)
    found = evaluation.mode_coverage(samples, MODES, radius=0.1 * sigmas)
    # Rayleigh's law in the plane.
    share = 1 - math.exp(-(sigmas**2) / 2)
    bound = 4 * math.sqrt(share * (1 - share) / 20_000)
    assert abs(found["high_quality_share"] - share) < bound


def test_the_distance_on_a_line_is_scipys():
    generator = np.random.default_rng(2)
    first, second = generator.normal(size=(50, 1)), generator.exponential(size=(50, 1))
    expected = stats.wasserstein_distance(first[:, 0], second[:, 0])
    found = evaluation.sliced_wasserstein(first, second, projections=3)
    assert found == pytest.approx(expected, rel=1e-12)


def test_the_distance_of_a_shift_is_known():
    samples = np.random.default_rng(3).normal(size=(20, 2))
    shift = np.array([3.0, 4.0])
    found = evaluation.sliced_wasserstein(samples, samples + shift, projections=4000)
    # The mean of |5 cos(angle)|, within four standard errors.
    deviation = 5 * math.sqrt(1 / 2 - (2 / math.pi) ** 2)
    assert abs(found - 10 / math.pi) < 4 * deviation / math.sqrt(4000)


def test_the_distance_is_symmetric_blind_to_order_and_zero_of_itself():
    generator = np.random.default_rng(4)
    first, second = generator.normal(size=(2, 30, 4, 4, 1))
    found = evaluation.sliced_wasserstein(first, second, seed=1)
    assert found == evaluation.sliced_wasserstein(second, first, seed=1) > 0
    assert found == pytest.approx(
        evaluation.sliced_wasserstein(first[::-1], second, seed=1), rel=1e-12
    )
    assert evaluation.sliced_wasserstein(first, first[::-1]) == pytest.approx(0)
    flat = evaluation.sliced_wasserstein(
        first.reshape(30, 16), second.reshape(30, 16), seed=1
    )
    assert found == flat
    assert found != evaluation.sliced_wasserstein(first, second, seed=2)
    default = evaluation.sliced_wasserstein(first, second)
    assert default == evaluation.sliced_wasserstein(first, second, 200, seed=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[0.0]], MODES, 1.0), "as many dimensions in both arrays. Received: 1 and 2"),
        (([0.0, 1.0], MODES, 1.0), "Expected .samples, dimensions."),
        ((np.zeros((0, 2)), MODES, 1.0), "none of them 0. Received: shape .0, 2."),
        (
            (MODES, MODES, 0),
            "`radius`. Expected a finite float > 0. Received: radius=0",
        ),
        ((MODES, MODES, math.inf), "Received: radius=inf"),
        ((MODES, MODES, 1.0, 1.5), "`least_share`. Expected a float in .0, 1."),
        ((MODES, MODES + np.nan, 1.0), "`modes`. Expected finite numbers"),
    ],
)
def test_coverage_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        evaluation.mode_coverage(*arguments)


@pytest.mark.parametrize(
    ("others", "options", "message"),
    [
        (MODES[:2], {}, "as many as there are samples, 3. Received: 2"),
        (MODES[:, :1], {}, "Received: 2 and 1"),
        (MODES + np.inf, {}, "Expected finite numbers"),
        (MODES, {"projections": 0}, "`projections`. Expected an integer >= 1"),
        (MODES, {"seed": 1.5}, "`seed`. Expected an integer"),
    ],
)
def test_the_distance_refuses(others, options, message):
    with pytest.raises(ValueError, match=message):
        evaluation.sliced_wasserstein(MODES, others, **options)
