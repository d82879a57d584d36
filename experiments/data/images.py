"""Image sets as `tf.data` pipelines: bundled, of TFDS, or a folder of class folders."""

import dataclasses
import pathlib
from collections.abc import Callable

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from experiments.data import augmentation, digits, image_files, sources
from experiments.data.splits import choose, disjoint
from experiments.settings import Refusal

ACCEPTED = (
    "'digits', a set of TFDS with images and labels (cifar10, cifar100, fashion_mnist, "
    "imagenet2012, ...) or an image folder <root>/<split>/<class>/*.JPEG, *.jpg, "
    "*.jpeg or *.png"
)
ARCHIVES = ("ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar")


@dataclasses.dataclass(frozen=True)
class Images:
    """A set of labeled images."""

    # For every split a `tf.data.Dataset` of examples as they are kept, always in the
    # same order: small, and so cheap to shuffle.
    encoded: dict
    # From such an example to its image, uint8 of this shape, and its label, int64.
    decode: Callable
    # For every split, its number of images.
    counts: dict
    # Names of the classes: label `i` stands for `names[i]`.
    names: tuple
    # (height, width, 3), or (None, None, 3) where sizes differ.
    shape: tuple

    @property
    def datasets(self):
        """For every split, a `tf.data.Dataset` of (image, label)."""
        return {
            split: data.map(self.decode, num_parallel_calls=tf.data.AUTOTUNE)
            for split, data in self.encoded.items()
        }


def load_images(name, splits, places, size=None):
    """Loads splits of an image set as `Images`; gray ones get three equal channels.

    Args:
        name: "digits" (scikit-learn's, enlarged from 8 to 32 pixels by repeating
            pixels), a TFDS name, or an image folder `<root>/<split>/<class>/*.JPEG`
            (also .jpg, .jpeg, .png), absolute, relative to `places.data_dir` or to the
            working directory, whose images are each decoded once.
        splits: Tuple of splits that share no example, as TFDS writes them: "train",
            "train[:80%]", "train+val". Folders are in a fixed random order, so that a
            slice holds all classes.
        places: `sources.Places`.
        size: Pixels to which their shorter side is resized, before the central square
            is taken; None for the images as they are.
    """
    try:
        if name == "digits":
            images = _digits(splits)
        elif folder := image_files.find_folder(name, places.data_dir):
            images = _from_folder(folder, splits, places.skip_corrupt)
        else:
            images = _from_tfds(name, splits, places)
    except Refusal:
        raise
    except ValueError as error:  # what TFDS raises for a split that does not exist
        raise sources.UnknownData(
            "Invalid value received for argument `splits`. Expected splits as TFDS "
            f"writes them. Received: splits={splits} of {name!r} ({error})"
        ) from error
    if size is None:
        return images

    def decode(*example):
        image, label = images.decode(*example)
        return augmentation.central_crop(image[tf.newaxis], size, size)[0], label

    return dataclasses.replace(images, decode=decode, shape=(size, size, 3))


def check_one_size(images, name):
    """Raises where the images of a set differ in size."""
    if None in images.shape:
        raise sources.UnknownData(
            "Images of different sizes. Expected one size, or --image_size (where "
            f"there is one) to scale them to. Received: dataset={name!r}"
        )


def _digits(splits):
    parts = zip(("train", "test"), digits.load_digits(), strict=True)
    parts = {part: list(zip(*data, strict=True)) for part, data in parts}
    encoded, counts = {}, {}
    for split, chosen in choose(splits, parts).items():
        x, y = map(np.array, zip(*chosen, strict=True))
        x = x.repeat(4, axis=1).repeat(4, axis=2).repeat(3, axis=3)
        encoded[split] = tf.data.Dataset.from_tensor_slices((x, y.astype("int64")))
        counts[split] = len(y)
    names = tuple(map(str, range(digits.CLASSES)))
    return Images(encoded, lambda x, y: (x, y), counts, names, (32, 32, 3))


def _from_tfds(name, splits, places):
    try:
        features = tfds.builder(name, data_dir=places.prepared_dir).info.features
    except ValueError as error:  # DatasetNotFoundError is one.
        raise sources.UnknownData(
            f"Invalid value received for argument `name`. Expected {ACCEPTED}. "
            f"Received: name={name!r}, and no image folder of that name in "
            f"{places.data_dir or 'the working directory'} (--data_dir)"
        ) from error
    if not {"image", "label"} <= set(getattr(features, "keys", tuple)()):
        raise sources.UnknownData(
            "Invalid value received for argument `name`. Expected a set with the "
            f"features 'image' and 'label'. Received: name={name!r}"
        )
    raw, archives, expected = None, None, "Put what TFDS prepared into --data_dir."
    if by_hand := name == "imagenet2012":
        expected = (
            "ImageNet has to be downloaded by hand from image-net.org (registration): "
            f"put {' and '.join(ARCHIVES)} into --data_dir, and they will be prepared."
        )
        archives = [pathlib.Path(places.data_dir or "", file) for file in ARCHIVES]
        if places.data_dir and all(map(pathlib.Path.exists, archives)):
            raw = places.data_dir
    builder = sources.prepared_builder(
        lambda folder: tfds.builder(name, data_dir=folder),
        *(places, raw, archives, expected, by_hand),
    )
    sizes = {part: info.num_examples for part, info in builder.info.splits.items()}
    if sizes:
        found = disjoint(splits, sizes)
        names = {name for parts in found.values() for name, _ in parts}
        sources.check_whole(builder, splits, names)
    features = builder.info.features
    *sides, channels = features["image"].shape

    def decode(example):
        image = features["image"].decode_example(example["image"])
        image = tf.image.grayscale_to_rgb(image) if channels == 1 else image
        return image, example["label"]

    # Caching and prefetching are the caller's choice.
    config = tfds.ReadConfig(try_autocache=False, skip_prefetch=True)
    skip = {"image": tfds.decode.SkipDecoding()}
    encoded = {
        split: builder.as_dataset(split=split, read_config=config, decoders=skip)
        for split in splits
    }
    counts = {split: int(data.cardinality()) for split, data in encoded.items()}
    names = tuple(features["label"].names)
    return Images(encoded, decode, counts, names, (*sides, 3))


def _from_folder(folder, splits, skip_corrupt):
    chosen = choose(splits, image_files.labeled_files(folder))
    labels = _labels(chosen)
    paths = sorted({path for files in chosen.values() for path, _ in files})
    shapes = image_files.shapes_of(paths, folder, skip_corrupt)
    shape = set(shapes.values())
    shape = shape.pop() if len(shape) == 1 else (None, None, 3)

    def decode(path, label):
        return tf.ensure_shape(image_files.decoded(path), shape), label

    encoded, counts = {}, {}
    for split, files in chosen.items():
        files = [(path, label) for path, label in files if path in shapes]
        kept = tf.constant([path for path, _ in files], tf.string)
        numbers = tf.constant([labels[label] for _, label in files], tf.int64)
        encoded[split] = tf.data.Dataset.from_tensor_slices((kept, numbers))
        counts[split] = len(files)
    return Images(encoded, decode, counts, tuple(labels), shape)


def _labels(chosen):
    """Numbers of the classes of these splits: a label means the same in each."""
    classes = {split: {label for _, label in files} for split, files in chosen.items()}
    (first, known), *others = classes.items()
    for split, found in others:
        if not found & known:
            raise sources.UnknownData(
                f"The split {split!r} has none of the classes of {first!r}, but "
                f"{sorted(found)[:10]}. Expected <root>/<split>/<class>/<image>."
            )
    names = sorted(set().union(*classes.values()))
    return {name: index for index, name in enumerate(names)}
