"""The Keras layers: MixUp for dicts in a pipeline, MixFeatures inside a network."""

import contextlib
import contextvars
import inspect

import keras
import tensorflow as tf

from keras_mixup import dict_batches, keras_private, mixing, mixup, settings

# Replicas trace their steps in threads of their own; a context variable is
# private to each.
_active = contextvars.ContextVar("active mixing points", default=None)


class MixingPoints:
    """The draws of one train step, by the name of the point, and who used them.

    `draws[name]` is a `draws.Draw`, `inputs` are the unmixed inputs of the step, and
    `parts_of` gives the K parts of a tensor. The forward pass calls each point once.
    When it is over, a point that is called again is one that the backward pass computes
    anew (`tf.recompute_grad`, `keras.remat`).
    """

    def __init__(self, draws, inputs=None, parts_of=None):
        self.draws = draws
        self.inputs = inputs
        self.parts_of = parts_of
        self.reached = set()
        self.forward_is_over = False

    def mix(self, name, features):
        """The mixed features of a point. A second call in a forward pass raises."""
        if name in self.reached and not self.forward_is_over:
            raise ValueError(
                f"The mixing point `{name}` is called twice in one step, so it would "
                "mix twice. Expected a layer that is called once."
            )
        self.reached.add(name)
        _check_graph(self.draws[name], name)
        return keras.tree.map_structure(
            lambda leaf: self._mix_one(leaf, name), features
        )

    def _mix_one(self, features, name):
        mixing.check_mixable(features, name)
        mask = keras_private.mask_of(features)
        mixed = mix_features(features, self.draws[name], mask)
        if mask is not None:
            keras_private.set_mask(mixed, _any_of(mask, self.draws[name]))
        return mixed

    def check_reached(self):
        """Raises unless every point has mixed."""
        missed = sorted(set(self.draws) - self.reached)
        if missed:
            raise ValueError(
                f"Mixing points {missed} of `mix_at` were not reached in the train "
                "step. Expected MixFeatures layers that the network calls, outside of "
                "functions of its own that are a tf.function: those run as they were "
                "traced before. `fit` compiles the whole step in any case."
            )


def active_points():
    """The mixing points of the train step that runs now, or None."""
    return _active.get()


@contextlib.contextmanager
def mixing_at(points):
    """Inside, `MixFeatures` layers mix by these points; None: they mix nothing."""
    token = _active.set(points)
    try:
        yield points
    finally:
        _active.reset(token)


def _check_graph(draw, name):
    """Raises where a traced function would keep the draw of the step that traced it."""
    own = draw.coefficients[0]
    if tf.inside_function() and hasattr(own, "numpy"):
        raise ValueError(
            f"The mixing point `{name}` is called inside a tf.function of the network, "
            "while the step runs eagerly: the function would keep this step's draw for "
            "ever. Expected a network without a tf.function of its own, or "
            "compile(run_eagerly=False)."
        )


def mix_features(features, draw, mask=None):
    """The mixed features. Padding, by a mask (batch, ...), weighs nothing."""
    parts = mixing.gather_parts([features], draw.partners)
    if mask is None:
        return mixing.mix_parts(parts, draw.coefficients)
    masks = mixing.gather_parts([mask], draw.partners)
    return mixing.mix_masked(parts, masks, draw.coefficients)


def _any_of(mask, draw):
    """A mixed sequence is as long as its longest part of a weight above 0."""
    coefficients, partners = draw
    parts = mixing.gather_parts([mask], partners)
    present = [
        part & mixing.expand_to_rank(coefficient > 0, part.shape.rank)
        for part, coefficient in zip(parts, coefficients, strict=True)
    ]
    return tf.reduce_any(tf.stack(present), axis=0)


def _mix_mask(point, mask):
    points = active_points()
    if points is None or point not in points.draws:
        return mask
    return _any_of(mask, points.draws[point])


@keras.saving.register_keras_serializable("keras_mixup")
class MixMask(keras.layers.Layer):
    """The mask that goes along with a `MixFeatures` layer, which makes this one."""

    def __init__(self, point, **kwargs):
        super().__init__(**{"autocast": False, **kwargs})
        self.point = point

    def call(self, mask):
        return _mix_mask(self.point, mask)

    def compute_output_spec(self, mask):
        return keras.KerasTensor(mask.shape, mask.dtype)

    def get_config(self):
        return {**super().get_config(), "point": self.point}


@keras.saving.register_keras_serializable("keras_mixup")
class MixFeatures(keras.layers.Layer):
    """A point of a network at which `MixUpModel` can mix hidden features.

    The identity everywhere but in the train step of a
    `MixUpModel(network, mixup, mix_at=[name])` that names it. Put it where a
    network cannot be cut: in a residual branch, or in a subclassed model
    (hidden-layer mixing: Zhang et al., Table 5; Verma et al., 2019). A mask
    goes along: in the step it is the union of the masks of all mixed parts. Floats keep
    their dtype, whatever the dtype policy; uint8 becomes float32.

    Example:
    >>> branch = keras_mixup.layers.MixFeatures(name="branch")(branch)
    """

    def __init__(self, **kwargs):
        super().__init__(**{"autocast": False, **kwargs})
        self.supports_masking = True

    def call(self, inputs):
        points = active_points()
        if points is None or self.name not in points.draws:
            return keras.tree.map_structure(
                lambda leaf: tf.cast(leaf, mixing.mixed_dtype(leaf.dtype)), inputs
            )
        return points.mix(self.name, inputs)

    def compute_mask(self, inputs, previous_mask):
        def of_one(mask):
            # A functional network wires masks when it is made: what happens to
            # them in a step must be a layer there.
            symbolic = isinstance(mask, keras.KerasTensor)
            return MixMask(self.name)(mask) if symbolic else _mix_mask(self.name, mask)

        if previous_mask is None:
            return None
        return keras.tree.map_structure(of_one, previous_mask)

    def compute_output_spec(self, inputs):
        # Keras would promise the compute dtype; floats keep the one that they have.
        return keras.tree.map_structure(
            lambda leaf: keras.KerasTensor(
                leaf.shape, mixing.mixed_dtype(leaf.dtype), leaf.sparse, leaf.ragged
            ),
            inputs,
        )

    def compute_output_shape(self, input_shape):
        return input_shape


@keras.saving.register_keras_serializable("keras_mixup", name="MixUpLayer")
class MixUp(keras.layers.Layer):
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

    Example:
    >>> ds = ds.batch(64).apply(keras_mixup.layers.MixUp(alpha=0.2))
    """

    def __init__(
        self,
        alpha=0.2,
        *,
        data_format=None,
        seed=None,
        bounding_box_format=None,
        **kwargs,
    ):
        of_layer = {
            key: kwargs.pop(key)
            for key in ("name", "dtype", "trainable")
            if key in kwargs
        }
        super().__init__(autocast=False, **of_layer)
        self.policy = mixup.MixUp(alpha, seed=seed, **{"per": "example", **kwargs})
        self.data_format = data_format
        self.bounding_box_format = bounding_box_format

    def __setattr__(self, name, value):
        if name in inspect.signature(mixup.MixUp).parameters:
            raise AttributeError(settings.cannot_change("layers.MixUp", name))
        super().__setattr__(name, value)

    def __getattr__(self, name):
        # The settings, under the names that they have in `keras.layers.MixUp`.
        if name in inspect.signature(mixup.MixUp).parameters:
            return getattr(self.policy, name)
        raise AttributeError(f"layers.MixUp has no attribute `{name}`.")

    @tf.autograph.experimental.do_not_convert
    def __call__(self, inputs, training=True):
        if isinstance(inputs, tf.data.Dataset):
            mixed = self.policy(inputs) if training else inputs
            return mixed.map(self._with_images, num_parallel_calls=tf.data.AUTOTUNE)
        if not isinstance(inputs, dict) or (
            "labels" not in inputs and _is_symbolic(inputs)
        ):
            raise ValueError(
                "layers.MixUp mixes a batch of images together with its labels. "
                'Expected a dict with "images" and "labels", in `Dataset.map`. '
                f"Received: {type(inputs).__name__}. To mix inside a model, where the "
                "labels are mixed too, use keras_mixup.MixUpModel."
            )
        if not training:
            return self._with_images(inputs)
        if _is_symbolic(inputs):
            return super().__call__(inputs)
        return self._with_images(self.policy(inputs))

    def call(self, inputs, training=True):
        # Containers hand `training` on to those that have it.
        return self._with_images(self.policy(inputs) if training else inputs)

    def get_config(self):
        config = {**super().get_config(), **self.policy.get_config()}
        names = ("data_format", "bounding_box_format")
        return {**config, **{name: getattr(self, name) for name in names}}

    @classmethod
    def from_config(cls, config):
        policy = mixup.MixUp.from_config(
            {k: v for k, v in config.items() if k in mixup.MixUp().get_config()}
        )
        return cls(**{**config, "alpha": policy.alpha})

    def _with_images(self, batch):
        name = dict_batches.images_name(batch)
        images = keras.tree.map_structure(
            lambda image: tf.cast(image, self.compute_dtype), batch[name]
        )
        return {**batch, name: images}


def _is_symbolic(inputs):
    return any(isinstance(x, keras.KerasTensor) for x in keras.tree.flatten(inputs))
