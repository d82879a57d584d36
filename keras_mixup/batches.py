"""What a batch holds: features, targets, weights, boxes, and what passes by.

A batch is `(x, y)`, `(x, y, sample_weight)`, or a dict as the preprocessing
layers of Keras and KerasCV use it. Both are read into one `Batch`, whose lists
hold only what is mixed, and put together again in their own form.
"""

import dataclasses
from collections.abc import Mapping

import keras
import tensorflow as tf

from keras_mixup import boxes as boxes_module
from keras_mixup import mixing, targets

_TARGET_KEYS = ("labels", "segmentation_masks")


@dataclasses.dataclass
class Batch:
    """The parts of a batch that are mixed, as flat lists of tensors.

    `weights` has an entry for each target, None where there is none, and
    `paths` the path of each target inside the batch, for its `num_classes`.
    """

    features: list
    targets: list
    weights: list
    boxes: dict | None
    paths: list
    rebuild: object

    def tensors(self):
        weights = [weight for weight in self.weights if weight is not None]
        return self.features + self.targets + weights

    def mixed_parts(self):
        """The parts as a dict, as the sums take them and `rebuild` gives back."""
        parts = {
            name: getattr(self, name) for name in ("features", "targets", "weights")
        }
        return parts if self.boxes is None else {**parts, "boxes": self.boxes}

    def is_ragged(self):
        """Whether the boxes are ragged, which XLA does not take."""
        entries = (self.boxes or {}).values()
        return any(isinstance(entry, tf.RaggedTensor) for entry in entries)


def read_batch(batch, passthrough=()):
    """Reads a tuple or a dict into a `Batch`.

    Raises:
        ValueError: for another form, a feature that cannot be mixed, batch
            sizes that differ, or weights that fit no target.
    """
    if isinstance(batch, Mapping):
        read = _read_dict(batch, passthrough)
    elif isinstance(batch, (tuple, list)) and len(batch) in (2, 3):
        read = _read_tuple(tuple(batch), passthrough)
    else:
        kind = type(batch).__name__
        if isinstance(batch, (tuple, list)):
            kind += f" of length {len(batch)}"
        raise ValueError(
            "Invalid batch. Expected (x, y), (x, y, sample_weight), or a dict with "
            f'"images" and "labels". Received: {kind}'
        )
    tensors = read.tensors() + list((read.boxes or {}).values())
    if not tensors:
        raise ValueError(
            "Nothing to mix. Expected an entry that is not named in `passthrough`. "
            f"Received: passthrough={list(passthrough)}"
        )
    mixing.check_batch_sizes(tensors, names=_names(read))
    return read


def split_features(x, passthrough=()):
    """The entries of x that are mixed, and a function that puts them back."""
    leaves, put_back = _split(x, passthrough)
    for path, leaf in leaves:
        mixing.check_mixable(leaf, "/".join(map(str, path)) or "x")
    return [leaf for _, leaf in leaves], put_back


def spread_weights(weights, y, leaves):
    """One sample weight for each target: the same for all, or one each.

    Args:
        weights: None, a tensor, or a nest of them.
        y: The targets, as they were given.
        leaves: (path, tensor) of each target that is mixed.

    Returns:
        A list of float32 tensors that fit their targets, or None.
    """
    if weights is None:
        return [None] * len(leaves)
    if isinstance(weights, Mapping) and isinstance(y, Mapping):
        unknown = sorted(set(weights) - set(y))
        flat = [weights.get(path[0]) for path, _ in leaves]
    else:
        unknown, flat = [], keras.tree.flatten(weights)
    flat = flat * len(leaves) if len(flat) == 1 else flat
    if unknown or len(flat) != len(leaves):
        raise ValueError(
            "Invalid structure received for `sample_weight`. Expected one tensor, or "
            f"one for each of the {len(leaves)} targets. "
            f"Received: {unknown or len(flat)}"
        )
    return [
        None if w is None else targets.fit_weight(tf.convert_to_tensor(w), leaf)
        for w, (_, leaf) in zip(flat, leaves, strict=True)
    ]


def _read_tuple(batch, passthrough):
    x, y, weights = batch if len(batch) == 3 else (*batch, None)
    if y is None:
        raise ValueError("mixup mixes targets too. Expected (x, y). Received: y=None")
    if isinstance(y, Mapping) and "boxes" in y:
        raise ValueError(
            "Boxes are joined, not averaged. Expected a batch that is a dict, "
            '{"images": x, "bounding_boxes": boxes}. Received: a tuple whose y has '
            f"{sorted(y)}"
        )
    features, put_features = split_features(x, passthrough)
    leaves, put_targets = _split(y, passthrough)
    spread = spread_weights(weights, y, leaves)

    def rebuild(features, targets, weights, boxes):
        del boxes
        result = (put_features(features), put_targets(targets))
        if all(weight is None for weight in weights):
            return result if len(batch) == 2 else (*result, batch[2])
        if keras.tree.is_nested(y) and len(weights) > 1:
            return (*result, put_targets(weights, passing=None))
        return (*result, weights[0])

    paths = [path for path, _ in leaves]
    leaves = [leaf for _, leaf in leaves]
    return Batch(features, leaves, spread, None, paths, rebuild)


def _read_dict(batch, passthrough):
    if "images" not in batch:
        raise ValueError(
            'Invalid batch. Expected a dict with "images" and "labels", and as they '
            'are there "segmentation_masks", "bounding_boxes" and "sample_weight". '
            f"Received: entries {sorted(batch)}"
        )
    named = {key: batch[key] for key in _TARGET_KEYS if key in batch}
    inputs = {"images": batch["images"]}
    if not named and "sample_weight" in batch:
        # Boxes have weights of their own; the image's is mixed as it is.
        inputs["sample_weight"] = tf.cast(batch["sample_weight"], tf.float32)
    features, put_features = split_features(inputs, passthrough)
    leaves, put_targets = _split(named, passthrough)
    spread = spread_weights(batch.get("sample_weight"), named, leaves)
    boxes = batch.get("bounding_boxes")
    if boxes is not None:
        boxes_module.class_key_of(boxes)
        boxes = {key: _tensor(value) for key, value in boxes.items()}

    def rebuild(features, targets, weights, boxes):
        mixed = {**batch, **put_features(features), **put_targets(targets)}
        if boxes is not None:
            mixed["bounding_boxes"] = boxes
        for key, weight in put_targets(weights, passing=None).items():
            if all(one is None for one in keras.tree.flatten(weight)):
                continue
            own = key == "labels" or ("sample_weight" in batch and len(leaves) == 1)
            mixed["sample_weight" if own else f"{key}_weight"] = weight
        return mixed

    paths = [path for path, _ in leaves]
    leaves_only = [leaf for _, leaf in leaves]
    return Batch(features, leaves_only, spread, boxes, paths, rebuild)


def _split(nest, passthrough):
    """(path, tensor) of each leaf that is mixed, and the way back."""
    flat = keras.tree.flatten_with_path(nest)
    mixed = [not any(key in passthrough for key in path) for path, _ in flat]
    leaves = [(p, _tensor(leaf)) for (p, leaf), keep in zip(flat, mixed) if keep]

    def put_back(tensors, **passing):
        # What passes keeps its place: itself, or the `passing` that is given.
        tensors = iter(tensors)
        others = [passing.get("passing", leaf) for _, leaf in flat]
        return keras.tree.pack_sequence_as(
            nest,
            [next(tensors) if m else o for m, o in zip(mixed, others, strict=True)],
        )

    return leaves, put_back


def _tensor(leaf):
    if isinstance(leaf, (tf.RaggedTensor, tf.SparseTensor)):
        return leaf
    return tf.convert_to_tensor(leaf)


def _names(read):
    features = [f"feature {i}" for i in range(len(read.features))]
    names = ["/".join(map(str, path)) or "y" for path in read.paths]
    weights = [
        f"sample_weight of {n}" for n, w in zip(names, read.weights) if w is not None
    ]
    return features + names + weights + sorted(read.boxes or {})


def check_alike(batch, other):
    """Raises unless two batches have the same parts and the same size."""
    forms = [
        (len(one.features), one.paths, [weight is None for weight in one.weights])
        for one in (batch, other)
    ]
    boxes = [(sorted(one.boxes or {}), one.is_ragged()) for one in (batch, other)]
    if forms[0] != forms[1] or boxes[0] != boxes[1]:
        raise ValueError(
            "`between` needs two batches of the same structure. Received: "
            f"{forms[0] + (boxes[0],)} and {forms[1] + (boxes[1],)} "
            "(features, targets, missing weights, boxes and whether they are ragged)"
        )
    for one, two in zip(batch.tensors(), other.tensors(), strict=True):
        if not one.shape.is_compatible_with(two.shape) or one.dtype != two.dtype:
            raise ValueError(
                "`between` needs two batches of the same shapes and dtypes. Received: "
                f"{one.dtype.name} {one.shape} and {two.dtype.name} {two.shape}"
            )
    mixing.check_batch_sizes([batch.tensors()[0], other.tensors()[0]], ["one", "other"])
