"""Wide residual networks: WRN-28-10."""

from __future__ import annotations

import keras

from keras_mixup import hints
from keras_mixup.models import convolution, preact_resnet


def wide_resnet28_10(
    input_shape: hints.Shape,
    num_classes: int,
    width: int = 160,
    depth: int = 28,
    dropout: float = 0.0,
    weight_decay: float = 0.0,
) -> keras.Model:
    """WideResNet-28-10, of Figure 3a of the mixup paper.

    Zagoruyko and Komodakis, "Wide Residual Networks" (2016). The block is that of
    `preact_resnet.preact_resnet18` with `shortcut="input"`:

        o = ReLU(BN(x))
        y = conv3x3(ReLU(BN(conv3x3(o)))) + s

    with s = x, or a 1x1 convolution of o in the first block of every stage. A batch
    norm and a ReLU stand before the average pool.

    | layer | blocks | channels | at 32x32 |
    |---|---|---|---|
    | `stem` | conv 3x3 | 16 | 32x32 |
    | `stage_1` | 4 | 160 | 32x32 |
    | `stage_2` | 4 | 320 | 16x16 |
    | `stage_3` | 4 | 640 | 8x8 |

    Parameters at width 160 and depth 28: 36,479,194 trainable for 10 classes.
    Convolutions have no bias and begin as in PyTorch.

    Args:
        input_shape: (height, width, channels); height and width >= 4, or None.
        num_classes: Integer, the number of logits.
        width: Channels of the first stage; the others have 2 and 4 times as many, the
            stem a tenth, at least one.
        depth: `6 n + 4` for n blocks in each stage.
        dropout: Drop probability behind the ReLU between the two convolutions of each
            block; the mixup paper has none.
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
    parts = convolution.Parts(weight_decay=weight_decay)
    inputs = keras.Input(input_shape)
    features = parts.convolve(inputs, max(1, width // 10), 3, "stem")
    for index in range(3):
        features = preact_resnet.stage(
            parts,
            features,
            filters=width * 2**index,
            blocks=(depth - 4) // 6,
            strides=2 if index else 1,
            name=f"stage_{index + 1}",
            dropout=dropout,
        )
    features = parts.activate(features, "last")
    features = keras.layers.GlobalAveragePooling2D(name="pool")(features)
    logits = parts.classify(features, num_classes)
    return keras.Model(inputs, logits, name="wide_resnet28_10")
