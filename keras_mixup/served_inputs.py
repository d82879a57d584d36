"""What a served network takes: raw inputs, and what the network is given of them."""

import numbers
from collections.abc import Mapping

import keras
import tensorflow as tf

from keras_mixup.served_preprocessing import (
    check_fit,
    name_of,
    of_shapes,
    preparation,
)


def network_specs(network):
    """A `tf.TensorSpec` of each input of a built network, nested as it takes them."""
    built = isinstance(network, keras.Layer) and network.built
    nest = getattr(network, "input", None)
    if nest is None:
        nest = getattr(network, "inputs", None) or None
    if built and nest is None:
        # A subclassed network knows the shapes that it was built with.
        shapes = (network.get_build_config() or {}).get("input_shape")
        if shapes is not None:
            return keras.tree.map_shape_structure(
                lambda shape: tf.TensorSpec([None, *shape[1:]], keras.config.floatx()),
                shapes,
            )
    if not built or nest is None:
        raise ValueError(
            "Cannot export this network. Expected a keras.Model that is built (train "
            "it, or call it on a batch) and that takes one argument; a generator is "
            f"for export_generator. Received: {network!r}"
        )
    if isinstance(nest, (list, tuple)) and len(nest) == 1:
        nest = nest[0]
    return keras.tree.map_structure(
        lambda one: tf.TensorSpec([None, *one.shape[1:]], one.dtype, one.name), nest
    )


def raw_inputs(network, preprocess=None, input_shape=None, input_dtype=None):
    """The inputs that are served, and how the network's are made of them.

    Args:
        network: A built `keras.Model`.
        preprocess: Function or Keras layer, or None.
        input_shape: Shape of one raw example, or a dict of them by name. By default
            the network's; where the preprocessing makes no such inputs of it, the
            first of one to four axes of open sizes of which it does.
        input_dtype: Dtype of the raw inputs, or a dict by name. By default the
            network's; "uint8" for images with a preprocessing.

    Returns:
        A nest of `tf.TensorSpec`, each with a name, and a function from such tensors
        to what the network takes.
    """
    taken = network_specs(network)
    if preprocess is None:
        specs = _specs(taken, input_shape, input_dtype)
        check_fit(specs, taken, "inputs of the network")
        return specs, lambda raw: raw
    functional = isinstance(preprocess, keras.Model) and getattr(
        preprocess, "inputs", None
    )
    source = network_specs(preprocess) if functional else taken
    shapes = [input_shape]
    if input_shape is None and isinstance(source, tf.TensorSpec) and not functional:
        shapes += [(None,) * axes for axes in range(4)]
    failures = []
    for shape in shapes:
        specs = _specs(source, shape, input_dtype, preprocess)
        try:
            prepare = preparation(preprocess, specs, taken)
        except Exception as error:  # Whatever a function of the user raises.
            failures.append(error)
        else:
            return specs, of_shapes(prepare, taken)
    failures[0].add_note(
        "The preprocessing was run on inputs of the network's shape or of "
        "`input_shape`. Where it takes others, say so: input_shape=(16000,) is one "
        'example without the batch, input_dtype="string" its dtype.'
    )
    raise failures[0]


def takes_images(specs):
    """Whether it is one tensor of images of one or three channels."""
    return isinstance(specs, tf.TensorSpec) and _is_image(specs.shape)


def decoder(spec):
    """The function from encoded image files to images of a spec."""
    _, height, width, channels = spec.shape

    def decode_one(encoded):
        image = tf.io.decode_image(encoded, channels, expand_animations=False)
        image.set_shape([None, None, channels])
        if height and width:
            image = tf.image.resize(image, [height, width])
        image = tf.clip_by_value(tf.round(tf.cast(image, tf.float32)), 0, 255)
        return tf.cast(image, spec.dtype)

    def decode(images):
        one = tf.TensorSpec(spec.shape[1:], spec.dtype)
        return tf.map_fn(decode_one, images, fn_output_signature=one)

    return decode


def _is_image(shape):
    return len(shape) == 4 and shape[-1] in (1, 3)


def _specs(taken, shape, dtype, preprocess=None):
    """The raw specs: of the shapes given, else of the network's."""
    if isinstance(shape, Mapping):
        nest = {name: _spec(one, tf.float32) for name, one in shape.items()}
    elif shape is not None:
        leaf = keras.tree.flatten(taken)[0]
        nest = _spec(shape, leaf.dtype)
    else:
        nest = taken
    paths, leaves = zip(*keras.tree.flatten_with_path(nest), strict=True)
    names = [name_of(*pair) for pair in zip(paths, leaves, strict=True)]
    if len(set(names)) < len(names):
        raise ValueError(
            "Cannot export this network. Expected inputs with names that are all "
            f"different. Received: {names}"
        )
    named = [
        _named(name, leaf, dtype, preprocess)
        for name, leaf in zip(names, leaves, strict=True)
    ]
    return keras.tree.pack_sequence_as(nest, named)


def _spec(shape, dtype):
    sizes = shape if isinstance(shape, (tuple, list)) else [shape]
    known = [size for size in sizes if size is not None]
    if sizes is not shape or not all(isinstance(n, numbers.Integral) for n in known):
        raise ValueError(
            "Invalid value received for argument `input_shape`. Expected a tuple of "
            "integers or None, of one example without the batch. "
            f"Received: input_shape={shape!r}"
        )
    return tf.TensorSpec([None, *shape], dtype)


def _named(name, spec, dtype, preprocess):
    if isinstance(dtype, Mapping):
        dtype = dtype.get(name)
    if dtype is None and preprocess is not None:
        if getattr(preprocess, "compute_dtype", None) == "string":
            dtype = "string"
        elif _is_image(spec.shape):
            dtype = "uint8"
    try:
        return tf.TensorSpec(spec.shape, dtype or spec.dtype, name)
    except TypeError as error:
        raise ValueError(
            "Invalid value received for argument `input_dtype`. Expected a name such "
            f'as "float32" or "string". Received: input_dtype={dtype!r}'
        ) from error
