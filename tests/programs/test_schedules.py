"""Schedules in epochs, whose fractions are not whole in floats."""

import fractions

import pytest

import keras_mixup


@pytest.mark.parametrize("steps", [100, 15, 7])
@pytest.mark.parametrize("share", ["0.55", "0.29", "0.07", "1.15"])
def test_a_fraction_of_an_epoch_begins_where_it_says(steps, share):
    alpha = keras_mixup.AlphaSchedule(1.0, steps_per_epoch=steps, warm_up=float(share))
    rate = keras_mixup.LearningRateDrops(
        1.0, drops=(float(share),), steps_per_epoch=steps
    )
    threshold = fractions.Fraction(share) * steps
    for step in range(2 * steps):
        reached = step >= threshold
        assert float(alpha(step)) == float(reached), step
        assert float(rate(step)) == pytest.approx(0.1 if reached else 1.0), step


@pytest.mark.parametrize("share", ["0.55", "0.29"])
def test_the_end_of_mixing_comes_where_it_says(share):
    alpha = keras_mixup.AlphaSchedule(1.0, steps_per_epoch=100, off_from=float(share))
    for step in range(100):
        off = step >= fractions.Fraction(share) * 100
        assert float(alpha(step)) == float(not off), step
