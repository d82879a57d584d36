"""alpha and the learning rate over steps."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, Self

import keras
import tensorflow as tf
from keras import ops

from keras_mixup import arguments, hints


def first_step_of(epoch, steps_per_epoch):
    """The first step with `step / steps_per_epoch >= epoch`.

    That is so in floats, of which 0.55 is one, and 55 / 100 the same: 0.55 * 100 is
    above 55, so a product would name step 56.
    """
    if math.isinf(epoch):
        return epoch
    step = max(int(epoch * steps_per_epoch) - 1, 0)
    while step / steps_per_epoch < epoch:
        step += 1
    return step


@keras.saving.register_keras_serializable("keras_mixup")
class AlphaSchedule:
    """alpha as a function of the step: off, a linear ramp, on, off again.

    `alpha(e) = 0` for `e < warm_up`, rises linearly over `ramp` to `alpha`, and
    is 0 again from `off_from` on, with `e = step / steps_per_epoch`. The speech
    experiment of the paper warms up for 5 epochs without mixing (section 3.3).
    A threshold may be a fraction of an epoch: 0.55 of 100 steps is step 55. alpha moves
    inside the graph: nothing is traced again.

    In a pipeline each pass over `dataset.apply(mixup)` is an epoch, a look at one batch
    of it as well: give `fit` the callback `CountEpochs` where one is looked at before,
    or where training begins at a later epoch.

    Args:
        alpha: Float >= 0.
        steps_per_epoch: Integer >= 1. With the default of 1 all that follows is
            counted in steps, else in epochs.
        warm_up: How long nothing is mixed at the start.
        ramp: How long alpha then takes to rise from 0.
        off_from: When mixing ends, or None for never.

    Raises:
        ValueError: for a negative duration or an alpha that is no finite
            float >= 0.

    Examples:
        >>> alpha = keras_mixup.AlphaSchedule(0.2, steps_per_epoch=511, warm_up=5)
        >>> mixup = keras_mixup.MixUp(alpha)
    """

    def __init__(
        self,
        alpha: float,
        steps_per_epoch: int = 1,
        warm_up: float = 0,
        ramp: float = 0,
        off_from: float | None = None,
    ) -> None:
        arguments.check_alpha(alpha)
        durations = {"warm_up": warm_up, "ramp": ramp, "off_from": off_from or 0}
        for name, value in durations.items():
            if not value >= 0:
                raise ValueError(
                    f"Invalid value received for argument `{name}`. "
                    f"Expected a number >= 0. Received: {name}={value}"
                )
        arguments.check_count("steps_per_epoch", steps_per_epoch)
        self.alpha = alpha
        self.steps_per_epoch = steps_per_epoch
        self.warm_up = warm_up
        self.ramp = ramp
        self.off_from = off_from

    def __call__(self, step: hints.TensorLike) -> tf.Tensor:
        """Alpha at that step: a float32 scalar tensor."""
        # Steps are whole numbers: in float64 they and the thresholds are exact.
        step = tf.cast(step, tf.float64)
        on = step >= first_step_of(self.warm_up, self.steps_per_epoch)
        if self.off_from is not None:
            on &= step < first_step_of(self.off_from, self.steps_per_epoch)
        # Outside of these the law is at one of its ends, and float32 ends as well.
        alpha = min(max(self.alpha, 1e-30), 1e38) if self.alpha else 0.0
        alpha *= tf.cast(on, tf.float64)
        if self.ramp:
            share = (step / self.steps_per_epoch - self.warm_up) / self.ramp
            alpha *= tf.clip_by_value(share, 0.0, 1.0)
        return tf.cast(alpha, tf.float32)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        names = ("alpha", "steps_per_epoch", "warm_up", "ramp", "off_from")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The schedule of a `get_config`."""
        return cls(**config)


@keras.saving.register_keras_serializable("keras_mixup")
class LearningRateDrops(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that warms up linearly and then drops, step by step.

    With `e = step / steps_per_epoch`, `from` the rate at step 0 and `n(e)` the
    number of drops at or before e,

        rate(e) = from + (learning_rate - from) e / warm_up     for e < warm_up,
        rate(e) = learning_rate * factor ** n(e)                otherwise.

    The schedules of Zhang et al., section 3: CIFAR `LearningRateDrops(0.1, (100,
    150), S)`, ImageNet `LearningRateDrops(0.4, (30, 60, 80), S, warm_up=5,
    warm_up_from=0.1)` (Goyal et al., 2017, at a global batch size of 1,024), speech
    `LearningRateDrops(3e-3, (10, 20), S)`, with S steps an epoch.

    Args:
        learning_rate: Float > 0, the rate after the warm-up.
        drops: Increasing numbers of epochs after which the rate is multiplied by
            `factor`; none may fall into the warm-up.
        steps_per_epoch: Integer >= 1. With the default of 1 all is counted in
            steps.
        factor: Float > 0.
        warm_up: Epochs of the linear warm-up.
        warm_up_from: Rate at step 0, where there is a warm-up.

    Raises:
        ValueError: for a rate, factor or duration out of range and for drops that
            do not increase.
    """

    def __init__(
        self,
        learning_rate: float,
        drops: Sequence[float] = (),
        steps_per_epoch: int = 1,
        factor: float = 0.1,
        warm_up: float = 0,
        warm_up_from: float = 0.0,
    ) -> None:
        arguments.check_count("steps_per_epoch", steps_per_epoch)
        for name, value, valid, expected in (
            ("learning_rate", learning_rate, learning_rate > 0, "a float > 0"),
            ("factor", factor, factor > 0, "a float > 0"),
            ("warm_up", warm_up, warm_up >= 0, "a number >= 0"),
            ("warm_up_from", warm_up_from, warm_up_from >= 0, "a float >= 0"),
            (
                "drops",
                drops,
                all(a < b for a, b in itertools.pairwise([warm_up, *drops])),
                f"increasing epochs after the warm-up of {warm_up}",
            ),
        ):
            if not valid:
                raise ValueError(
                    f"Invalid value received for argument `{name}`. "
                    f"Expected {expected}. Received: {name}={value}"
                )
        self.learning_rate = learning_rate
        self.drops = tuple(drops)
        self.steps_per_epoch = steps_per_epoch
        self.factor = factor
        self.warm_up = warm_up
        self.warm_up_from = warm_up_from

    def __call__(self, step: hints.TensorLike) -> Any:
        """The learning rate of that step: a float32 scalar tensor."""
        # Under JAX whole numbers are exact up to 2**24 only.
        kind = "float32" if keras.backend.backend() == "jax" else "float64"
        step = ops.cast(step, kind)
        thresholds = [first_step_of(e, self.steps_per_epoch) for e in self.drops]
        passed = [ops.cast(step >= threshold, kind) for threshold in thresholds]
        factor = ops.convert_to_tensor(self.factor, kind)
        rate = self.learning_rate * ops.power(factor, sum(passed, ops.zeros((), kind)))
        if self.warm_up:
            share = step / self.steps_per_epoch / self.warm_up
            rising = (
                self.warm_up_from + (self.learning_rate - self.warm_up_from) * share
            )
            rising_until = first_step_of(self.warm_up, self.steps_per_epoch)
            rate = ops.where(step < rising_until, rising, rate)
        return ops.cast(rate, "float32")

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        names = [
            "learning_rate",
            "drops",
            "steps_per_epoch",
            "factor",
            "warm_up",
            "warm_up_from",
        ]
        return {name: getattr(self, name) for name in names}
