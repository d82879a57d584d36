"""A loss that is no longer finite: the run stops, and says what was wrong."""

import math

import keras
import tensorflow as tf

from experiments.settings import Refusal


class NonFiniteLoss(Refusal, FloatingPointError):
    """A loss that is infinite or no number; the message names the step."""


class StopAtNonFiniteLoss(keras.callbacks.Callback):
    """Stops a run whose loss is not finite; names the step, and what in its batch.

    Args:
        steps_per_epoch: Integer.
        batches: From an epoch to its batches, asked for the one that is to blame; None
            where they cannot be had again.
        begun: Gives the batches done of the open epoch before the run was resumed.
    """

    def __init__(self, steps_per_epoch, batches, begun):
        super().__init__()
        self.steps_per_epoch, self.batches, self.begun = steps_per_epoch, batches, begun

    def on_epoch_begin(self, epoch, logs=None):
        """Remembers the epoch."""
        self._epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        """Looks at the loss."""
        if math.isfinite(logs["loss"]):
            return
        batch += self.begun()
        step = self._epoch * self.steps_per_epoch + batch
        if self.batches is None:
            blamed = "its batch came from a tf.data service and cannot be had again"
        else:
            again = self.batches(self._epoch).skip(batch)
            blamed = "; ".join(non_finite(next(iter(again)))) or (
                "its batch is finite: a lower learning rate or --precision float32 may "
                "help"
            )
        raise NonFiniteLoss(
            f"The loss is {logs['loss']} at step {step} (epoch {self._epoch + 1}, "
            f"batch {batch + 1}): {blamed}. The run's folder holds what came before it."
        )


def non_finite(batch):
    """What in a batch is not finite: a line for its features, one for its labels."""
    lines = []
    for name, values in zip(("features", "labels"), batch, strict=True):
        values = tf.convert_to_tensor(values)
        if values.dtype.is_floating:
            finite = tf.math.is_finite(values).numpy()
            bad = ~finite.reshape(len(finite), -1).all(axis=1)
            if bad.any():
                lines.append(
                    f"the {name} of its batch: {bad.sum()} of {len(bad)} examples are "
                    f"not finite, the first in row {bad.argmax()}"
                )
    return lines
