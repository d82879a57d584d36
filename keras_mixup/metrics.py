"""Accuracy of unmixed batches, and the metrics of mixed ones."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_mixup import hints, soft_metrics
from keras_mixup.soft_metrics import MixedAccuracy, SoftTargets

__all__ = ["CleanAccuracy", "MixedAccuracy", "SoftTargets"]


@keras.saving.register_keras_serializable("keras_mixup")
class CleanAccuracy(keras.metrics.Mean):
    """Top-1 accuracy against integer, one-hot or binary targets, by their shape."""

    def __init__(self, name: str = "clean_accuracy", dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)

    def update_state(
        self,
        y_true: hints.TensorLike,
        y_pred: hints.TensorLike,
        sample_weight: hints.TensorLike = None,
        threshold: float = 0.5,
    ) -> None:
        """Counts one batch; a single unit means class 1 above the threshold."""
        y_true, y_pred = map(ops.convert_to_tensor, (y_true, y_pred))
        if is_one_unit(y_pred):
            # Labels of a hinge loss may be -1 and 1.
            y_true = ops.cast(ops.reshape(y_true, [-1, 1]), "float32") > 0.5
            matches = keras.metrics.binary_accuracy(
                y_true, ops.reshape(y_pred, [-1, 1]), threshold
            )
        elif not _are_rows(y_true, y_pred):
            # Class numbers; as floats too.
            matches = keras.metrics.sparse_categorical_accuracy(y_true, y_pred)
        else:
            matches = keras.metrics.categorical_accuracy(y_true, y_pred)
        super().update_state(matches, sample_weight)


def is_one_unit(y_pred):
    """Whether predictions are one number an example: shape (batch,) or (batch, 1)."""
    shape = soft_metrics.shape_of(y_pred)
    return shape is not None and (len(shape) == 1 or shape[-1] == 1)


def _are_rows(y_true, y_pred):
    """Whether targets are one-hot rows, by their shape."""
    true, pred = map(soft_metrics.shape_of, (y_true, y_pred))
    return None not in (true, pred) and len(true) == len(pred) and true[-1] != 1
