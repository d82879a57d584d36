"""The inputs of a train step: which are mixed, and where they are padding."""

import keras
import tensorflow as tf

from keras_mixup import batches, keras_private, mixing_points
from keras_mixup.training import cuts


def check_input_dtype(network, policy):
    """Raises where Keras would cut mixed inputs back to whole numbers."""
    if not policy.averages:
        return
    passthrough = policy.passthrough
    if not getattr(network, "inputs", None):
        return  # A subclassed network says nothing of its inputs.
    for path, tensor in keras.tree.flatten_with_path(
        keras_private.functional_of(network).input
    ):
        passes = tensor.name in passthrough or any(key in passthrough for key in path)
        if keras.backend.is_int_dtype(tensor.dtype) and not passes:
            raise ValueError(
                f"The network's input `{tensor.name}` is of dtype {tensor.dtype}, "
                "which cannot hold a mixed example. Expected a float input, as in "
                'keras.Input(shape, dtype="float32") (it takes uint8 images as well), '
                "its name in MixUp(passthrough=...), or mix_at=[...] with a layer "
                "behind the input."
            )


def names_of_ends(network):
    """The names of a functional network's inputs, and those of its outputs."""
    inputs = getattr(keras_private.functional_of(network), "inputs", None) or []
    return [one.name for one in inputs], list(getattr(network, "output_names", ()))


def passing(network, x, passthrough):
    """`passthrough` for inputs x: in a list each input has its place for a name."""
    inputs = getattr(keras_private.functional_of(network), "input", None)
    if not (isinstance(x, (list, tuple)) and isinstance(inputs, (list, tuple))):
        return passthrough
    places = [i for i, one in enumerate(inputs) if one.name in passthrough]
    return (*passthrough, *places)


def masks_of_inputs(network, x):
    """The masks of inputs that go into a Masking layer, by the id of the tensor."""
    graph = keras_private.functional_of(network)
    inputs, leaves = getattr(graph, "inputs", None) or [], keras.tree.flatten(x)
    if len(inputs) != len(leaves):
        return {}
    masks = {}
    for node in keras_private.nodes_of(graph):
        for tensor, leaf in zip(inputs, leaves, strict=True):
            masking = isinstance(node.operation, keras.layers.Masking)
            if masking and node.input_tensors[0] is tensor:
                masks[id(leaf)] = node.operation.compute_mask(leaf)
    return masks


def mix_inputs(network, x, points):
    """The inputs x of a network, mixed at the point "input".

    What passes by the policy stays as it is.
    """
    policy = points.policy
    x = keras.tree.map_structure(
        lambda leaf: None if leaf is None else tf.convert_to_tensor(leaf), x
    )
    names = passing(network, x, policy.passthrough)
    leaves, put_back = batches.split_features(x, names, policy.mixed_integers)
    masks = masks_of_inputs(network, x)
    draw = points.place(cuts.INPUT, leaves)
    mixed = [
        mixing_points.mix_features(leaf, draw, masks.get(id(leaf)), policy.padding)
        for leaf in leaves
    ]
    return put_back(mixed)
