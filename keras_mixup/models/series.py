"""Networks for time series: LSTNet."""

from __future__ import annotations

import math
from collections.abc import Sequence

import keras

from keras_mixup import layers
from keras_mixup.models import convolution


def lstnet(
    input_shape: Sequence[int],
    num_classes: int,
    width: int = 50,
    kernel_size: int = 6,
    skip: int = 24,
    skip_width: int = 5,
    highway: int = 24,
    dropout: float = 0.2,
) -> keras.Model:
    """LSTNet: a convolution, two GRUs and an autoregression (Lai et al., 2018).

    Sizes are those of the exchange rates there and in C-Mixup (Yao et al., 2022). With
    h the number of features of the convolution and of the GRU, k that of the second
    GRU, which sees every `skip`-th step, d series and C values, the parameters are
    `(6 d + 1) h + 6 h (h + 1) + 3 k (h + k + 2) + (h + skip k + 1) C + highway + 1`.

    The layer "features" is a `layers.MixFeatures`: a point at which to mix behind the
    convolution. What the autoregression sees is mixed with it, as in C-Mixup.

    Args:
        input_shape: (time, series).
        num_classes: Number of values told, one for each series.
        width: Features of the convolution and of the first GRU.
        kernel_size: Steps that the convolution sees.
        skip: Steps from one that the second GRU sees to its next.
        skip_width: Features of the second GRU.
        highway: Last steps that the autoregression sees.
        dropout: Drop probability behind the convolution and both GRUs.

    Returns:
        A functional `keras.Model` from float inputs `(batch, time, series)` to values
        `(batch, series)`.

    Raises:
        ValueError: where the series are not as many as the values, or are too short.
    """
    time, series = input_shape
    periods = (time - kernel_size) // skip
    if series != num_classes:
        raise ValueError(
            "Invalid value received for argument `num_classes`. Expected one value for "
            f"each of the {series} series. Received: num_classes={num_classes}"
        )
    if periods < 1 or time < highway:
        least = max(kernel_size + skip, highway)
        raise ValueError(
            "Invalid value received for argument `input_shape`. Expected (time, "
            f"series) with time >= {least}. Received: input_shape={tuple(input_shape)}"
        )
    inputs = keras.Input(input_shape)
    features = keras.layers.Conv1D(
        *(width, kernel_size),
        activation="relu",
        name="convolution",
        **_begun(kernel_size * series),
    )(inputs)
    features = keras.layers.Dropout(dropout)(features)
    features, last = layers.MixFeatures(name="features")(
        [features, inputs[:, -highway:]]
    )
    recurrent = _gru(width, "gru")(features)
    # Each place of the period is a series of its own.
    skipped = features[:, -periods * skip :]
    skipped = keras.ops.reshape(skipped, (-1, periods, skip, width))
    skipped = keras.ops.transpose(skipped, (0, 2, 1, 3))
    skipped = keras.ops.reshape(skipped, (-1, periods, width))
    skipped = _gru(skip_width, "skip_gru")(skipped)
    skipped = keras.ops.reshape(skipped, (-1, skip * skip_width))
    found = [keras.layers.Dropout(dropout)(one) for one in (recurrent, skipped)]
    values = keras.layers.Dense(
        num_classes, name="recurrent_values", **_begun(width + skip * skip_width)
    )(keras.layers.Concatenate()(found))
    # One autoregression for all series.
    last = keras.layers.Dense(1, name="autoregression", **_begun(highway))(
        keras.layers.Permute((2, 1))(last)
    )
    values = keras.layers.Add(name="values")([values, keras.layers.Flatten()(last)])
    return keras.Model(inputs, values, name="lstnet")


def _begun(fan_in):
    """PyTorch's initial values of a layer with that many inputs."""
    return {
        "kernel_initializer": convolution.torch_uniform(),
        "bias_initializer": convolution.torch_bias(fan_in),
    }


def _gru(units, name):
    """A GRU that begins as PyTorch's, from `U(-1 / sqrt(k), 1 / sqrt(k))`."""
    bound = 1 / math.sqrt(units)

    def begun():
        return keras.initializers.RandomUniform(-bound, bound)

    return keras.layers.GRU(
        units,
        name=name,
        kernel_initializer=begun(),
        recurrent_initializer=begun(),
        bias_initializer=begun(),
    )
