"""What a batch holds: features, targets, weights, boxes, and what passes by.

A batch is `(x, y)`, `(x, y, sample_weight)`, or a dict as the preprocessing
layers of Keras and KerasCV and TensorFlow Datasets use it. Both are read into one
`Batch`, whose lists hold only what is mixed, and put together again in their own
form. None in a nest stays where it is.
"""

import dataclasses
import functools
from collections.abc import Mapping

import keras
import tensorflow as tf

from keras_mixup import boxes as boxes_module
from keras_mixup import dict_batches, mixing, steps, target_checks, targets
from keras_mixup.sample_weights import spread_weights, weight_at


@dataclasses.dataclass
class Batch:
    """The parts of a batch that are mixed, as flat lists of tensors.

    `weights` has an entry for each target, None where there is none, and
    `paths` the path of each target inside the batch, for its `num_classes`.
    `put_targets` puts tensors in the place of the targets.
    """

    features: list
    targets: list
    weights: list
    boxes: dict | None
    paths: list
    rebuild: object
    put_targets: object

    def tensors(self):
        weights = [weight for weight in self.weights if weight is not None]
        return self.features + self.targets + weights

    def mixed_parts(self):
        """The parts as a dict, as the sums take them and `rebuild` gives back."""
        parts = {
            name: getattr(self, name) for name in ("features", "targets", "weights")
        }
        return parts if self.boxes is None else {**parts, "boxes": self.boxes}

    def has_boxes_for_no_compiler(self):
        """Whether the boxes are ragged or have strings, which XLA does not take."""
        return any(
            isinstance(entry, tf.RaggedTensor) or entry.dtype == tf.string
            for entry in (self.boxes or {}).values()
        )


def read_batch(batch, passthrough=(), num_classes=None, quantities=()):
    """Reads a tuple or a dict into a `Batch`.

    Args:
        batch: The batch.
        passthrough: Names of entries that pass.
        num_classes: As of `MixUp`; rows of so many integers become float32.
        quantities: Names of integer features that are mixed, or True for all; None
            where nothing is averaged, and booleans are mixed too.

    Raises:
        ValueError: for another form, a feature that cannot be mixed, batch
            sizes that differ, or weights that fit no target.
    """
    if isinstance(batch, Mapping):
        read = _read_dict(batch, passthrough, num_classes, quantities)
    elif isinstance(batch, (tuple, list)) and len(batch) in (2, 3):
        read = _read_tuple(tuple(batch), passthrough, num_classes, quantities)
    else:
        kind = type(batch).__name__
        if isinstance(batch, (tuple, list)):
            kind += f" of length {len(batch)}"
        raise ValueError(
            "Invalid batch. Expected (x, y), (x, y, sample_weight), or a dict with "
            '"images" and "labels". Take another structure apart before, as in '
            "dataset.map(lambda batch: (batch[inputs], batch[targets])). Received: "
            f"{kind}"
        )
    tensors = read.tensors() + list((read.boxes or {}).values())
    mixing.check_batch_sizes(tensors, names=_names(read))
    return read


def split_features(x, passthrough=(), quantities=()):
    """The entries of x that are mixed, and a function that puts them back.

    `quantities` are the names of integers that are mixed too, or True for all; None
    where nothing is averaged. An x that is one tensor is called "x".
    """
    leaves, put_back = _split(x, passthrough, alone=("x",))
    if not leaves:
        raise ValueError(
            "Nothing to mix: targets alone would be. Expected a feature that is not "
            f"named in `passthrough`. Received: passthrough={list(passthrough)}"
        )
    for path, leaf in leaves:
        boxes_module.refuse_in_nest(path, leaf)
        named = path or ("x",)
        is_quantity = quantities is True or any(
            key in (quantities or ()) for key in named
        )
        averages = quantities is not None
        mixing.check_mixable(leaf, "/".join(map(str, named)), is_quantity, averages)
    return [leaf for _, leaf in leaves], put_back


def _split_targets(y, passthrough, num_classes):
    """The same of targets, as (path, tensor) each."""
    leaves, put_back = _split(y, passthrough)
    read = []
    for path, leaf in leaves:
        boxes_module.refuse_in_nest(path, leaf)
        target_checks.refuse_censoring(path)
        name = "/".join(map(str, path)) or "y"
        classes = targets.per_target(num_classes, path)
        read.append((path, target_checks.read_target(leaf, classes, name)))
    return read, put_back


def _read_tuple(batch, passthrough, num_classes, quantities):
    x, y, weights = batch if len(batch) == 3 else (*batch, None)
    for name, part in (("x", x), ("y", y)):
        if all(leaf is None for leaf in keras.tree.flatten(part)):
            raise ValueError(
                "mixup mixes features and targets. Expected (x, y). "
                f"Received: {name}={part}"
            )
    features, put_features = split_features(x, passthrough, quantities)
    leaves, put_targets = _split_targets(y, passthrough, num_classes)
    spread = spread_weights(weights, y, leaves)

    def rebuild(features, targets, weights, boxes):
        del boxes
        result = (put_features(features), put_targets(targets))
        if all(weight is None for weight in weights):
            return result if len(batch) == 2 else (*result, batch[2])
        if len(keras.tree.flatten(y)) > 1:
            passing = functools.partial(
                weight_at, batch[2] if len(batch) == 3 else None
            )
            return (*result, put_targets(weights, passing))
        return (*result, weights[0])

    paths = [path for path, _ in leaves]
    leaves = [leaf for _, leaf in leaves]
    return Batch(features, leaves, spread, None, paths, rebuild, put_targets)


def _read_dict(batch, passthrough, num_classes, quantities):
    names = dict_batches.names_in(batch, passthrough)
    weight = batch.get(dict_batches.WEIGHT)
    named = {key: batch[key] for key in names.targets}
    inputs = {names.images: batch[names.images]}
    if not named and weight is not None:
        # Boxes have weights of their own; the image's is mixed as it is.
        inputs[dict_batches.WEIGHT] = tf.cast(weight, tf.float32)
    features, put_features = split_features(inputs, passthrough, quantities)
    leaves, put_targets = _split_targets(named, passthrough, num_classes)
    spread = spread_weights(weight, named, leaves)
    boxes = None
    if names.has_boxes:
        boxes = boxes_module.read_boxes(batch[dict_batches.BOXES])

    def rebuild(features, targets, weights, boxes):
        mixed = {**batch, **put_features(features), **put_targets(targets)}
        if boxes is not None:
            mixed[dict_batches.BOXES] = {**batch[dict_batches.BOXES], **boxes}
        for key, one in put_targets(weights, lambda path: None).items():
            if any(leaf is not None for leaf in keras.tree.flatten(one)):
                name = dict_batches.weight_name(key, names.targets, weight is not None)
                mixed[name] = one
        return mixed

    paths = [path for path, _ in leaves]
    leaves_only = [leaf for _, leaf in leaves]
    return Batch(features, leaves_only, spread, boxes, paths, rebuild, put_targets)


def _split(nest, passthrough, alone=()):
    """(path, tensor) of each mixed leaf, and the way back; `alone` names a lone one."""
    flat = keras.tree.flatten_with_path(nest)
    mixed = [
        leaf is not None and not any(key in passthrough for key in path or alone)
        for path, leaf in flat
    ]
    leaves = [
        (p, mixing.as_tensor(leaf)) for (p, leaf), keep in zip(flat, mixed) if keep
    ]

    def put_back(tensors, passing=None):
        # What passes keeps its place: itself, or what `passing` gives for its path.
        tensors = iter(tensors)
        others = [leaf if passing is None else passing(path) for path, leaf in flat]
        return keras.tree.pack_sequence_as(
            nest,
            [next(tensors) if m else o for m, o in zip(mixed, others, strict=True)],
        )

    return leaves, put_back


def _names(read):
    features = [f"feature {i}" for i in range(len(read.features))]
    names = ["/".join(map(str, path)) or "y" for path in read.paths]
    weights = [
        f"sample_weight of {n}" for n, w in zip(names, read.weights) if w is not None
    ]
    return features + names + weights + list(read.boxes or {})


def check_names(batch, policy, inputs=(), outputs=()):
    """Raises where a setting names an entry that is not there.

    It would act on nothing: what was to pass would be mixed. `inputs` and `outputs` are
    names of a network's ends. The latter stand for targets where y is a dict, which may
    leave some out; a list or a lone tensor has no names.
    """
    parts = (batch,) if isinstance(batch, Mapping) else tuple(batch)[:2]
    y = parts[-1]
    of_y = _keys(y)
    if isinstance(batch, Mapping):
        of_y -= {*dict_batches.IMAGES, dict_batches.WEIGHT}
    found = {*of_y, *(_keys(parts[0]) or ["x"]), *inputs}
    if isinstance(y, Mapping):
        of_y |= set(outputs)
    for name in ("passthrough", "quantities", "num_classes", "multi_label", "period"):
        value = getattr(policy, name)
        of_targets = name in ("num_classes", "multi_label", "period")
        if of_targets and isinstance(value, (tuple, list)):
            fits = isinstance(y, (tuple, list))
            if fits and len(value) != len(y):
                raise ValueError(
                    f"Invalid value received for argument `{name}`. Expected one entry "
                    f"for each of {len(y)} targets. Received: {name}={value}"
                )
        elif isinstance(value, (Mapping, tuple, list, set)):
            known = of_y if of_targets else found
            missing = [key for key in value if key not in known]
            if missing:
                expected = f"names of entries of the batch, {sorted(map(str, known))}"
                if of_targets and not any(isinstance(key, str) for key in of_y):
                    several = isinstance(y, (tuple, list))
                    expected = "a list of one entry" if several else "one value"
                    expected += " for targets without names, or y as a dict"
                raise ValueError(
                    f"Invalid value received for argument `{name}`. Expected "
                    f"{expected}. Received: {missing}"
                )


def _keys(nest):
    return {key for path, _ in keras.tree.flatten_with_path(nest) for key in path}


def check_several(read):
    """Raises where each batch of a dataset is one example, which has no partner."""
    if steps.inside_dataset() and read.tensors()[0].shape[0] == 1:
        raise ValueError(
            "A batch of one example has no partner in it. Expected batches of two or "
            "more, or each batch with the one before it, `pairs = ones.scan(first, "
            "lambda before, batch: (batch, (batch, before)))`, mixed by "
            "`mixup.between(batch, before, step=step)` (docs/partners.md). Received: "
            "batches of one"
        )


def check_alike(batch, other):
    """Raises unless two batches have the same parts and the same size."""
    forms = [
        (len(one.features), one.paths, [weight is None for weight in one.weights])
        for one in (batch, other)
    ]
    boxes = [
        {key: type(entry).__name__ for key, entry in (one.boxes or {}).items()}
        for one in (batch, other)
    ]
    if forms[0] != forms[1] or boxes[0] != boxes[1]:
        raise ValueError(
            "`between` needs two batches of the same structure. Received: "
            f"{forms[0] + (boxes[0],)} and {forms[1] + (boxes[1],)} "
            "(features, targets, missing weights, boxes and whether they are ragged "
            "or dense)"
        )
    for one, two in zip(batch.tensors(), other.tensors(), strict=True):
        if not one.shape.is_compatible_with(two.shape) or one.dtype != two.dtype:
            raise ValueError(
                "`between` needs two batches of the same shapes and dtypes. Received: "
                f"{one.dtype.name} {one.shape} and {two.dtype.name} {two.shape}"
            )
    mixing.check_batch_sizes([batch.tensors()[0], other.tensors()[0]], ["one", "other"])
