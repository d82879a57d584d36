"""What the policies share that paste regions of partners: CutMix and its family."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from keras_mixup import arguments, grids, hints, regions, targets
from keras_mixup.policy import Policy


class MaskPolicy(Policy):
    """Pastes regions of partners: each position is that of one example.

    `x~ = M x_i + (1 - M) x_j` with a mask M of zeros and ones, and
    `y~ = s y_i + (1 - s) y_j` with s the mean of M over the positions. A subclass says
    which `region` a partner has.
    """

    averages = False
    without: tuple[str, ...] = ("quantities",)

    def __init__(
        self,
        *,
        axes: Sequence[int] | None = None,
        share_quantities: hints.Names | bool = (),
        **settings: Any,
    ) -> None:
        if "quantities" in settings:
            # An alpha may be one that the subclass gives where its users have none.
            self.refuse_others(settings)
        super().__init__(**settings)
        arguments.check_axes(axes)
        self.axes = None if axes is None else tuple(axes)
        named = share_quantities
        named = (named,) if isinstance(named, str) else named
        self.share_quantities = named if isinstance(named, bool) else tuple(named)

    def region(self, key, share, grid):
        """The region of a partner whose share is a float tensor (n,), a `Region`."""
        raise NotImplementedError

    def placed(self, draw, key, features):
        """A draw with the masks at these features, and the shares of the positions."""
        grid = grids.grid_of(features, self.axes)
        if len(draw.coefficients) == 1:
            # Dtypes, and the shapes of weights, are those of a draw that pastes.
            return draw._replace(masks=[regions.everywhere(grid)], grid=grid)
        found, weights = [], [tf.reshape(c, [-1]) for c in draw.coefficients]
        for rank in range(1, len(weights)):
            # Later partners lie on top of it.
            below = sum(weights[: rank + 1])
            share = tf.math.divide_no_nan(weights[rank], below)
            found.append(self.region(regions.key_of(key, rank), share, grid))
        masks = regions.masks_of(found)
        shares = regions.shares_of(found, masks, grid)
        if self.per == "batch":
            shares = [tf.reshape(share, []) for share in shares]
        return draw._replace(coefficients=shares, masks=masks, regions=found, grid=grid)

    def check(self, read):
        """Checks a `Batch`: features that can be cut, targets that can be shared."""
        grid = grids.grid_of(read.features, self.axes)
        dense = []
        for leaf, path in zip(read.targets, read.paths, strict=True):
            name = "/".join(map(str, path)) or "y"
            classes = targets.per_target(self.num_classes, path)
            dense.append(grids.is_dense(leaf, grid, classes, name))
            if not dense[-1]:
                self.check_shared(leaf, path, name)
        return dense

    def may_be_quantity(self, path):
        """Whether `share_quantities` names the target: its share is then by area."""
        return self.share_quantities is True or any(
            key in (self.share_quantities or ()) for key in path or ("y",)
        )

    def check_shared(self, target, path, name):
        """Fails on a target of the whole example that is a quantity, unless allowed."""
        if self.may_be_quantity(path) or not target.dtype.is_floating:
            return
        tf.debugging.Assert(
            tf.reduce_all((target >= 0) & (target <= 1)),
            [
                f"The target `{name}` is a quantity: its values are not within [0, 1]. "
                f"{type(self).__name__} shares labels by area, and a quantity need not "
                "follow the area of a region. Expected rows of classes, or "
                f"keras_mixup.MixUp, or `share_quantities={name!r}` where its share is "
                "that of the area. Received:",
                target,
            ],
            summarize=5,
        )
