"""The names of `mix_at`: of layers, by path inside nested networks, and the nearest."""

import difflib

import keras

from keras_mixup import keras_private, layers

INPUT = "input"
# How many names a message lists.
_SHOWN = 6


def layer_at(network, path):
    """The layer of a path such as "backbone/block_3", or None where there is none.

    Each network on the way is functional, or a Sequential that is built.
    """
    for name in str(path).split("/"):
        found = [one for one in layers_of(network) if one.name == name]
        if not found:
            return None
        network = found[0]
    return network


def layers_of(network):
    """The layers of a functional network or a built Sequential; none of others."""
    return network.layers if getattr(network, "inputs", None) else []


def networks_on_the_way(network, path):
    """The networks that a path goes through, the outermost first."""
    *way, _ = path.split("/")
    found = [network]
    for name in way:
        found.append(layer_at(found[-1], name))
    return found


def order_of(network):
    """Sorts paths as the layers are called; a network comes after what is inside."""

    def place(path):
        found = []
        of_path = zip(networks_on_the_way(network, path), path.split("/"), strict=True)
        for one, name in of_path:
            found.append([layer.name for layer in one.layers].index(name))
        return (*found, float("inf"))

    return place


def own_names(network, mix_at):
    """A list of one name or several; those of MixFeatures layers without a path."""
    mix_at = [mix_at] if isinstance(mix_at, str) else mix_at
    several = isinstance(mix_at, (list, tuple))
    if not several or not all(isinstance(name, str) for name in mix_at):
        raise ValueError(
            "Invalid value received for argument `mix_at`. Expected the name of a "
            f"layer, or a list of names. Received: mix_at={mix_at!r}"
        )
    found = [(name, layer_at(network, name)) for name in mix_at]
    return [
        layer.name if isinstance(layer, layers.MixFeatures) else name
        for name, layer in found
    ]


def paths(network):
    """The paths of all layers, of nested networks too."""
    for layer in layers_of(network):
        yield layer.name
        yield from (f"{layer.name}/{path}" for path in paths(layer))


def that_can_be_cut(network):
    """The names of layers through whose output alone everything passes."""
    graph = keras_private.functional_of(network)
    nodes = [node for node in keras_private.nodes_of(graph) if not node.is_input]
    made = {id(tensor): -1 for tensor in graph.inputs}
    last = dict.fromkeys(made, -1)
    for index, node in enumerate(nodes):
        made |= {id(tensor): index for tensor in node.outputs}
        last |= {id(tensor): index for tensor in node.input_tensors}
    last |= {id(tensor): len(nodes) for tensor in graph.outputs}
    # How many tensors are made at or before a node, and used after it.
    crossing = [0] * len(nodes)
    for tensor, index in last.items():
        for at in range(made[tensor], index):
            crossing[at] += at >= 0
    calls = [node.operation for node in nodes]
    return [
        node.operation.name
        for index, node in enumerate(nodes)
        if crossing[index] == 1
        and index < last.get(id(node.outputs[0]), -1) < len(nodes)
        and calls.count(node.operation) == 1
        and isinstance(node.operation, keras.Layer)
    ]


def some_of(names):
    """A list of names for a message: the first ones, and how many there are."""
    if len(names) <= _SHOWN:
        return str(names)
    shown = ", ".join(map(repr, names[: _SHOWN - 1]))
    return f"[{shown}, ..., {names[-1]!r}] ({len(names)} in all)"


def unknown(name, network):
    """The sentence for a name that no layer has, with the nearest that there are."""
    inner = {layer.name: layer for layer in keras_private.all_layers(network)}
    points = [key for key, v in inner.items() if isinstance(v, layers.MixFeatures)]
    functional = bool(layers_of(network))
    known = [INPUT, *points]
    if functional:
        known = [INPUT, *that_can_be_cut(network), *points]
    message = "Unknown layer name received for argument `mix_at`. "
    named = [path for path in paths(network) if path.endswith(f"/{name}")]
    near = named or difflib.get_close_matches(name, {*known, *paths(network)}, 3)
    if near:
        message += f"Nearest: {some_of(near)}. "
    message += f"Expected one of {some_of(known)}. Received: {name!r}."
    if isinstance(network, keras.Sequential) and not functional:
        return message + " A Sequential is cut once it is built: begin it with Input."
    if name in inner and not named:
        kind = "inside another layer" if functional else "of a subclassed network"
        message += (
            f" `{name}` is a layer {kind}, where a network cannot be cut: put a "
            "keras_mixup.layers.MixFeatures layer there."
        )
    return message
