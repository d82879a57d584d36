"""`clean_accuracy`: of the network in inference mode on the unmixed batch."""

import keras
import tensorflow as tf

from keras_mixup import ends_in_logits, metrics


def check_metric_names(args, kwargs):
    """Raises for a compiled metric with the name of MixUpModel's own."""
    named = [args[1:], kwargs.get("metrics"), kwargs.get("weighted_metrics")]
    for metric in keras.tree.flatten(named):
        name = getattr(metric, "name", getattr(metric, "__name__", metric))
        if isinstance(name, str) and name == "clean_accuracy":
            raise ValueError(
                "The name `clean_accuracy` is taken by "
                "MixUpModel(clean_accuracy=True). Expected another name for the "
                "compiled metric, or clean_accuracy=False. "
                f"Received: {metric!r}"
            )


def update(model, metric, x, y):
    """Updates the metric by one more forward pass of a MixUpModel."""
    if keras.tree.is_nested(y):
        raise ValueError(
            "`clean_accuracy` is of one output. Expected one target. Received: "
            f"{len(keras.tree.flatten(y))} targets"
        )
    with keras.StatelessScope():
        y_pred = model(x, training=False)
    threshold = 0.5
    if metrics.is_one_unit(y_pred):
        threshold = ends_in_logits.threshold_of(model.network, model.loss)
    (loss,) = ends_in_logits.losses_of(model.loss, ["output"])
    weight = _of_classes(y) if loss.kind == "quantities" else None
    metric.update_state(y, y_pred, weight, threshold=threshold)


def _of_classes(y):
    """1 where targets of a loss of quantities name classes, and NaN for the others.

    They do as 0 and 1, -1 and 1, or rows that add up to 1. The graph fails for others;
    XLA cannot, and the metric is NaN there.
    """
    values = tf.cast(tf.reshape(y, [tf.shape(y)[0], -1]), tf.float32)
    named = tf.reduce_all(tf.abs(values) * tf.abs(tf.abs(values) - 1) == 0, axis=-1)
    if values.shape[-1] != 1:
        named |= tf.abs(tf.reduce_sum(values, axis=-1) - 1) < 1e-3
    tf.debugging.Assert(
        tf.reduce_all(named),
        [
            "`clean_accuracy` is of classes. Expected targets 0 and 1, -1 and 1, or "
            "rows that add up to 1; for quantities clean_accuracy=False. Received:",
            tf.boolean_mask(values, ~named),
        ],
        summarize=12,
    )
    return tf.where(named, 1.0, float("nan"))
