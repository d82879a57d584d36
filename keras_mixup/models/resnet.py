"""Residual networks for ImageNet: ResNet-50 and -101, ResNeXt-101."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from keras_mixup import hints
from keras_mixup.models import convolution


def resnet50(
    input_shape: hints.Shape,
    num_classes: int,
    width: int = 64,
    weight_decay: float = 0.0,
) -> keras.Model:
    """ResNet-50, of Table 1 of the mixup paper: stages of 3, 4, 6 and 3 blocks.

    25,557,032 trainable parameters at width 64 with 1,000 classes. All arguments and
    the block: `bottleneck_resnet`.
    """
    return bottleneck_resnet(
        input_shape, num_classes, (3, 4, 6, 3), width, weight_decay, name="resnet50"
    )


def resnet101(
    input_shape: hints.Shape,
    num_classes: int,
    width: int = 64,
    weight_decay: float = 0.0,
) -> keras.Model:
    """ResNet-101, of Tables 1 and 3 of the mixup paper: 3, 4, 23 and 3 blocks.

    44,549,160 trainable parameters at width 64 with 1,000 classes. All arguments and
    the block: `bottleneck_resnet`.
    """
    return bottleneck_resnet(
        input_shape, num_classes, (3, 4, 23, 3), width, weight_decay, name="resnet101"
    )


def resnext101_32x4d(
    input_shape: hints.Shape,
    num_classes: int,
    width: int = 64,
    weight_decay: float = 0.0,
) -> keras.Model:
    """ResNeXt-101 32x4d, of Table 1: 32 groups, of 4 channels in the first stage.

    44,177,704 trainable parameters at width 64 with 1,000 classes. The width is a
    multiple of 16. All arguments and the block: `bottleneck_resnet`.
    """
    return bottleneck_resnet(
        input_shape,
        num_classes,
        (3, 4, 23, 3),
        width,
        weight_decay,
        cardinality=32,
        name="resnext101_32x4d",
    )


def resnext101_64x4d(
    input_shape: hints.Shape,
    num_classes: int,
    width: int = 64,
    weight_decay: float = 0.0,
) -> keras.Model:
    """ResNeXt-101 64x4d, of Table 1: 64 groups, of 4 channels in the first stage.

    83,455,272 trainable parameters at width 64 with 1,000 classes. The width is a
    multiple of 16. All arguments and the block: `bottleneck_resnet`.
    """
    return bottleneck_resnet(
        input_shape,
        num_classes,
        (3, 4, 23, 3),
        width,
        weight_decay,
        cardinality=64,
        name="resnext101_64x4d",
    )


def bottleneck_resnet(
    input_shape: hints.Shape,
    num_classes: int,
    blocks: Sequence[int],
    width: int = 64,
    weight_decay: float = 0.0,
    cardinality: int = 1,
    name: str = "resnet",
) -> keras.Model:
    """A residual network of bottlenecks, as trained by Goyal et al. (2017).

    He et al., "Deep Residual Learning" (2016), and with groups Xie et al., "Aggregated
    Residual Transformations" (2017). In stage k = 1..4, with f = width 2^(k-1), a block
    is

        y = BN(conv1x1_4f(ReLU(BN(conv3x3_i(ReLU(BN(conv1x1_i(x))))))))
        output = ReLU(y + s)

    where i is f, or with groups `cardinality f / 16` (4 channels per group at width
    64), and s is x, or in the first block of a stage `BN(conv1x1_4f(x))`. The first
    block of the stages 2, 3 and 4 has stride 2 in its 3x3 convolution ("v1.5"). The
    last gamma of each block begins at 0, so that a block begins as its shortcut;
    convolutions begin He-normal, the logits' kernel at N(0, 0.01^2).

    | layer | what | channels | at 224x224 |
    |---|---|---|---|
    | `stem` | conv 7x7 / 2, BN, ReLU, max pool 3x3 / 2 | 64 | 56x56 |
    | `stage_1` | blocks[0] | 256 | 56x56 |
    | `stage_2` | blocks[1] | 512 | 28x28 |
    | `stage_3` | blocks[2] | 1024 | 14x14 |
    | `stage_4` | blocks[3] | 2048 | 7x7 |

    Args:
        input_shape: (height, width, channels); height and width >= 32, or None.
        num_classes: Integer, the number of logits.
        blocks: Four integers, the blocks of each stage.
        width: Channels of the stem; a multiple of 16 where there are groups.
        weight_decay: PyTorch's weight decay w: adds `w / 2` times the sum of squares
            of all kernels and of the logits' bias, not of the batch norms' gamma and
            beta, to the loss.
        cardinality: Groups of the 3x3 convolutions.
        name: Name of the network.

    Returns:
        A functional `keras.Model` from float images to float32 logits
        `(batch, num_classes)`.

    Raises:
        ValueError: for an argument outside of these bounds.
    """
    convolution.check(input_shape, num_classes, width, weight_decay, smallest=32)
    if cardinality > 1 and width % 16:
        raise ValueError(
            "Invalid value received for argument `width`. Expected a multiple of 16, "
            f"so that {cardinality} groups get whole channels. Received: width={width}"
        )
    parts = convolution.Parts(
        convolution.he_normal, weight_decay=weight_decay, decay_norms=False
    )
    inputs = keras.Input(input_shape)
    features = parts.convolve(inputs, width, 7, "stem_conv", strides=2)
    features = parts.activate(features, "stem")
    # Zeros are PyTorch's -infinity here: no value behind a ReLU is less.
    features = keras.layers.ZeroPadding2D(1, name="stem_padding")(features)
    features = keras.layers.MaxPooling2D(3, 2, name="stem")(features)
    for stage, count in enumerate(blocks, start=1):
        filters = width * 2 ** (stage - 1)
        for index in range(1, count + 1):
            features = _bottleneck(
                parts,
                features,
                inner=filters if cardinality == 1 else cardinality * filters // 16,
                outer=4 * filters,
                strides=2 if stage > 1 and index == 1 else 1,
                cardinality=cardinality,
                name=f"stage_{stage}_block_{index}",
                last=f"stage_{stage}" if index == count else None,
            )
    features = keras.layers.GlobalAveragePooling2D(name="pool")(features)
    normal = keras.initializers.RandomNormal(stddev=0.01)
    logits = parts.classify(features, num_classes, kernel=normal, bias="zeros")
    return keras.Model(inputs, logits, name=name)


def _bottleneck(parts, inputs, inner, outer, strides, cardinality, name, last):
    kept = inputs
    if strides > 1 or inputs.shape[-1] != outer:
        kept = parts.convolve(inputs, outer, 1, f"{name}_projection", strides)
        kept = parts.normalize(kept, f"{name}_projection_norm")
    features = parts.convolve(inputs, inner, 1, f"{name}_conv_1")
    features = parts.activate(features, f"{name}_1")
    features = parts.convolve(
        features, inner, 3, f"{name}_conv_2", strides, groups=cardinality
    )
    features = parts.activate(features, f"{name}_2")
    features = parts.convolve(features, outer, 1, f"{name}_conv_3")
    features = parts.normalize(features, f"{name}_3_norm", gamma="zeros")
    features = keras.layers.Add(name=f"{name}_sum")([features, kept])
    return keras.layers.ReLU(name=last or f"{name}_relu")(features)
