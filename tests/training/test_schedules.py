"""AlphaSchedule, against its definition."""

import numpy as np
import pytest
import tensorflow as tf

import keras_mixup


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
