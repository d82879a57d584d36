"""Networks for spectrograms of spoken commands: LeNet and VGG-11."""

from __future__ import annotations

import keras

from keras_mixup import hints
from keras_mixup.models import convolution


def lenet(
    input_shape: hints.Shape = (161, 101, 1),
    num_classes: int = 30,
    width: int = 20,
    dropout: float = 0.5,
    weight_decay: float = 0.0,
) -> keras.Model:
    """LeNet for Google commands, of Figure 4 of the mixup paper.

    As in Adi's GCommandsPytorch, after LeCun et al. (1998):

        conv 5x5 -> max pool 2x2 -> ReLU                              `stage_1`
        conv 5x5 -> dropout of channels -> max pool 2x2 -> ReLU       `stage_2`
        FC 1000 -> ReLU -> dropout -> FC num_classes

    without padding: 161x101 (or 160x101) becomes 37x22, flattened 16,280. Parameters at
    width 20 with 30 classes: 16,321,570. Kernels and biases begin as in PyTorch.

    Args:
        input_shape: (height, width, channels); height and width >= 16.
        num_classes: Integer, the number of logits.
        width: Channels of both convolutions; the hidden layer has 50 times as many.
        dropout: Drop probability of both dropouts; 0 for none.
        weight_decay: PyTorch's weight decay w: adds `w / 2` times the sum of squares
            of all parameters to the loss.

    Returns:
        A functional `keras.Model` from float spectrograms to float32 logits
        `(batch, num_classes)`.

    Raises:
        ValueError: for an argument outside of these bounds.
    """
    convolution.check(input_shape, num_classes, width, weight_decay, 16, any_size=False)
    convolution.check_dropout(dropout)
    parts = convolution.Parts(weight_decay=weight_decay)
    inputs = keras.Input(input_shape)
    features = inputs
    for index in (1, 2):
        name = f"stage_{index}"
        features = parts.convolve(
            features, width, 5, f"{name}_conv", bias=True, pad=False
        )
        if index == 2 and dropout:
            drop = keras.layers.SpatialDropout2D(dropout, name="channel_dropout")
            features = drop(features)
        features = keras.layers.MaxPooling2D(2, name=f"{name}_pool")(features)
        features = keras.layers.ReLU(name=name)(features)
    features = keras.layers.Flatten(name="flatten")(features)
    features = parts.connect(features, 50 * width, "hidden")
    features = keras.layers.ReLU(name="hidden_relu")(features)
    if dropout:
        features = keras.layers.Dropout(dropout, name="dropout")(features)
    logits = parts.classify(features, num_classes)
    return keras.Model(inputs, logits, name="lenet")


def vgg11(
    input_shape: hints.Shape = (161, 101, 1),
    num_classes: int = 30,
    width: int = 64,
    weight_decay: float = 0.0,
) -> keras.Model:
    """VGG-11 with batch norm for Google commands, of Figure 4 of the mixup paper.

    As in Adi's GCommandsPytorch, after Simonyan and Zisserman (2015). Eight times
    `conv 3x3 -> BN -> ReLU`, in five stages that each end in a max pool 2x2 (an odd
    last row or column is left out):

    | layer | convolutions | channels | at 161x101 |
    |---|---|---|---|
    | `stage_1` | 1 | 64 | 80x50 |
    | `stage_2` | 1 | 128 | 40x25 |
    | `stage_3` | 2 | 256 | 20x12 |
    | `stage_4` | 2 | 512 | 10x6 |
    | `stage_5` | 2 | 512 | 5x3 |

    Then `FC 512 -> FC num_classes` on the 7,680 flattened features, without a ReLU
    between. Parameters at width 64 with 30 classes: 13,172,894 trainable.
    Convolutions have biases; kernels and biases begin as in PyTorch.

    Args:
        input_shape: (height, width, channels); height and width >= 32.
        num_classes: Integer, the number of logits.
        width: Channels of the first stage; the last has, and the hidden layer is, 8
            times as many.
        weight_decay: PyTorch's weight decay w: adds `w / 2` times the sum of squares
            of all trainable parameters, those of the batch norms too, to the loss.

    Returns:
        A functional `keras.Model` from float spectrograms to float32 logits
        `(batch, num_classes)`.

    Raises:
        ValueError: for an argument outside of these bounds.
    """
    convolution.check(input_shape, num_classes, width, weight_decay, 32, any_size=False)
    parts = convolution.Parts(weight_decay=weight_decay)
    inputs = keras.Input(input_shape)
    features = inputs
    stages = [(1, 1), (1, 2), (2, 4), (2, 8), (2, 8)]
    for stage, (count, times) in enumerate(stages, start=1):
        for index in range(1, count + 1):
            name = f"stage_{stage}_{index}"
            features = parts.convolve(
                features, width * times, 3, f"{name}_conv", bias=True
            )
            features = parts.activate(features, name)
        features = keras.layers.MaxPooling2D(2, name=f"stage_{stage}")(features)
    features = keras.layers.Flatten(name="flatten")(features)
    features = parts.connect(features, 8 * width, "hidden")
    logits = parts.classify(features, num_classes)
    return keras.Model(inputs, logits, name="vgg11")
