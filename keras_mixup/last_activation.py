"""The activation in which a network ends."""

import keras

from keras_mixup import keras_private

# Operations and layers that change no value at inference.
_PASSING = (
    "Identity",
    "Cast",
    "Reshape",
    "Flatten",
    "Squeeze",
    "ExpandDims",
    "Dropout",
    "ActivityRegularization",
)


def last_activation(output):
    """The name of the activation that a symbolic tensor comes from.

    It is looked for behind what only casts or reshapes, and inside models that are
    layers. "softmax" is one over the last axis.

    Returns:
        A name such as "softmax", "sigmoid", "linear" or "relu"; None where the last
        layer has none, or is not one of Keras's.
    """
    last, index, inputs = keras_private.producer_of(output)
    if isinstance(last, keras.layers.TimeDistributed):
        last, index = last.layer, 0
    if isinstance(last, keras.Model):
        inner = getattr(last, "outputs", None)
        return last_activation(inner[index]) if inner else None
    kind = type(last).__name__
    if not type(last).__module__.startswith("keras."):
        return None
    # keras.ops.softmax is an operation of that name, and no layer.
    if kind in ("Softmax", "Sigmoid"):
        axis = getattr(last, "axis", -1)
        is_last = kind == "Sigmoid" or axis in (-1, len(output.shape) - 1)
        return kind.lower() if is_last else "softmax over another axis"
    if kind == "LogSoftmax":
        return "log_softmax"
    activation = _name(last)
    if kind in _PASSING or (kind == "Activation" and activation == "linear"):
        before = inputs[0]
        activation = last_activation(before)
        if activation == "softmax" and before.shape[-1] != output.shape[-1]:
            return "softmax over another axis"
    return activation


def _name(layer):
    activation = getattr(layer, "activation", None)
    if activation is None or isinstance(layer, keras.layers.RNN):
        return None
    root = getattr(activation, "__module__", "").partition(".")[0]
    name = getattr(activation, "__name__", type(activation).__name__)
    return (
        name if root in ("keras", "tensorflow") else f"{name}, a function of one's own"
    )
