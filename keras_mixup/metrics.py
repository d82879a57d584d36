"""Accuracy that stays meaningful under mixing."""

import keras
import tensorflow as tf

from keras_mixup import targets


@keras.saving.register_keras_serializable("keras_mixup")
class MixedAccuracy(keras.metrics.MeanMetricWrapper):
    """Accuracy weighted by lam, for targets that are mixed already.

    `sum_c y~_c [c = argmax p]`, which for mixed one-hot rows is
    `lam acc(y_i) + (1 - lam) acc(y_j)` (as the paper's authors print it), and
    for one-hot rows the ordinary accuracy. `keras.metrics.CategoricalAccuracy`
    counts the heavier partner alone. Use it where the pipeline mixes:
    `metrics=[keras_mixup.metrics.MixedAccuracy()]`. Targets and predictions are
    of shape (batch, ..., classes). MixUpModel needs it not: there the compiled
    accuracy is weighted already.
    """

    def __init__(self, name="accuracy", dtype=None):
        super().__init__(_share_of_predicted_class, name=name, dtype=dtype)

    def get_config(self):
        return {"name": self.name, "dtype": self.dtype}


@keras.saving.register_keras_serializable("keras_mixup")
class CleanAccuracy(keras.metrics.Mean):
    """Top-1 accuracy against integer, one-hot or binary targets, by their shape."""

    def __init__(self, name="clean_accuracy", dtype=None):
        super().__init__(name=name, dtype=dtype)

    def update_state(self, y_true, y_pred, sample_weight=None, threshold=0.5):
        """Counts one batch; a single unit means class 1 above the threshold."""
        y_true, y_pred = tf.convert_to_tensor(y_true), tf.convert_to_tensor(y_pred)
        if y_pred.shape[-1] == 1:
            matches = keras.metrics.binary_accuracy(
                tf.reshape(y_true, [-1, 1]), y_pred, threshold
            )
        elif targets.is_integer(y_true) and not _are_rows(y_true, y_pred):
            matches = keras.metrics.sparse_categorical_accuracy(y_true, y_pred)
        else:
            matches = keras.metrics.categorical_accuracy(y_true, y_pred)
        super().update_state(matches, sample_weight)


def _are_rows(y_true, y_pred):
    """Whether integers or booleans are one-hot rows, by their shape."""
    return y_true.shape.rank == y_pred.shape.rank and y_true.shape[-1] != 1


def _share_of_predicted_class(y_true, y_pred):
    if not tf.TensorShape(y_true.shape).is_compatible_with(y_pred.shape):
        raise ValueError(
            "MixedAccuracy compares rows. Expected targets of the shape of the "
            f"predictions, {y_pred.shape}. Received: shape {y_true.shape}. For integer "
            'labels take "accuracy"; mixed labels are rows (MixUp(num_classes=...)).'
        )
    predicted = tf.one_hot(
        tf.argmax(y_pred, axis=-1), y_pred.shape[-1], dtype=y_true.dtype
    )
    return tf.reduce_sum(y_true * predicted, axis=-1)
