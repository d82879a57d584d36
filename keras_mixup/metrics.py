"""Accuracy of unmixed batches, and the metrics of mixed ones."""

import keras
import tensorflow as tf

from keras_mixup.soft_metrics import MixedAccuracy, SoftTargets  # noqa: F401


@keras.saving.register_keras_serializable("keras_mixup")
class CleanAccuracy(keras.metrics.Mean):
    """Top-1 accuracy against integer, one-hot or binary targets, by their shape."""

    def __init__(self, name="clean_accuracy", dtype=None):
        super().__init__(name=name, dtype=dtype)

    def update_state(self, y_true, y_pred, sample_weight=None, threshold=0.5):
        """Counts one batch; a single unit means class 1 above the threshold."""
        y_true, y_pred = tf.convert_to_tensor(y_true), tf.convert_to_tensor(y_pred)
        if is_one_unit(y_pred):
            # Labels of a hinge loss may be -1 and 1.
            y_true = tf.cast(tf.reshape(y_true, [-1, 1]), tf.float32) > 0.5
            matches = keras.metrics.binary_accuracy(
                y_true, tf.reshape(y_pred, [-1, 1]), threshold
            )
        elif not _are_rows(y_true, y_pred):
            # Class numbers; as floats too.
            matches = keras.metrics.sparse_categorical_accuracy(y_true, y_pred)
        else:
            matches = keras.metrics.categorical_accuracy(y_true, y_pred)
        super().update_state(matches, sample_weight)


def is_one_unit(y_pred):
    """Whether predictions are one number an example: shape (batch,) or (batch, 1)."""
    return y_pred.shape.rank == 1 or y_pred.shape[-1] == 1


def _are_rows(y_true, y_pred):
    """Whether targets are one-hot rows, by their shape."""
    return y_true.shape.rank == y_pred.shape.rank and y_true.shape[-1] != 1
