"""Networks for tables: a multilayer perceptron."""

from __future__ import annotations

import math
from typing import Literal

import keras

from keras_mixup import arguments, hints
from keras_mixup.models import convolution


def mlp(
    input_shape: hints.Shape,
    num_classes: int,
    width: int = 128,
    depth: int = 2,
    dropout: float = 0.0,
    initial_values: Literal["keras", "torch"] = "keras",
    negative_slope: float = 0.0,
) -> keras.Model:
    """A fully connected ReLU network; the last layer gives logits.

    The default of two hidden layers of 128 is that of Zhang et al., Table 4.
    Parameters at depth 2, with d inputs and C
    classes: `(d + 1) width + (width + 1) width + (width + 1) C`.

    Args:
        input_shape: Shape of one example, without the batch; it is flattened.
        num_classes: Integer, the number of logits.
        width: Units of each hidden layer.
        depth: Number of hidden layers, named `hidden_1`, `hidden_2`, ...
        dropout: Drop probability behind each hidden layer.
        initial_values: "keras" (Glorot's uniform kernels, biases of 0) or "torch"
            (kernels and biases from `U(-1 / sqrt(n), 1 / sqrt(n))` with n inputs, as
            the authors' framework has it).
        negative_slope: Slope of the activation below 0: of a ReLU 0.

    Returns:
        A functional `keras.Model` from float inputs to logits
        `(batch, num_classes)`.

    Raises:
        ValueError: for other `initial_values`.
    """
    inputs = keras.Input(input_shape)
    begun = (dropout, initial_values, negative_slope)
    logits = stack(inputs, num_classes, "logits", width, depth, *begun)
    return keras.Model(inputs, logits, name="mlp")


def stack(
    inputs,
    units,
    name,
    width,
    depth,
    dropout=0.0,
    initial_values="keras",
    negative_slope=0.0,
    **last,
):
    """The layers of `mlp` on an input; the last has these units and this name."""
    arguments.check_choice("initial_values", initial_values, ("keras", "torch"))

    def begun(fan_in):
        if initial_values == "keras":
            return {}
        return {
            "kernel_initializer": convolution.torch_uniform(),
            "bias_initializer": convolution.torch_bias(fan_in),
        }

    leaky = negative_slope and keras.layers.LeakyReLU(negative_slope)
    features = keras.layers.Flatten(name="flatten")(inputs)
    fan_in = math.prod(inputs.shape[1:])
    for index in range(1, depth + 1):
        features = keras.layers.Dense(
            width, activation=leaky or "relu", name=f"hidden_{index}", **begun(fan_in)
        )(features)
        fan_in = width
        if dropout:
            features = keras.layers.Dropout(dropout, name=f"dropout_{index}")(features)
    return keras.layers.Dense(units, name=name, **begun(fan_in), **last)(features)
