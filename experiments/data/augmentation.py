"""Image augmentation: functions of a batch and a key, and nothing kept between calls.

The random layers of Keras and KerasCV hold a stateful generator, whose numbers depend
on the order in which a parallel `Dataset.map` runs and cannot be resumed. Here they
come from the `key` (`keras_mixup.keys.make_key`), a draw for each image: the same key
gives the same images in eager mode, in a graph, in a map and under XLA.

`images` is a batch of shape (n, height, width, channels), of any dtype, with numbers
from 0 to 255; one image of any size is a batch of 1.
"""

import enum
import math

import tensorflow as tf

from keras_mixup import keys

CIFAR_MEAN, CIFAR_STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
TRIES = 10


class Stream(enum.IntEnum):
    """Streams of a key, far from those of `keras_mixup`: one key may serve both."""

    SHIFT = 1000
    FLIP = 1001
    AREA = 1002
    ASPECT = 1003
    PLACE = 1004


def pad_and_crop(images, key, padding=4):
    """Shifts every image by up to `padding` pixels, as torchvision's `RandomCrop`.

    A window of its own size is cut out of the image padded by zeros. Shape and dtype
    stay.
    """
    images, (count, height, width) = _sized(images)
    sides = [[0, 0], [padding, padding], [padding, padding], [0, 0]]
    offsets = shifts(key, count, padding)
    rows = offsets[:, :1] + tf.range(height)
    columns = offsets[:, 1:] + tf.range(width)
    cropped = tf.gather(tf.pad(images, sides), rows, axis=1, batch_dims=1)
    cropped = tf.gather(cropped, columns, axis=2, batch_dims=1)
    return tf.ensure_shape(cropped, images.shape)


def shifts(key, count, padding):
    """Offsets of the windows: int32 of shape (count, 2), in 0 to 2 padding."""
    bits = keys.random_bits(key, Stream.SHIFT, [count, 2])
    # 2**32 is no multiple of 2 padding + 1: a bias of less than 1e-8.
    return tf.cast(bits % tf.constant(2 * padding + 1, tf.uint32), tf.int32)


def flip(images, key):
    """Mirrors every image left to right with probability 1/2; shape and dtype stay."""
    images, (count, _, _) = _sized(images)
    bits = keys.random_bits(key, Stream.FLIP, [count, 1, 1, 1])
    return tf.where(tf.bitcast(bits, tf.int32) < 0, tf.reverse(images, [2]), images)


def random_resized_crop(images, key, size, area=(0.08, 1.0), aspect=(3 / 4, 4 / 3)):
    """Cuts a random box out of every image and resizes it (Szegedy et al., 2015).

    The boxes are those of `random_boxes`. Bilinear, without antialiasing: the `size`
    samples of a side lie evenly between the centers of the box's first and last pixels.
    Images of uint8 stay so, rounded; others become float32.
    """
    images, (count, height, width) = _sized(images)
    boxes = random_boxes(key, count, height, width, area, aspect)
    # Float64: graphs multiply by reciprocals, which in float32 shows in the images.
    boxes = tf.cast(boxes, tf.float64)
    last = tf.cast(tf.maximum(tf.stack([height, width]) - 1, 1), tf.float64)
    first, end = boxes[:, :2], boxes[:, :2] + boxes[:, 2:] - 1
    boxes = tf.cast(tf.concat([first / last, end / last], 1), tf.float32)
    cropped = tf.image.crop_and_resize(images, boxes, tf.range(count), [size, size])
    return _squares(cropped, images, size)


def random_boxes(key, count, height, width, area=(0.08, 1.0), aspect=(3 / 4, 4 / 3)):
    """Boxes (top, left, height, width) in pixels, as torchvision's `RandomResizedCrop`.

    A share s of the image's area is drawn uniformly from `area`, and width / height
    r log-uniformly from `aspect`: the box is `round(sqrt(s H W r))` wide and
    `round(sqrt(s H W / r))` high. The first of ten tries that fits into the image is
    placed uniformly; if none does, the box is central and the largest whose aspect
    is as near to the image's as the limits allow.
    """
    height, width = tf.cast(height, tf.float64), tf.cast(width, tf.float64)
    share = keys.uniform(key, Stream.AREA, [count, TRIES])
    share = area[0] + (area[1] - area[0]) * share
    low, high = math.log(aspect[0]), math.log(aspect[1])
    ratio = keys.uniform(key, Stream.ASPECT, [count, TRIES])
    ratio = tf.exp(low + (high - low) * ratio)
    high_wide = tf.round(tf.sqrt(share * height * width * tf.stack([1 / ratio, ratio])))
    whole = tf.stack([height, width])
    fits = tf.reduce_all((high_wide >= 1) & (high_wide <= whole[:, None, None]), 0)
    chosen = tf.argmax(tf.cast(fits, tf.int32), axis=1)
    tried = tf.gather(tf.transpose(high_wide, [1, 2, 0]), chosen, batch_dims=1)
    ratio = tf.clip_by_value(width / height, *map(float, aspect))
    fallback = tf.round(tf.minimum(whole, tf.stack([width / ratio, height * ratio])))
    any_fits = tf.reduce_any(fits, 1)[:, None]
    extent = tf.where(any_fits, tried, tf.maximum(fallback, 1))
    place = keys.uniform(key, Stream.PLACE, [count, 2])
    free = whole - extent
    corner = tf.where(any_fits, tf.floor(place * (free + 1)), tf.floor(free / 2))
    return tf.cast(tf.concat([corner, extent], 1), tf.int32)


def central_crop(images, size, resize=None):
    """The middle of every image, for testing; shape and dtype as `random_resized_crop`.

    The image is scaled (bilinear, without antialiasing) until its shorter side has
    `resize` pixels; of that the central square of `size` pixels is cut.
    """
    resize = round(size * 256 / 224) if resize is None else resize
    images, (_, height, width) = _sized(images)
    sides = tf.stack([height, width]) * resize // tf.minimum(height, width)
    scaled = tf.image.resize(images, sides)
    top, left = tf.unstack((sides - size) // 2)
    cropped = scaled[:, top : top + size, left : left + size]
    return _squares(cropped, images, size)


def normalize(images, mean, std):
    """`(images / 255 - mean) / std` as float32; mean and std are those of a channel."""
    images = tf.cast(images, tf.float32) / 255
    return (images - tf.constant(mean, tf.float32)) / tf.constant(std, tf.float32)


def _sized(images):
    """A batch as a tensor, and (n, height, width): integers where they are known."""
    images = tf.convert_to_tensor(images)
    known, found = images.shape[:3], tf.shape(images)
    return images, [found[n] if size is None else size for n, size in enumerate(known)]


def _squares(cropped, images, size):
    """Float squares made of images, as uint8 if that is what the images are."""
    cropped = tf.ensure_shape(cropped, [images.shape[0], size, size, images.shape[3]])
    if images.dtype != tf.uint8:
        return cropped
    return tf.cast(tf.round(tf.clip_by_value(cropped, 0, 255)), tf.uint8)
