"""AlphaSchedule, against its definition."""

import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from keras_mixup.training import schedules


def by_definition(step, alpha, steps_per_epoch, warm_up, ramp, off_from):
    epoch = step / steps_per_epoch
    if epoch < warm_up or (off_from is not None and epoch >= off_from):
        return 0.0
    if ramp and epoch < warm_up + ramp:
        return alpha * (epoch - warm_up) / ramp
    return alpha


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize(
    "settings",
    [
        (0.2, 1, 0, 0, None),
        (0.2, 10, 5, 0, None),
        (1.0, 3, 2, 4, 9),
        (8.0, 7, 0, 3, 5),
        (0.4, 4, 0, 0, 0),
    ],
)
def test_alpha_is_as_defined_at_every_step(settings, jit_compile):
    schedule = keras_mixup.AlphaSchedule(*settings)
    alpha = tf.function(schedule, jit_compile=jit_compile)
    for step in range(60):
        expected = np.float32(by_definition(step, *settings))
        assert float(alpha(tf.constant(step, tf.int64))) == pytest.approx(expected)


def test_thresholds_are_exact_at_large_steps():
    schedule = keras_mixup.AlphaSchedule(1.0, steps_per_epoch=2**25 + 1, warm_up=3)
    start = 3 * (2**25 + 1)
    assert float(schedule(start - 1)) == 0
    assert float(schedule(start)) == 1


@pytest.mark.parametrize("mode", ["eager", "graph", "xla"])
def test_a_fraction_of_an_epoch_is_the_step_that_the_docstring_says(mode):
    # As in 0.55 of 100 steps, whose product is above 55.
    for fraction, steps in ((0.55, 100), (0.07, 100), (0.29, 100), (1.1, 10), (0.7, 3)):
        on = keras_mixup.AlphaSchedule(1.0, steps, warm_up=fraction)
        off = keras_mixup.AlphaSchedule(1.0, steps, off_from=fraction)
        drop = keras_mixup.LearningRateDrops(1.0, (fraction,), steps)
        warm = keras_mixup.LearningRateDrops(1.0, (), steps, warm_up=fraction)

        def at(step, all_of=(on, off, drop, warm)):
            return [schedule(step) for schedule in all_of]

        if mode != "eager":
            at = tf.function(at, autograph=False, jit_compile=mode == "xla")
        near = int(fraction * steps)
        for step in range(max(near - 2, 0), near + 3):
            e = step / steps
            expected = [e >= fraction, e < fraction, 0.1 if e >= fraction else 1]
            expected.append(min(e / fraction, 1))
            found = at(tf.constant(step, tf.int64))
            np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_the_first_step_of_every_fraction_of_two_or_three_decimals():
    # Every step of an epoch that is a multiple of the fraction's last decimal is exact.
    for steps in range(1, 2001):
        for parts in (100, 1000):
            numerators = np.unique(
                np.linspace(0, 3 * parts, 61).astype(int) + steps % 7
            )
            for numerator in numerators.tolist():
                found = schedules.first_step_of(numerator / parts, steps)
                # In whole numbers: the least k with k / steps >= numerator / parts.
                assert found == -(-numerator * steps // parts), (
                    numerator,
                    parts,
                    steps,
                )


def test_a_threshold_at_infinity_is_never_reached():
    assert float(keras_mixup.AlphaSchedule(1.0, 10, warm_up=float("inf"))(10**15)) == 0
    assert float(keras_mixup.AlphaSchedule(1.0, 10, off_from=float("inf"))(10**15)) == 1


@pytest.mark.parametrize("jit_compile", [False, True])
def test_an_alpha_outside_of_float32_stays_at_its_end(jit_compile):
    for alpha, least in ((1e300, 9e37), (1e-300, 1e-38), (5e-324, 1e-38)):
        schedule = keras_mixup.AlphaSchedule(alpha, 10, warm_up=1)
        found = tf.function(schedule, jit_compile=jit_compile)(tf.constant(10))
        assert np.isfinite(found) and found.numpy() >= least
        lam = keras_mixup.sample_lambda(found, (100,), seed=1).numpy()
        assert (lam == 0.5).all() if alpha > 1 else np.isin(lam, [0, 1]).all()


@pytest.mark.parametrize("steps", [0, 10.5, None, tf.constant(10)])
@pytest.mark.parametrize(
    "make",
    [
        lambda steps: keras_mixup.AlphaSchedule(1.0, steps),
        lambda steps: keras_mixup.LearningRateDrops(1.0, (), steps),
    ],
)
def test_steps_per_epoch_is_a_whole_number(make, steps):
    with pytest.raises(ValueError, match="`steps_per_epoch`. Expected an integer >= 1"):
        make(steps)
