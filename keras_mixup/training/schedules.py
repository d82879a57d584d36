"""alpha over steps."""

import keras
import tensorflow as tf

from keras_mixup import arguments


@keras.saving.register_keras_serializable("keras_mixup")
class AlphaSchedule:
    """alpha as a function of the step: off, a linear ramp, on, off again.

    `alpha(e) = 0` for `e < warm_up`, rises linearly over `ramp` to `alpha`, and
    is 0 again from `off_from` on, with `e = step / steps_per_epoch`. The speech
    experiment of the paper warms up for 5 epochs without mixing (section 3.3).
    alpha moves inside the graph: nothing is traced again.

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

    Example:
    >>> alpha = keras_mixup.AlphaSchedule(0.2, steps_per_epoch=511, warm_up=5)
    >>> mixup = keras_mixup.MixUp(alpha)
    """

    def __init__(self, alpha, steps_per_epoch=1, warm_up=0, ramp=0, off_from=None):
        arguments.check_alpha(alpha)
        durations = {"warm_up": warm_up, "ramp": ramp, "off_from": off_from or 0}
        for name, value in durations.items():
            if not value >= 0:
                raise ValueError(
                    f"Invalid value received for argument `{name}`. "
                    f"Expected a number >= 0. Received: {name}={value}"
                )
        if not steps_per_epoch >= 1:
            raise ValueError(
                "Invalid value received for argument `steps_per_epoch`. Expected an "
                f"integer >= 1. Received: steps_per_epoch={steps_per_epoch}"
            )
        self.alpha = alpha
        self.steps_per_epoch = steps_per_epoch
        self.warm_up = warm_up
        self.ramp = ramp
        self.off_from = off_from

    def __call__(self, step):
        """Alpha at that step: a float32 scalar tensor."""
        # Steps are whole numbers: in float64 they and the thresholds are exact.
        step = tf.cast(step, tf.float64)
        start = self.warm_up * self.steps_per_epoch
        alpha = self.alpha * tf.cast(step >= start, tf.float64)
        if self.ramp:
            share = (step - start) / (self.ramp * self.steps_per_epoch)
            alpha *= tf.clip_by_value(share, 0.0, 1.0)
        if self.off_from is not None:
            alpha *= tf.cast(step < self.off_from * self.steps_per_epoch, tf.float64)
        return tf.cast(alpha, tf.float32)

    def get_config(self):
        """The arguments of the constructor."""
        names = ("alpha", "steps_per_epoch", "warm_up", "ramp", "off_from")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_config(cls, config):
        """The schedule of a `get_config`."""
        return cls(**config)
