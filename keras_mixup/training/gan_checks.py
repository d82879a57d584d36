"""What a GAN cannot be trained on, said before it is."""

import math

import keras
import numpy as np
import tensorflow as tf

from keras_mixup import arguments, variables
from keras_mixup.last_activation import last_activation

RUNS_AWAY = (
    'A MixUpGAN with mode="objective" and generator_loss="minimax" diverges: the '
    "cross-entropy of a mixed target grows without bound in both directions of the "
    "logit, so the generator gains by leaving the data. Leave `generator_loss` out "
    '(then it is "non_saturating"), or leave `mode` out.'
)


def check_alpha(alpha, mode):
    """Raises unless alpha fits the mode, where it ends an interval of weights."""
    arguments.check_alpha(alpha)
    if variables.is_variable(alpha):
        # It would be read once, and assigning to it would change nothing.
        raise ValueError(
            "Invalid value received for argument `alpha`. Expected a number: of a GAN "
            f"it stays as it is. Received: alpha={alpha!r}"
        )
    if mode == "author_code" and alpha > 1:
        raise ValueError(
            "Invalid value received for argument `alpha`. Expected a float in [0, 1] "
            'with mode="author_code", whose weights are uniform in (0, alpha). '
            f"Received: alpha={alpha}"
        )


def check_networks(generator, discriminator):
    """Raises unless the discriminator takes what is generated, and gives one logit."""
    check_generator(generator)
    _check_network("discriminator", discriminator)
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
    activation = last_activation(discriminator.outputs[0])
    if activation not in (None, "linear"):
        raise ValueError(
            "Invalid value received for argument `discriminator`. Expected one that "
            "ends in a logit, without an activation. Received: a last layer with "
            f"{activation}"
        )


def check_generator(generator):
    """Raises unless it makes one tensor of noise."""
    _check_network("generator", generator)
    noise = generator.inputs[0]
    if None in noise.shape[1:] or not tf.as_dtype(noise.dtype).is_floating:
        raise ValueError(
            "Invalid value received for argument `generator`. Expected an input of "
            "floats of a fixed size, for its noise. Received: shape "
            f"{generator.input_shape} and dtype {noise.dtype}"
        )


def _check_network(name, network):
    functional = isinstance(network, keras.Model) and network.built
    ends = [getattr(network, end, None) for end in ("input_shape", "output_shape")]
    if not functional or None in ends or not getattr(network, "outputs", None):
        raise ValueError(
            f"Invalid value received for argument `{name}`. Expected a built "
            "keras.Model that is functional or sequential (around another: "
            "keras.Sequential([keras.Input(shape), network])). Received: "
            f"{name}={network!r}"
        )
    if not all(isinstance(end, tuple) and _is_shape(end) for end in ends):
        raise ValueError(
            f"Invalid value received for argument `{name}`. Expected a network "
            f"with one input and one output. Received: {ends[0]} to {ends[1]}"
        )


@tf.autograph.experimental.do_not_convert
def checked_data(gan, x, batch_size=None, validation_split=0.0):
    """Training data that `fit` can go through to their end; raises for others.

    Arrays are looked at as they will be batched. A dataset whose batch size is open
    gets a check of each batch: inside the step XLA would leave it out.
    """
    replicas = gan.distribute_strategy.num_replicas_in_sync
    if isinstance(x, tf.data.Dataset):
        spec = x.element_spec
        if not isinstance(spec, tf.TensorSpec) or spec.shape.rank is None:
            return x
        check_real(gan, spec.shape, spec.dtype, replicas=replicas)
        if spec.shape[0] is None:
            return x.map(lambda batch: _with_enough(gan, batch, replicas))
    elif (isinstance(x, np.ndarray) or tf.is_tensor(x)) and len(x.shape):
        count = math.floor(x.shape[0] * (1 - (validation_split or 0.0)))
        batch_size = batch_size or 32
        rest = count % batch_size
        for size in {min(batch_size, count), rest or min(batch_size, count)}:
            check_real(gan, (size, *x.shape[1:]), x.dtype, replicas=replicas)
    return x


def check_validation_data(gan, data):
    """Raises for data that `evaluate` could not go through."""
    if isinstance(data, (tuple, list)):
        real_examples(gan, tuple(tf.convert_to_tensor(part) for part in data), least=1)
    elif isinstance(data, tf.data.Dataset):
        spec = data.element_spec
        if isinstance(spec, tf.TensorSpec) and spec.shape.rank is not None:
            check_real(gan, spec.shape, spec.dtype, least=1)
        elif isinstance(spec, tuple):
            real_examples(gan, spec, least=1)


def real_examples(gan, data, least=None):
    """The real examples of a batch; raises for targets, and for what does not fit.

    `least` is the smallest batch: by default that of a train step.
    """
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
    # Without a graph `train_on_batch` hands over an array as it is.
    x = tf.convert_to_tensor(x)
    check_real(gan, x.shape, x.dtype, least)
    return x


def check_real(gan, shape, dtype, least=None, replicas=1):
    """Raises unless batches of this shape and dtype can be trained on."""
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
    least = least_share(gan) if least is None else least
    if shape[0] is not None and _smallest_share(shape[0], replicas) < least:
        raise ValueError(f"{_too_few(gan, replicas)}. Received: {shape[0]}")


def least_share(gan):
    """The smallest batch that a replica can train on."""
    return gan.discriminator_steps * (2 if gan.pairs else 1)


def _with_enough(gan, batch, replicas):
    """The batch; fails where the graph runs if it is too small."""
    enough = _smallest_share(tf.shape(batch)[0], replicas) >= least_share(gan)
    said = [_too_few(gan, replicas), tf.shape(batch)]
    with tf.control_dependencies([tf.debugging.Assert(enough, said)]):
        return tf.identity(batch)


def _smallest_share(size, replicas):
    """The last replica's part of a batch: the others have as many, rounded up."""
    return size + (replicas - 1) * (-size // replicas)


def _too_few(gan, replicas):
    each = '2, since mode="author_code" mixes pairs of batches' if gan.pairs else "1"
    where = f" on each of {replicas} replicas" if replicas > 1 else ""
    return (
        "Too small a batch of real examples. Expected at least "
        f"{least_share(gan)}{where} (discriminator_steps={gan.discriminator_steps}, "
        f"for each at least {each}; if the last one of an epoch is smaller, take "
        "another batch_size, or batch(batch_size, drop_remainder=True) of a dataset)"
    )


def _fits(shape, other):
    return len(shape) == len(other) and all(
        None in (size, its) or size == its
        for size, its in zip(shape[1:], other[1:], strict=True)
    )


def _is_shape(value):
    return all(size is None or isinstance(size, int) for size in value)
