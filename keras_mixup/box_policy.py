"""What the policies share whose regions are boxes: bounding boxes that are clipped."""

from __future__ import annotations

from typing import Any

from keras_mixup import arguments, pasted_boxes
from keras_mixup.mask_policy import MaskPolicy


class BoxPolicy(MaskPolicy):
    """Pastes boxes; the bounding boxes of a batch are clipped to what is seen."""

    def __init__(
        self,
        *,
        bounding_box_format: str | None = None,
        min_visibility: float = 0.1,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        arguments.check_share("min_visibility", min_visibility, "[0, 1]")
        if bounding_box_format is not None:
            formats = tuple(pasted_boxes.FORMATS)
            arguments.check_choice("bounding_box_format", bounding_box_format, formats)
        self.bounding_box_format = bounding_box_format
        self.min_visibility = min_visibility

    def check(self, read):
        """Checks a `Batch`, its boxes too."""
        if read.boxes is not None:
            self._check_boxes(read.features)
        return super().check(read)

    def seen_boxes(self, parts, draw):
        """The boxes of both parts, clipped to what is seen, and their weights."""
        return pasted_boxes.seen(
            parts, draw, self.bounding_box_format, self.min_visibility
        )

    def _check_boxes(self, features):
        if self.bounding_box_format is None:
            raise ValueError(
                "Boxes are clipped to what is seen of them, so their layout has to be "
                "known. Invalid value received for argument `bounding_box_format`. "
                f"Expected one of {list(pasted_boxes.FORMATS)}. Received: "
                "bounding_box_format=None"
            )
        of_images = self.axes in (None, (1, 2)) and features[0].shape.rank == 4
        if self.examples > 2 or not of_images:
            raise ValueError(
                "Boxes are clipped to what is seen of them in one image of two. "
                "Expected examples=2 and images of shape (batch, height, width, "
                f"channels) beside boxes. Received: examples={self.examples}, "
                f"axes={self.axes}, images of shape {features[0].shape}"
            )
