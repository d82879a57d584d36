"""Image folders `<root>/<split>/<class>/<image>`: found, listed, checked, decoded."""

import collections
import os
import pathlib
import random

import tensorflow as tf

from experiments.data.sources import CorruptData, MissingData

SUFFIXES = (".jpeg", ".jpg", ".png")
# Pixels of one image; ImageNet's largest has less than half of that. A file of a few
# kilobytes can claim pictures that no memory holds.
LARGEST = 2**27
# Images of the splits of a known set.
COUNTS = {"tiny_imagenet_20": {"train": 10_000, "val": 1_000}}


def find_folder(name, data_dir):
    """The image folder that `name` stands for; None if it is no folder's name."""
    tried = [pathlib.Path(name).expanduser()]
    if data_dir:
        tried.insert(0, pathlib.Path(data_dir, tried[0]))
    for folder in tried:
        if any(_is_image(path) for path in folder.glob("*/*/*")):
            return folder
        if any(folder.glob("*/*/")) and not any(folder.glob("*/*/*")):
            raise MissingData(
                f"Expected images in the class folders of {folder}. Found: 0, all of "
                "them are empty."
            )
    if "/" in name or os.sep in name:
        searched = ", ".join(map(str, tried))
        raise MissingData(
            f"No image folder found for {name!r}. Searched: {searched}. Expected "
            f"images in <folder>/<split>/<class>/, ending in {', '.join(SUFFIXES)}."
        )
    return None


def _is_image(path):
    return path.suffix.lower() in SUFFIXES


def labeled_files(folder):
    """For every split, (path, class) of its images in a fixed random order.

    Raises where a class folder is empty, or a known set has fewer images than it had.
    """
    parts = collections.defaultdict(list)
    for path in sorted(filter(_is_image, folder.glob("*/*/*"))):
        split, label, _ = path.parts[-3:]
        parts[split].append((str(path), label))
    classes = sorted(path for path in folder.glob("*/*/") if path.name[0] != ".")
    empty = [str(path) for path in classes if not any(path.iterdir())]
    if empty:
        raise MissingData(
            f"Expected images in the {len(classes)} class folders of {folder}. Found: "
            f"images in {len(classes) - len(empty)}, none in {', '.join(empty[:10])}"
            f"{', ...' * (len(empty) > 10)}. Remove a folder that is to be empty."
        )
    for split, count in COUNTS.get(folder.name, {}).items():
        if len(parts[split]) < count:
            raise MissingData(
                f"Expected {count} images in {split!r} of {folder}. Found: "
                f"{len(parts[split])}."
            )
    for split, files in parts.items():
        random.Random(split).shuffle(files)
    return parts


def decoded(path, check=False):
    """A JPEG or PNG file as uint8 of three channels, whatever its name says."""
    content = tf.io.read_file(path)
    content = _checked(content) if check else content
    return tf.io.decode_image(content, 3, expand_animations=False)


def _checked(content):
    """The bytes of a JPEG or PNG file, of `LARGEST` pixels at most by its header."""
    is_png = tf.strings.substr(content, 0, 8) == b"\x89PNG\r\n\x1a\n"
    is_jpeg = tf.strings.substr(content, 0, 3) == b"\xff\xd8\xff"

    def sides_of_png():
        sides = tf.strings.substr(content, 16, 8)
        return tf.cast(tf.io.decode_raw(sides, tf.int32, little_endian=False), tf.int64)

    def sides_of_jpeg():
        return tf.cast(tf.io.extract_jpeg_shape(content)[:2], tf.int64)

    known = tf.debugging.Assert(is_png | is_jpeg, ["neither PNG nor JPEG"])
    with tf.control_dependencies([known]):
        sides = tf.cond(is_png, sides_of_png, sides_of_jpeg)
    fits = tf.reduce_all(sides > 0) & (tf.reduce_prod(sides) <= LARGEST)
    with tf.control_dependencies([tf.debugging.Assert(fits, [sides])]):
        return tf.identity(content)


def shapes_of(paths, folder, skip_corrupt):
    """Shapes of images by path; those that cannot be decoded are refused or skipped."""
    if (count := len(paths)) > 50_000:
        print(f"Decoding {count} images of {folder} once, to know that they can be.")
    data = tf.data.Dataset.from_tensor_slices(tf.constant(paths, tf.string)).map(
        lambda path: (path, tf.shape(decoded(path, check=True))),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=False,
    )
    shapes = {
        path.decode(): tuple(shape.tolist())
        for path, shape in data.ignore_errors().as_numpy_iterator()
    }
    corrupt = [os.path.relpath(path, folder) for path in paths if path not in shapes]
    if corrupt:
        named = ", ".join(corrupt[:10] + ["..."] * (len(corrupt) > 10))
        text = f"Of the files in {folder}, {len(corrupt)} cannot be decoded: {named}."
        if not skip_corrupt:
            raise CorruptData(
                f"{text} Replace them, or give --skip_corrupt to leave them out."
            )
        print(f"Warning: {text} They are left out.")
    return shapes
