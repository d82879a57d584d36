"""CutMix: the mask is a box, or a span, or a block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import keras

from keras_mixup import arguments, hints, regions
from keras_mixup.box_policy import BoxPolicy


@keras.saving.register_keras_serializable("keras_mixup")
class CutMix(BoxPolicy):
    """Pastes a box of a shuffled copy into each example (Yun et al., 2019).

    The box has the sides `L (1 - lam)^(1/d)` along each of d axes of length L, with
    `lam ~ Beta(alpha, alpha)`, around a uniform center, and is clipped. Labels are
    shared by the positions that are really pasted: `y~ = s y_i + (1 - s) y_j`. Dense
    targets, with an entry for each position, are cut as the features are. It is used as
    `MixUp` is: `dataset.apply(cutmix)`, `MixUpModel(network, cutmix)`, also at hidden
    layers.

    Examples:
        >>> cutmix = keras_mixup.CutMix(alpha=1.0, num_classes=10)
        >>> ds = ds.batch(128).apply(cutmix)

    Args:
        alpha: As in `MixUp`; the paper takes 1.
        min_max: Two numbers (a, b) in (0, 1]: the sides are uniform in that range, as
            shares of each axis, and the box lies inside. Alpha stays 1 then.
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
        **settings: Further arguments of `MixUp` except `quantities`: nothing is
            averaged, so integers are cut as they are, and features keep their dtype.

    Call arguments:
        As in `MixUp`. Several features of a batch are cut alike: their grids have to be
        the same, or multiples of the coarsest one.

    Raises:
        ValueError: for arguments, features without positions, and targets that are
            neither shared nor dense.
        tf.errors.InvalidArgumentError: at a batch, for targets that are quantities.
    """

    def __init__(
        self,
        alpha: hints.Alpha = 1.0,
        *,
        min_max: Sequence[float] | None = None,
        **settings: Unpack[hints.CutMixSettings],
    ) -> None:
        super().__init__(alpha=alpha, **settings)
        if min_max is not None:
            arguments.check_range("min_max", min_max)
            if alpha != 1.0 or self.beta is not None or self.keep_larger:
                raise ValueError(
                    "With `min_max` the sides follow from that range alone. Expected "
                    "neither `alpha`, `beta` nor `keep_larger` beside it. Received: "
                    f"alpha={alpha}, beta={self.beta}, keep_larger={self.keep_larger}"
                )
        self.min_max = None if min_max is None else tuple(min_max)

    def region(self, key, share, grid):
        """A box."""
        if self.min_max is None:
            return regions.clipped_box(key, share, grid)
        return regions.inner_box(key, share > 0, grid, self.min_max)
