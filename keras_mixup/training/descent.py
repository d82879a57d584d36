"""One step of one network of several, each with an optimizer of its own."""

import keras
import tensorflow as tf


def built(optimizer, network):
    """The optimizer with its variables made, scaling losses where float16 needs it.

    Variables that exist before `fit` are restored by a resume; those that it makes
    are lost in silence.
    """
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        raise ValueError(
            "Invalid value received for an optimizer. Expected a Keras optimizer or "
            f"its name. Received: {optimizer!r}"
        )
    scaled = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    computed = {layer.compute_dtype for layer in (network, *network.layers)}
    if "float16" in computed and not scaled:
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(network.trainable_variables)
    return optimizer


def penalty_of(network):
    """The sum of a network's penalties, as its last call has left them."""
    # A penalty may be one number an example, in the dtype of its layer.
    return sum(tf.reduce_sum(tf.cast(p, tf.float32)) for p in network.losses)


def descend(loss, network, optimizer):
    """Moves the variables of one network, and no others, against a loss.

    The network's penalties (`network.losses`) are added. On several replicas the step
    is that of the mean of their losses.

    Args:
        loss: Function without arguments that gives a scalar, the mean over the rows
            of this replica; it runs on a tape.
        network: The `keras.Model` that is moved.
        optimizer: Its optimizer, of `built`.

    Returns:
        The value of `loss`, without penalties.
    """
    variables = network.trainable_variables
    values = [variable.value for variable in variables]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(values)
        value = loss()
        total = value + penalty_of(network)
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        total = optimizer.scale_loss(total / replicas)
    optimizer.apply(tape.gradient(total, values), variables)
    return value
