"""ResizeMix: the mask is a box, which shows the whole partner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import keras

from keras_mixup import arguments, hints, regions
from keras_mixup.box_policy import BoxPolicy


@keras.saving.register_keras_serializable("keras_mixup")
class ResizeMix(BoxPolicy):
    """Pastes the whole partner, made smaller, into each example (Qin et al., 2020).

    The partner is scaled by `tau ~ U(scale)` along all axes and pasted at a uniform
    place: it never loses its object. Labels are shared by the positions that are
    pasted. Each position shows the nearest one of the partner, so nothing is averaged.
    Dense targets go along.

    Examples:
        >>> ds = ds.batch(128).apply(keras_mixup.ResizeMix(num_classes=10))

    Args:
        scale: Two numbers (a, b) in (0, 1], the range of tau; the paper takes (0.1,
            0.8).
        axes: The axes that are cut, ascending, such as (1, 2) for images without
            channels, or (2, 3) for videos whose time is not cut. None for all between
            the batch and the channels, which are the last axis: (batch, length,
            channels), (batch, height, width, channels), and so on. Rank 2 is cut
            along the second axis.
        share_quantities: Name or names of targets that are quantities and are shared by
            area all the same, or True for all; a lone target is `"y"`.
        bounding_box_format: Keras's name of the layout of boxes, such as "xyxy" or
            "rel_xywh"; needed where a batch has boxes.
        min_visibility: Float in [0, 1]. Boxes of which a smaller share is left are
            dropped.
        **settings: Further arguments of `MixUp` except `alpha`, `beta`, `keep_larger`
            and `quantities`: nothing is averaged, so integers are cut as they are, and
            features keep their dtype.

    Call arguments:
        As in `CutMix`.
    """

    without = ("quantities", "alpha", "keep_larger", "beta")

    def __init__(
        self,
        scale: Sequence[float] = (0.1, 0.8),
        **settings: Unpack[hints.ResizeMixSettings],
    ) -> None:
        self.refuse_others(settings)
        # Its weights say whether a unit is mixed at all, and nothing else.
        super().__init__(alpha=1.0, **settings)
        arguments.check_range("scale", scale)
        self.scale = tuple(scale)

    def region(self, key, share, grid):
        """The box of the resized partner."""
        return regions.resized_whole(key, share > 0, grid, self.scale)
