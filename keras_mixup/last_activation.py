"""What a network ends in, read from its graph."""

import keras

# Behind them a value is what it was before, in inference mode.
_PASSING = (
    keras.layers.Activation,
    keras.layers.Dropout,
    keras.layers.Flatten,
    keras.layers.Identity,
    keras.layers.Reshape,
)


def last_activation(tensor):
    """The name of the activation that a symbolic tensor comes from.

    Args:
        tensor: An output of a functional or sequential model.

    Returns:
        A name such as "softmax" or "linear", or None where it cannot be read.
    """
    layer, node, index = tensor._keras_history
    if isinstance(layer, keras.Model):
        inner = getattr(layer, "outputs", None)
        return last_activation(inner[index]) if inner else None
    activation = getattr(layer, "activation", None)
    if activation not in (None, keras.activations.linear):
        return getattr(activation, "__name__", None)
    # keras.ops.softmax is an operation of that name, and no layer.
    names = {"Softmax": "softmax", "Sigmoid": "sigmoid", "LogSoftmax": "log_softmax"}
    if type(layer).__name__ in names:
        return names[type(layer).__name__]
    if isinstance(layer, _PASSING):
        return last_activation(layer._inbound_nodes[node].input_tensors[0])
    return None if activation is None else "linear"
