"""Mixing points: places of a network at which a train step mixes."""

import contextlib
import contextvars

import keras
import tensorflow as tf

from keras_mixup import combining, halves, keras_private, mixing

# Replicas trace their steps in threads of their own; a context variable is
# private to each.
_active = contextvars.ContextVar("active mixing points", default=None)


class MixingPoints:
    """The draws of one train step, by the name of the point, and who used them.

    `draws[name]` is a `draws.Draw`, `policy` and `key` place it at the features of the
    point, `inputs` and `clean` (targets and weights) are those of the unmixed batch.
    `with_clean` says that features have a second half, which is not mixed (`halves`).
    The forward pass calls each point once. When it is over, the targets are mixed as
    the points were, and a point that is called again is one that the backward pass
    computes anew (`tf.recompute_grad`, `keras.remat`).
    """

    def __init__(self, draws, policy, key, inputs=None, clean=(None, None)):
        self.draws = draws
        self.policy = policy
        self.key = key
        self.inputs = inputs
        self.clean = clean
        self.with_clean = False
        self.placed = {}
        self.mixed = None
        self.forward_is_over = False

    def mix(self, name, features):
        """The mixed features of a point. A second call in a forward pass raises."""
        if name in self.placed and not self.forward_is_over:
            raise ValueError(
                f"The mixing point `{name}` is called twice in one step, so it would "
                "mix twice. Expected a layer that is called once."
            )
        if self.with_clean:
            features, clean = halves.halves(features)
        leaves = keras.tree.flatten(features)
        for leaf in leaves:
            mixing.check_mixable(leaf, name, averages=self.policy.averages)
        _check_graph(self.draws[name], name)
        draw = self.place(name, leaves)
        mixed = keras.tree.map_structure(
            lambda leaf: _mix_one(leaf, draw, self.policy.padding), features
        )
        return halves.joined(mixed, clean) if self.with_clean else mixed

    def place(self, name, leaves):
        """The draw of a point at its features, which the targets go by later."""
        placed = self.policy.placed(self.draws[name], self.key, leaves)
        self.placed.setdefault(name, placed)
        return placed

    def masks_at(self, name, mask):
        """The mask of the mixed features, of that of the unmixed ones."""
        if self.with_clean:
            mask, clean = tf.split(mask, 2)
        draw = self.policy.placed(self.draws[name], self.key, [mask])
        mixed = _mask_of_mixed(mask, draw, self.policy.padding)
        return tf.concat([mixed, clean], axis=0) if self.with_clean else mixed

    def check_reached(self):
        """Raises unless every point has mixed."""
        missed = sorted(set(self.draws) - set(self.placed))
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


def mix_features(features, draw, mask=None, padding="union"):
    """The mixed features. Padding, by a mask (batch, ...), weighs nothing in a sum."""
    parts = mixing.gather_parts([features], draw.partners)
    weights = combining.weights_at(draw, features)
    if mask is None or weights[0].dtype.is_bool:
        return combining.combined(parts, draw)
    masks = mixing.gather_parts([mask], draw.partners)
    parts, masks = combining.shown(parts, draw), combining.shown(masks, draw)
    return mixing.mix_masked(parts, masks, weights, padding)


def _mix_one(features, draw, padding):
    mask = keras_private.mask_of(features)
    mixed = mix_features(features, draw, mask, padding)
    if mask is not None:
        keras_private.set_mask(mixed, _mask_of_mixed(mask, draw, padding))
    return mixed


def _mask_of_mixed(mask, draw, padding):
    """Where a mixed sequence is, by its parts of a weight above 0."""
    masks = mixing.gather_parts([mask], draw.partners)
    return combining.combined_masks(masks, draw, padding)


def mix_mask(point, mask):
    """The mask of a point's mixed features, in a step that mixes there."""
    points = active_points()
    if points is None or point not in points.draws:
        return mask
    return points.masks_at(point, mask)
