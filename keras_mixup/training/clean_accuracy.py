"""`clean_accuracy`: of the network in inference mode on the unmixed batch."""

import keras

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
    metric.update_state(y, y_pred, threshold=threshold)
