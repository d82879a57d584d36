"""The gradient of the loss with respect to the input, example by example."""

import tensorflow as tf

from keras_mixup.ends_in_logits import ends_in_logits
from keras_mixup.evaluation import scores
from keras_mixup.training.classifier import MixUpModel


def input_gradient(model, x, labels_of, from_logits):
    """The gradient of each example's cross-entropy with respect to that example.

    The gradient is `size * direction`. The largest entry of the loss's slope at the
    logits is taken out as `size`, so that a direction is left where the loss itself
    is too small for the model's precision (float16 ends at 6e-8).

    Args:
        model: A Keras classifier. It is called with `training=False`.
        x: Float tensor of shape (batch, ...).
        labels_of: Function of the logits that gives the rows y of the loss, of
            shape (batch, classes). No gradient flows through it.
        from_logits: As of `ends_in_logits`.

    Returns:
        Tuple of the direction, of the shape of x, the size, of shape (batch,), the
        logits and the rows.

    Raises:
        ValueError: for a model whose scores have no gradient, or that does not say
            whether they are logits.
    """
    network = model.network if isinstance(model, MixUpModel) else model
    from_logits = ends_in_logits(network, getattr(model, "loss", None), from_logits)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(x)
        logits = scores.as_logits(model(x, training=False), from_logits)
    rows = labels_of(logits)
    slope = scores.slope(rows, logits)
    size = tf.reduce_max(tf.abs(slope), axis=-1, keepdims=True)
    # The gradient of a sum over the batch is each example's own gradient only
    # because in inference mode no example enters the score of another.
    direction = tape.gradient(
        logits, x, output_gradients=tf.math.divide_no_nan(slope, size)
    )
    if direction is None:
        raise ValueError(
            "The model has no gradient with respect to its input. Expected a model "
            f"that is differentiable from input to scores. Received: {model}"
        )
    return direction, size[:, 0], logits, rows
