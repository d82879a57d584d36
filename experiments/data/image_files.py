"""JPEG and PNG files: decoded, and told by their headers before that."""

import tensorflow as tf

# Pixels of one image; ImageNet's largest has less than half of that.
LARGEST = 2**27


def decoded(path, check=False):
    """The file as uint8 of three channels, be it JPEG or PNG, whatever its name says."""
    content = tf.io.read_file(path)
    content = _checked(content) if check else content
    return tf.io.decode_image(content, 3, expand_animations=False)


def _checked(content):
    """The bytes of a JPEG or PNG file whose header claims no more than `LARGEST` pixels.

    A file of a few kilobytes can claim pictures that no memory holds.
    """
    is_png = tf.strings.substr(content, 0, 8) == b"\x89PNG\r\n\x1a\n"
    is_jpeg = tf.strings.substr(content, 0, 3) == b"\xff\xd8\xff"

    def sides_of_png():
        sides = tf.io.decode_raw(
            tf.strings.substr(content, 16, 8), tf.int32, little_endian=False
        )
        return tf.cast(sides, tf.int64)

    def sides_of_jpeg():
        return tf.cast(tf.io.extract_jpeg_shape(content)[:2], tf.int64)

    known = tf.debugging.Assert(is_png | is_jpeg, ["neither PNG nor JPEG"])
    with tf.control_dependencies([known]):
        sides = tf.cond(is_png, sides_of_png, sides_of_jpeg)
    fits = tf.reduce_all(sides > 0) & (tf.reduce_prod(sides) <= LARGEST)
    with tf.control_dependencies([tf.debugging.Assert(fits, [sides])]):
        return tf.identity(content)


def shapes_of(paths):
    """Shapes of the images that can be decoded, by path."""
    data = tf.data.Dataset.from_tensor_slices(tf.constant(paths, tf.string))
    data = data.map(
        lambda path: (path, tf.shape(decoded(path, check=True))),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=False,
    ).ignore_errors()
    return {
        path.decode(): tuple(shape.tolist()) for path, shape in data.as_numpy_iterator()
    }
