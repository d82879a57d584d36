"""Cutting a functional network at layers, so that features between can be mixed."""

import keras

from keras_mixup import keras_private, layers

INPUT = "input"


def find_cuts(network, mix_at):
    """The names after whose layers to cut; others are points (MixFeatures) or input.

    Returns:
        A list of names, in the order of the network.

    Raises:
        ValueError: for a name that no layer has, with the names that exist.
    """
    top = {layer.name: layer for layer in getattr(network, "layers", ())}
    inner = {layer.name: layer for layer in keras_private.all_layers(network)}
    # Functional networks know their inputs, and so does a built Sequential.
    functional = bool(getattr(network, "inputs", None))
    cuts = []
    for name in mix_at:
        if name == INPUT or isinstance(inner.get(name), layers.MixFeatures):
            continue
        if functional and name in top:
            cuts.append(name)
        else:
            raise ValueError(_unknown(name, network, top, inner, functional))
    order = list(top)
    return sorted(cuts, key=order.index)


def cut(network, names):
    """The segments of a network cut after these layers; they share its weights.

    Raises:
        ValueError: where the network cannot be cut in two at a layer.
    """
    if not names:
        return []
    graph = keras_private.functional_of(network)
    try:
        places = [_output_of(network.get_layer(name), graph) for name in names]
        starts, ends = [graph.input, *places], [*places, graph.output]
        return [
            keras.Model(start, end) for start, end in zip(starts, ends, strict=True)
        ]
    except ValueError as error:
        raise ValueError(
            f"The network cannot be cut after {names}. Expected layers through whose "
            "output alone everything passes, each called once (not inside a residual "
            "branch, not one of several inputs, not before layers that use a mask). "
            "Put a keras_mixup.layers.MixFeatures layer there and name it in `mix_at`. "
            f"Keras says: {error}"
        ) from error


def run_segments(segments, names, inputs, points, training):
    """Runs the segments of a cut network and mixes between them."""
    features = inputs
    for segment, name in zip(segments, [*names, None], strict=True):
        features = segment(features, training=training)
        if name is not None:
            features = points.mix(name, features)
    return features


def _output_of(layer, graph):
    """What a layer gives in this graph; elsewhere it may have been called too."""
    nodes = [n for n in keras_private.nodes_of(graph) if n.operation is layer]
    if len(nodes) != 1 or len(nodes[0].outputs) != 1:
        raise ValueError(f"`{layer.name}` is called {len(nodes)} times.")
    return nodes[0].outputs[0]


def _unknown(name, network, top, inner, functional):
    points = [key for key, v in inner.items() if isinstance(v, layers.MixFeatures)]
    known = [INPUT, *top] if functional else [INPUT, *points]
    message = (
        f"Unknown layer name received for argument `mix_at`. Expected one of {known}"
        f" or the name of a MixFeatures layer {points}. Received: {name!r}."
    )
    if isinstance(network, keras.Sequential) and not functional:
        return message + " A Sequential is cut once it is built: begin it with Input."
    if name in inner:
        kind = "inside another layer" if functional else "of a subclassed network"
        message += (
            f" `{name}` is a layer {kind}, where a network cannot be cut: put a "
            "keras_mixup.layers.MixFeatures layer there."
        )
    return message
