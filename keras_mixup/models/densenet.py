"""Densely connected networks: DenseNet-BC-190."""

from __future__ import annotations

import keras

from keras_mixup import hints
from keras_mixup.models import convolution


def densenet_bc_190(
    input_shape: hints.Shape,
    num_classes: int,
    width: int = 40,
    depth: int = 190,
    dropout: float = 0.0,
    weight_decay: float = 0.0,
) -> keras.Model:
    """DenseNet-BC-190 with growth rate 40, of Figure 3 of the mixup paper.

    Huang et al., "Densely Connected Convolutional Networks" (2017). With the growth
    rate k = `width`, each of the `n = (depth - 4) / 6` bottlenecks of a stage appends k
    channels to what it sees:

        y = conv3x3_k(ReLU(BN(conv1x1_4k(ReLU(BN(x))))))
        output = concatenate([x, y])

    After the stages 1 and 2, `conv1x1(ReLU(BN(x)))` keeps half of the channels, rounded
    down, and an average pool 2x2 half of the rows and columns. A batch norm and a ReLU
    stand before the last average pool.

    | layer | bottlenecks | channels | at 32x32 |
    |---|---|---|---|
    | `stem` | conv 3x3 | 80 | 32x32 |
    | `stage_1` | 31 | 1320 | 32x32 |
    | `stage_2` | 31 | 1900 | 16x16 |
    | `stage_3` | 31 | 2190 | 8x8 |

    Parameters at width 40 and depth 190: 25,624,430 trainable for 10 classes.
    Convolutions have no bias and begin at N(0, 2 / (size^2 filters)).

    Args:
        input_shape: (height, width, channels); height and width >= 4, or None.
        num_classes: Integer, the number of logits.
        width: Growth rate; the stem has twice as many channels.
        depth: `6 n + 4` for n bottlenecks in each stage.
        dropout: Drop probability behind each convolution of a bottleneck and of the
            transitions; the mixup paper has none.
        weight_decay: PyTorch's weight decay w: adds `w / 2` times the sum of squares
            of all trainable parameters, those of the batch norms too, to the loss.

    Returns:
        A functional `keras.Model` from float images to float32 logits
        `(batch, num_classes)`.

    Raises:
        ValueError: for an argument outside of these bounds.
    """
    convolution.check(input_shape, num_classes, width, weight_decay, smallest=4)
    convolution.check_depth(depth)
    convolution.check_dropout(dropout)
    parts = convolution.Parts(convolution.he_normal, weight_decay=weight_decay)
    inputs = keras.Input(input_shape)
    features = parts.convolve(inputs, 2 * width, 3, "stem")
    blocks = (depth - 4) // 6
    for stage in (1, 2, 3):
        for index in range(1, blocks + 1):
            name = f"stage_{stage}_block_{index}"
            grown = _convolve(parts, features, 4 * width, 1, f"{name}_1", dropout)
            grown = _convolve(parts, grown, width, 3, f"{name}_2", dropout)
            joined = f"stage_{stage}" if index == blocks else f"{name}_joined"
            features = keras.layers.Concatenate(name=joined)([features, grown])
        if stage < 3:
            name = f"transition_{stage}"
            half = features.shape[-1] // 2
            features = _convolve(parts, features, half, 1, name, dropout)
            features = keras.layers.AveragePooling2D(2, name=f"{name}_pool")(features)
    features = parts.activate(features, "last")
    features = keras.layers.GlobalAveragePooling2D(name="pool")(features)
    logits = parts.classify(features, num_classes, bias="zeros")
    return keras.Model(inputs, logits, name="densenet_bc_190")


def _convolve(parts, features, filters, size, name, dropout):
    features = parts.activate(features, name)
    features = parts.convolve(features, filters, size, f"{name}_conv")
    if dropout:
        features = keras.layers.Dropout(dropout, name=f"{name}_dropout")(features)
    return features
