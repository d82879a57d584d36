"""FMix: the mask is a level set of noise of low frequencies."""

from __future__ import annotations

import numbers
from typing import Unpack

import keras

from keras_mixup import grids, hints, regions
from keras_mixup.mask_policy import MaskPolicy


@keras.saving.register_keras_serializable("keras_mixup")
class FMix(MaskPolicy):
    """Pastes a region of any form, a level set of smooth noise (Harris et al., 2020).

    The noise has an amplitude that falls as `frequency^-decay`; the region is where it
    is least, with the share 1 - lam of all positions, `lam ~ Beta(alpha, alpha)`. It
    has one to three axes.

    Examples:
        >>> ds = ds.batch(128).apply(keras_mixup.FMix(num_classes=10))

    Args:
        alpha: As in `MixUp`; the paper takes 1.
        decay: Float > 0; the paper takes 3. A larger one gives smoother regions.
        axes: The axes that are cut, ascending, such as (1, 2) for images without
            channels, or (2, 3) for videos whose time is not cut. None for all between
            the batch and the channels, which are the last axis: (batch, length,
            channels), (batch, height, width, channels), and so on. Rank 2 is cut
            along the second axis.
        share_quantities: Name or names of targets that are quantities and are shared by
            area all the same, or True for all; a lone target is `"y"`.
        **settings: Further arguments of `MixUp` except `quantities`: nothing is
            averaged, so integers are cut as they are, and features keep their dtype.

    Call arguments:
        As in `CutMix`, without bounding boxes: a region of any form has no corners.
    """

    def __init__(
        self,
        alpha: hints.Alpha = 1.0,
        *,
        decay: float = 3.0,
        **settings: Unpack[hints.FMixSettings],
    ) -> None:
        super().__init__(alpha=alpha, **settings)
        number = isinstance(decay, numbers.Real) and not isinstance(decay, bool)
        if not (number and 0 < decay < float("inf")):
            raise ValueError(
                "Invalid value received for argument `decay`. Expected a finite float "
                f"> 0. Received: decay={decay!r}"
            )
        self.decay = decay

    def check(self, read):
        """Checks a `Batch`: it has no boxes, and one to three axes."""
        grid = grids.grid_of(read.features, self.axes)
        if read.boxes is not None or len(grid.axes) > 3:
            raise ValueError(
                "FMix cuts regions of any form along one to three axes. Expected "
                "keras_mixup.CutMix for bounding boxes and for more axes. Received: "
                f"axes {list(grid.axes)}, bounding boxes: {read.boxes is not None}"
            )
        return super().check(read)

    def region(self, key, share, grid):
        """A level set."""
        return regions.low_frequencies(key, share, grid, self.decay)
