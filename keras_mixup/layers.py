"""The Keras layers: MixUp and CutMix in a pipeline, MixFeatures inside a network."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, Literal, Self, Unpack

import keras
import tensorflow as tf

from keras_mixup import (
    arguments,
    cutmix,
    dict_batches,
    hints,
    mixing,
    mixing_points,
    mixup,
    settings,
)


@keras.saving.register_keras_serializable("keras_mixup")
class MixMask(keras.layers.Layer):
    """The mask that goes along with a `MixFeatures` layer, which makes this one."""

    def __init__(self, point: str, **kwargs: Any) -> None:
        super().__init__(**{"autocast": False, **kwargs})
        self.point = point

    def call(self, mask):
        return mixing_points.mix_mask(self.point, mask)

    def compute_output_spec(self, mask):
        return keras.KerasTensor(mask.shape, mask.dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "point": self.point}


@keras.saving.register_keras_serializable("keras_mixup")
class MixFeatures(keras.layers.Layer):
    """A point of a network at which `MixUpModel` can mix hidden features.

    The identity everywhere but in the train step of a
    `MixUpModel(network, mixup, mix_at=[name])` that names it. Put it where a
    network cannot be cut: in a residual branch, or in a subclassed model
    (hidden-layer mixing: Zhang et al., Table 5; Verma et al., 2019). A mask
    goes along: in the step it is the union of the masks of all mixed parts, or what
    `padding` of the policy says. Floats keep their dtype, whatever the dtype policy;
    uint8 becomes float32.

    Examples:
        >>> branch = keras_mixup.layers.MixFeatures(name="branch")(branch)
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"autocast": False, **kwargs})
        self.supports_masking = True

    def call(self, inputs):
        points = mixing_points.active_points()
        if points is None or self.name not in points.draws:
            return keras.tree.map_structure(
                lambda leaf: keras.ops.cast(leaf, _mixed_dtype_of(leaf)), inputs
            )
        return points.mix(self.name, inputs)

    def compute_mask(self, inputs, previous_mask):
        def of_one(mask):
            if mask is None:
                return None
            # A functional network wires masks when it is made: what happens to
            # them in a step must be a layer there.
            symbolic = isinstance(mask, keras.KerasTensor)
            if symbolic:
                return MixMask(self.name)(mask)
            return mixing_points.mix_mask(self.name, mask)

        return keras.tree.map_structure(of_one, previous_mask)

    def compute_output_spec(self, inputs):
        # Keras would promise the compute dtype; floats keep the one that they have.
        return keras.tree.map_structure(
            lambda leaf: keras.KerasTensor(
                leaf.shape, _mixed_dtype_of(leaf), leaf.sparse, leaf.ragged
            ),
            inputs,
        )

    def compute_output_shape(self, input_shape):
        return input_shape


class _PolicyLayer(keras.layers.Layer):
    """A policy as a layer: dict in, dict out, each example mixed by itself."""

    def __init__(self, settings, data_format):
        of_layer = {
            key: settings.pop(key)
            for key in ("name", "dtype", "trainable")
            if key in settings
        }
        super().__init__(autocast=False, **of_layer)
        own = {"per": "example", "dtype": self.compute_dtype}
        self.policy = self._policy_class(**{**own, **settings})
        self.data_format = data_format

    @property
    def _title(self):
        return f"layers.{type(self).__name__}"

    def __setattr__(self, name, value):
        if name in inspect.signature(self._policy_class).parameters:
            raise AttributeError(settings.cannot_change(self._title, name))
        super().__setattr__(name, value)

    def __getattr__(self, name):
        # The settings, under the names that they have in `keras.layers.MixUp`.
        if name in inspect.signature(self._policy_class).parameters:
            return getattr(self.policy, name)
        raise AttributeError(f"{self._title} has no attribute `{name}`.")

    @hints.not_converted
    def __call__(self, inputs: hints.Batch, training: bool = True) -> hints.Batch:
        if isinstance(inputs, tf.data.Dataset):
            mixed = self.policy(inputs) if training else inputs
            return mixed.map(self._with_images, num_parallel_calls=tf.data.AUTOTUNE)
        if not isinstance(inputs, dict) or (
            "labels" not in inputs and _is_symbolic(inputs)
        ):
            raise ValueError(
                f"{self._title} mixes a batch of images together with its labels. "
                'Expected a dict with "images" and "labels", in `Dataset.map`. '
                f"Received: {type(inputs).__name__}. To mix inside a model, where the "
                "labels are mixed too, use keras_mixup.MixUpModel."
            )
        if not training:
            return _in_backend(self._with_images(inputs), inputs)
        if _is_symbolic(inputs):
            return super().__call__(inputs)
        return _in_backend(self._with_images(self.policy(inputs)), inputs)

    def call(self, inputs, training=True):
        # Containers hand `training` on to those that have it.
        return self._with_images(self.policy(inputs) if training else inputs)

    def get_config(self) -> dict[str, Any]:
        config = {**self.policy.get_config(), **super().get_config()}
        return {**config, "data_format": self.data_format}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        names = set(inspect.signature(cls._policy_class).parameters) - {"dtype"}
        own = {name: value for name, value in config.items() if name in names}
        policy = cls._policy_class.from_config(own)
        made = {name: getattr(policy, name) for name in settings.CALLABLES}
        return cls(**{**config, **made})

    def _with_images(self, batch):
        name = dict_batches.images_name(batch)
        images = keras.tree.map_structure(
            lambda image: tf.cast(image, self.compute_dtype), batch[name]
        )
        return {**batch, name: images}


@keras.saving.register_keras_serializable("keras_mixup", name="MixUpLayer")
class MixUp(_PolicyLayer):
    """`keras_mixup.MixUp` with the contract of `keras.layers.MixUp`.

    Dict in, dict out, one lam an example, alpha 0.2 by default, images in the
    layer's compute dtype. What differs: labels are never broadcast (integers
    need `num_classes`), segmentation masks and boxes come back right, other
    entries pass untouched. With a seed or a schedule it is applied to the dataset,
    which counts the steps over the epochs: `dataset.apply(layer)`. Settings stay as
    they are given.

    Args:
        alpha: Float >= 0, a schedule or a variable, as in `keras_mixup.MixUp`.
        data_format: Accepted for compatibility; mixing does not depend on it.
        bounding_box_format: The same; boxes keep the format that they have.
        seed: Integer or None.
        **kwargs: Further arguments of `keras_mixup.MixUp`, and of a Keras layer.

    Call arguments:
        inputs: A dict of batches with `"images"`, `"labels"` and others, or a
            `tf.data.Dataset` of them, see `keras_mixup.MixUp`.
        training: Boolean; False gives the inputs back.

    Examples:
        >>> ds = ds.batch(64).apply(keras_mixup.layers.MixUp(alpha=0.2))
    """

    _policy_class = mixup.MixUp

    def __init__(
        self,
        alpha: hints.Alpha = 0.2,
        *,
        data_format: str | None = None,
        seed: int | None = None,
        bounding_box_format: str | None = None,
        **kwargs: Unpack[hints.MixUpLayerSettings],
    ) -> None:
        super().__init__({"alpha": alpha, "seed": seed, **kwargs}, data_format)
        self.bounding_box_format = bounding_box_format

    def get_config(self) -> dict[str, Any]:
        shown = {"bounding_box_format": self.bounding_box_format}
        return {**super().get_config(), **shown}


@keras.saving.register_keras_serializable("keras_mixup", name="CutMixLayer")
class CutMix(_PolicyLayer):
    """`keras_mixup.CutMix` with the contract of `keras.layers.CutMix`.

    Dict in, dict out, one box an example, images in the layer's compute dtype. What
    differs: `alpha` is that of Beta(alpha, alpha), where Keras's `factor` is the range
    of its alpha. Labels have the share of the pixels that are really pasted (integers
    need `num_classes`), segmentation masks are cut as they are where `num_classes` is a
    dict without them, such as `{"labels": 10}`, and become rows under one number. Boxes
    are clipped (`bounding_box_format`), other entries pass untouched.

    Args:
        alpha: As in `keras_mixup.CutMix`.
        data_format: `"channels_last"`, `"channels_first"` or None, which is Keras's
            own: says which axes are cut.
        seed: Integer or None.
        **kwargs: Further arguments of `keras_mixup.CutMix`, and of a Keras layer.

    Call arguments:
        As in `keras_mixup.layers.MixUp`.

    Examples:
        >>> ds = ds.batch(64).apply(keras_mixup.layers.CutMix(num_classes=10))
    """

    _policy_class = cutmix.CutMix

    def __init__(
        self,
        alpha: hints.Alpha = 1.0,
        *,
        data_format: Literal["channels_last", "channels_first"] | None = None,
        seed: int | None = None,
        **kwargs: Unpack[hints.CutMixLayerSettings],
    ) -> None:
        if "factor" in kwargs:
            raise ValueError(
                "layers.CutMix has no `factor`: in keras.layers.CutMix it is the range "
                "of alpha. Expected `alpha`, such as alpha=1.0 of the paper. Received: "
                f"factor={kwargs.get('factor')}"
            )
        data_format = (
            keras.config.image_data_format() if data_format is None else (data_format)
        )
        formats = {"channels_last": (1, 2), "channels_first": (2, 3)}
        arguments.check_choice("data_format", data_format, tuple(formats))
        axes = {"axes": formats[data_format], **kwargs}
        super().__init__({"alpha": alpha, "seed": seed, **axes}, data_format)


def _mixed_dtype_of(leaf):
    """The dtype of a mixed tensor of any backend, by its name."""
    dtype = keras.backend.standardize_dtype(leaf.dtype)
    return tf.as_dtype(mixing.mixed_dtype(tf.as_dtype(dtype))).name


def _in_backend(batch, inputs):
    """A mixed batch as tensors of Keras's backend, where it came as none of tf's."""
    own = keras.backend.backend() == "tensorflow"
    if own or any(tf.is_tensor(leaf) for leaf in keras.tree.flatten(inputs)):
        return batch
    return keras.tree.map_structure(keras.ops.convert_to_tensor, batch)


def _is_symbolic(inputs):
    return any(isinstance(x, keras.KerasTensor) for x in keras.tree.flatten(inputs))
