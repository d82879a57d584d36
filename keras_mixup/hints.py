"""What public arguments may be, by name: the type hints that files share.

A hint that is `Any` says by its name what it is for: a type checker lets all pass.
TensorFlow has no types of its own, so that each tensor passes as well.
"""

from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from typing import Any, Literal, Protocol, TypedDict, TypeVar

import tensorflow as tf


class Array(Protocol):
    """What has a shape and a dtype: a tensor, a variable or an array."""

    @property
    def shape(self) -> Any:
        """The sizes of its axes."""

    @property
    def dtype(self) -> Any:
        """The type of its entries."""


class Counted(Protocol):
    """The step of a batch: a `keras_mixup.Step`."""

    index: Any
    exact: Any


TensorLike = Any
"""What TensorFlow or NumPy makes a tensor or an array of, nested lists too."""
Nest = Any
"""A tensor, or a nest of tensors: tuples, lists and dicts, as Keras takes them."""
Batch = Any
"""What `Dataset.batch` gives: (x, y), (x, y, sample_weight), or a dict with labels."""
Optimizer = Any
"""An optimizer of Keras, its name or its config."""
Axes = Any
"""Axes of Matplotlib, which is an extra."""
Figure = Any
"""A figure of Matplotlib, which is an extra."""

Alpha = float | Array | Callable[[Any], Any]
Bandwidth = float | Sequence[float] | Array | Literal["auto"]
Names = str | Sequence[str]
Probability = float | Sequence[float] | Array
Path = str | PathLike[str]
Shape = Sequence[int | None]
Sizes = int | Sequence[Any] | Array
"""The shape of weights: integers, or tensors of integers."""
Index = int | Array
AnyStep = int | Array | Counted
ValueRange = tuple[float | Sequence[float] | Array, float | Sequence[float] | Array]

Kernel = Literal["gaussian", "uniform"]
Padding = Literal["union", "intersection"]
Pairing = Literal[
    "permutation", "derangement", "roll", "reverse", "same_class", "similar_target"
]
Per = Literal["batch", "example"]
Targets = Literal["mix", "closer"]
GanMode = Literal["objective", "author_code"]
GeneratorLoss = Literal["minimax", "non_saturating"]
Task = Literal["classification", "segmentation", "multi_label", "regression"]

# One value for all targets, or one each, by name or by place.
NumClasses = int | Mapping[str, int | None] | Sequence[int | None]
MultiLabel = bool | Mapping[str, bool] | Sequence[bool]
Period = float | Mapping[str, float | None] | Sequence[float | None]
Bandwidths = Bandwidth | Mapping[str, Bandwidth]
MetricTargets = Mapping[str, Literal["clean", "mixed"]]
LabelRule = Callable[[Any, Any, Any], Any] | Literal["union"]


class _Mixing(TypedDict, total=False):
    """What is the same argument for each policy and each of the layers."""

    per: Per
    pairing: Pairing
    examples: int
    targets: Targets
    num_classes: NumClasses | None
    label_smoothing: float
    probability: Probability
    passthrough: Names
    ignore_class: int | None
    jit_compile: bool
    multi_label: MultiLabel
    pairing_target: str | int | None
    bandwidth: Bandwidths
    kernel: Kernel
    period: Period | None
    padding: Padding
    label_rule: LabelRule | None
    labels_getter: Callable[[Any], Any] | None


class _OfPolicy(TypedDict, total=False):
    seed: int | None
    dtype: Any


class _OfLayer(TypedDict, total=False):
    name: str | None
    dtype: Any
    trainable: bool


class _OfLam(TypedDict, total=False):
    keep_larger: bool
    beta: float | None


class _OfMasks(TypedDict, total=False):
    axes: Sequence[int] | None
    share_quantities: Names | bool


class _OfBoxes(_OfMasks, total=False):
    bounding_box_format: str | None
    min_visibility: float


class FMixSettings(_Mixing, _OfPolicy, _OfLam, _OfMasks, total=False):
    """The `**settings` of `FMix`."""


class ResizeMixSettings(_Mixing, _OfPolicy, _OfBoxes, total=False):
    """The `**settings` of `ResizeMix`."""


class CutMixSettings(_Mixing, _OfPolicy, _OfLam, _OfBoxes, total=False):
    """The `**settings` of `CutMix`."""


class MixUpLayerSettings(_Mixing, _OfLayer, _OfLam, total=False):
    """The `**kwargs` of `layers.MixUp`."""

    quantities: Names | bool


class CutMixLayerSettings(_Mixing, _OfLayer, _OfLam, _OfBoxes, total=False):
    """The `**kwargs` of `layers.CutMix`."""

    min_max: Sequence[float] | None


_Function = TypeVar("_Function", bound=Callable[..., Any])


def not_converted(function: _Function) -> _Function:
    """`tf.autograph.experimental.do_not_convert`, which a checker sees through."""
    return tf.autograph.experimental.do_not_convert(function)
