"""Residual networks that normalize before they convolve: PreAct ResNet-18."""

from __future__ import annotations

from typing import Literal

import keras

from keras_mixup import arguments, hints
from keras_mixup.models import convolution

_SHORTCUTS = ("input", "activated")


def preact_resnet18(
    input_shape: hints.Shape,
    num_classes: int,
    width: int = 64,
    dropout: float = 0.0,
    shortcut: Literal["input", "activated"] = "input",
    weight_decay: float = 0.0,
) -> keras.Model:
    """PreAct ResNet-18, the network of most of the mixup paper's tables.

    Zhang et al. (2018), sections 3.2, 3.4 and 3.6, after He et al., "Identity Mappings
    in Deep Residual Networks" (2016). A block is

        o = ReLU(BN(x))
        y = conv3x3(ReLU(BN(conv3x3(o)))) + s

    where s is a 1x1 convolution of o, without batch norm, in the first block of the
    stages 2, 3 and 4, whose first convolution has stride 2. Elsewhere s is x
    (`shortcut="input"`, as in the first author's code) or o (`shortcut="activated"`,
    as in the code at facebookresearch; there the stem too ends in BN and ReLU). No
    batch norm stands between the last block and the average pool: He et al. have one.

    | layer | blocks | channels | at 32x32 | the paper's name |
    |---|---|---|---|---|
    | `stem` | conv 3x3 | 64 | 32x32 | Layer 1 |
    | `stage_1` | 2 | 64 | 32x32 | Layer 2 |
    | `stage_2` | 2 | 128 | 16x16 | Layer 3 |
    | `stage_3` | 2 | 256 | 8x8 | Layer 4 |
    | `stage_4` | 2 | 512 | 4x4 | Layer 5 |

    Everything passes through the outputs of these layers, so `MixUpModel` can mix at
    any of them. Parameters at width 64: 11,171,146 for 10 classes (11,171,274 with
    `shortcut="activated"`). Convolutions have no bias and begin as in PyTorch.

    Args:
        input_shape: (height, width, channels); height and width >= 8, or None.
        num_classes: Integer, the number of logits.
        width: Channels of the first stage; the others have 2, 4 and 8 times as many.
        dropout: Drop probability of an elementwise dropout behind the ReLU between the
            two convolutions of each block (section 3.4); 0 for none.
        shortcut: "input" or "activated".
        weight_decay: PyTorch's weight decay w: adds `w / 2` times the sum of squares
            of all trainable parameters, those of the batch norms too, to the loss.

    Returns:
        A functional `keras.Model` from float images to float32 logits
        `(batch, num_classes)`.

    Raises:
        ValueError: for an argument outside of these bounds.
    """
    convolution.check(input_shape, num_classes, width, weight_decay, smallest=8)
    convolution.check_dropout(dropout)
    arguments.check_choice("shortcut", shortcut, _SHORTCUTS)
    parts = convolution.Parts(weight_decay=weight_decay)
    inputs = keras.Input(input_shape)
    if shortcut == "input":
        features = parts.convolve(inputs, width, 3, "stem")
    else:
        features = parts.convolve(inputs, width, 3, "stem_conv")
        features = parts.activate(features, "stem", relu="stem")
    for index in range(4):
        features = stage(
            parts,
            features,
            filters=width * 2**index,
            blocks=2,
            strides=2 if index else 1,
            name=f"stage_{index + 1}",
            dropout=dropout,
            activated=shortcut == "activated",
        )
    features = keras.layers.GlobalAveragePooling2D(name="pool")(features)
    logits = parts.classify(features, num_classes)
    return keras.Model(inputs, logits, name="preact_resnet18")


def stage(
    parts, features, filters, blocks, strides, name, dropout=0.0, activated=False
):
    """Blocks one after the other; the output is that of the layer called `name`.

    Args:
        parts: A `convolution.Parts`.
        features: A symbolic tensor of images.
        filters: Channels of each block.
        blocks: How many blocks.
        strides: Stride of the first of them.
        name: Name of the last addition.
        dropout: Drop probability between the convolutions of a block.
        activated: Whether a shortcut without projection carries `ReLU(BN(x))`.
    """
    for index in range(1, blocks + 1):
        features = _block(
            parts,
            features,
            filters,
            strides if index == 1 else 1,
            f"{name}_block_{index}",
            dropout,
            activated,
            total=name if index == blocks else None,
        )
    return features


def _block(parts, inputs, filters, strides, name, dropout, activated, total):
    first = parts.activate(inputs, f"{name}_1")
    if strides > 1 or inputs.shape[-1] != filters:
        kept = parts.convolve(first, filters, 1, f"{name}_projection", strides)
    else:
        kept = first if activated else inputs
    features = parts.convolve(first, filters, 3, f"{name}_conv_1", strides)
    features = parts.activate(features, f"{name}_2")
    if dropout:
        features = keras.layers.Dropout(dropout, name=f"{name}_dropout")(features)
    features = parts.convolve(features, filters, 3, f"{name}_conv_2")
    return keras.layers.Add(name=total or f"{name}_sum")([features, kept])
