"""What a GAN cannot be trained on, said before it is."""

import keras
import numpy as np
import tensorflow as tf

from keras_mixup import arguments


def check_alpha(alpha, mode):
    """Raises unless alpha fits the mode: there it is the end of an interval of weights."""
    arguments.check_alpha(alpha)
    if mode == "author_code" and alpha > 1:
        raise ValueError(
            "Invalid value received for argument `alpha`. Expected a float in [0, 1] "
            'with mode="author_code", whose weights are uniform in (0, alpha). '
            f"Received: alpha={alpha}"
        )


def check_networks(generator, discriminator):
    """Raises unless the discriminator takes what is generated, and gives one logit."""
    for name, network in [("generator", generator), ("discriminator", discriminator)]:
        if not isinstance(network, keras.Model) or not network.built:
            raise ValueError(
                f"Invalid value received for argument `{name}`. Expected a built "
                f"keras.Model. Received: {name}={network!r}"
            )
        ends = (network.input_shape, network.output_shape)
        if not all(isinstance(end, tuple) and _is_shape(end) for end in ends):
            raise ValueError(
                f"Invalid value received for argument `{name}`. Expected a network "
                f"with one input and one output. Received: {ends[0]} to {ends[1]}"
            )
    if None in generator.input_shape[1:]:
        raise ValueError(
            "Invalid value received for argument `generator`. Expected an input of a "
            f"fixed size, for its noise. Received: shape {generator.input_shape}"
        )
    made, taken = generator.output_shape, discriminator.input_shape
    if not _fits(made, taken):
        raise ValueError(
            "The networks do not fit. Expected a discriminator that takes what the "
            f"generator makes, shape {made}. Received: a discriminator of shape {taken}"
        )
    if discriminator.output_shape[1:] != (1,):
        raise ValueError(
            "Invalid value received for argument `discriminator`. Expected one that "
            "ends in one logit, shape (batch, 1). Received: shape "
            f"{discriminator.output_shape}"
        )
    activation = _last_activation(discriminator)
    if activation is not None:
        raise ValueError(
            "Invalid value received for argument `discriminator`. Expected one that "
            "ends in a logit, without an activation. Received: a last layer with "
            f"{activation}"
        )


def check_data(gan, x, batch_size):
    """Raises for arrays or datasets that `fit` could not train on to its end."""
    if isinstance(x, tf.data.Dataset):
        spec = x.element_spec
        if isinstance(spec, tf.TensorSpec) and spec.shape.rank is not None:
            check_real(gan, spec.shape, spec.dtype)
        return
    if not (isinstance(x, np.ndarray) or tf.is_tensor(x)) or not x.shape:
        return
    batch_size = batch_size or 32
    rest = x.shape[0] % batch_size
    for size in {min(batch_size, x.shape[0]), rest or batch_size}:
        check_real(gan, (size, *x.shape[1:]), tf.as_dtype(x.dtype))


def real_examples(gan, data):
    """The real examples of a batch; raises for targets, and for what does not fit."""
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
    if y is not None or sample_weight is not None:
        raise ValueError(
            "A GAN is trained on examples alone. Expected x, without targets or sample "
            "weights: dataset.map(lambda x, y: x). Received: (x, y) or (x, y, "
            "sample_weight)"
        )
    if keras.tree.is_nested(x):
        raise ValueError(
            "Invalid value received for `x`. Expected one tensor of real examples. "
            f"Received: {type(x).__name__} of {len(keras.tree.flatten(x))}"
        )
    check_real(gan, x.shape, x.dtype)
    if x.shape[0] is None:
        least = least_batch(gan)
        tf.debugging.assert_greater_equal(tf.shape(x)[0], least, _too_few(gan))
    return x


def check_real(gan, shape, dtype):
    """Raises unless a batch of this shape and dtype can be trained on."""
    shape = tuple(shape)
    if not _fits(gan.generator.output_shape, shape):
        raise ValueError(
            "Invalid shape received for `x`. Expected what the generator makes, shape "
            f"{gan.generator.output_shape}. Received: shape {shape}"
        )
    if not tf.as_dtype(dtype).is_floating:
        raise ValueError(
            "Invalid dtype received for `x`. Expected floats on the scale of what the "
            "generator makes, such as images in [-1, 1]. Received: dtype "
            f"{tf.as_dtype(dtype).name}"
        )
    if shape[0] is not None and shape[0] < least_batch(gan):
        raise ValueError(f"{_too_few(gan)}. Received: {shape[0]}")


def least_batch(gan):
    """The smallest batch that can be trained on."""
    return gan.discriminator_steps * (2 if gan.pairs else 1)


def _too_few(gan):
    each = '2, since mode="author_code" mixes pairs of batches' if gan.pairs else "1"
    return (
        f"Too small a batch of real examples. Expected at least {least_batch(gan)} "
        f"(discriminator_steps={gan.discriminator_steps}, for each at least {each}; "
        "batch with drop_remainder=True if the last one of an epoch is smaller)"
    )


def _last_activation(network):
    last = getattr(network.outputs[0], "_keras_history", None)
    layer = last and last.operation
    if isinstance(layer, keras.Model):
        return _last_activation(layer)
    if isinstance(layer, keras.layers.Softmax):
        return "softmax"
    activation = getattr(layer, "activation", None)
    if activation is None or activation is keras.activations.linear:
        return None
    return getattr(activation, "__name__", activation)


def _fits(shape, other):
    return len(shape) == len(other) and all(
        None in (size, its) or size == its
        for size, its in zip(shape[1:], other[1:], strict=True)
    )


def _is_shape(value):
    return all(size is None or isinstance(size, int) for size in value)
