"""The inputs of a train step: which are mixed, and where they are padding."""

import keras

from keras_mixup import batches, keras_private, mixing, mixing_points
from keras_mixup.training import cuts

# Operations and layers that only take a part of a tensor, or shape it anew.
_SHAPING = ("GetItem", "Reshape", "Flatten", "Cast", "Squeeze", "ExpandDims")
# Those that take whole numbers for names of something.
_OF_IDS = (
    keras.layers.Embedding,
    keras.layers.CategoryEncoding,
    keras.layers.IntegerLookup,
    keras.layers.Hashing,
)


def check_input_dtype(network, policy, mix_at=(cuts.INPUT,)):
    """Raises where mixed inputs would become whole numbers again."""
    if cuts.INPUT not in mix_at or not policy.averages:
        return
    passthrough = policy.passthrough
    for path, tensor, reason in inputs_of_whole_numbers(network):
        if tensor.name in passthrough or any(key in passthrough for key in path):
            continue
        raise ValueError(
            f"The network's input `{tensor.name}` {reason} cannot hold a mixed "
            "example. Expected a float input, as in keras.Input(shape, "
            'dtype="float32") (it takes uint8 images as well), its name in '
            "MixUp(passthrough=...), or mix_at=[...] with a layer behind the input: "
            "token ids and categories are mixed behind their Embedding."
        )


def inputs_of_whole_numbers(network):
    """(path, tensor, reason) of each input that cannot hold a mixed example.

    A subclassed network, or one that is not built, says nothing of its inputs.
    """
    graph = keras_private.functional_of(network)
    if not getattr(graph, "inputs", None):
        return []
    ids = _taken_as_ids(graph)
    found = []
    for path, tensor in keras.tree.flatten_with_path(graph.input):
        if keras.backend.is_int_dtype(tensor.dtype):
            found.append((path, tensor, f"is of dtype {tensor.dtype}, which"))
        elif id(tensor) in ids:
            reason = "goes into a layer that takes ids, as an Embedding does: it"
            found.append((path, tensor, reason))
    return found


def _taken_as_ids(graph):
    """The `id` of each tensor that a layer of ids takes, in models inside too.

    What only takes a part of a tensor or shapes it anew is looked through.
    """
    found = set()
    for node in reversed(keras_private.nodes_of(graph)):
        layer, tensors = node.operation, node.input_tensors
        kind, inner = type(layer).__name__, keras_private.functional_of(layer)
        through = kind in _SHAPING and found & {*map(id, node.outputs)}
        if isinstance(layer, _OF_IDS) or kind == "OneHot" or through:
            found |= {id(one) for one in tensors}
        elif getattr(inner, "inputs", None):
            ids = _taken_as_ids(inner)
            pairs = zip(inner.inputs, tensors, strict=True)
            found |= {id(one) for own, one in pairs if id(own) in ids}
    return found


def names_of_ends(network):
    """The names of a functional network's inputs, and those of its outputs."""
    inputs = getattr(keras_private.functional_of(network), "inputs", None) or []
    return [one.name for one in inputs], list(getattr(network, "output_names", ()))


def passing(network, x, passthrough):
    """`passthrough` for inputs x: in a list each input has its place for a name.

    A lone tensor is called "x".
    """
    inputs = getattr(keras_private.functional_of(network), "input", None)
    if not keras.tree.is_nested(x) and getattr(inputs, "name", None) in passthrough:
        return (*passthrough, "x")
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
        lambda leaf: None if leaf is None else mixing.as_tensor(leaf), x
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
