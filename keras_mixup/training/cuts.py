"""Cutting a functional network at layers, so that features between can be mixed."""

import keras

from keras_mixup import keras_private, layers
from keras_mixup.training import layer_names
from keras_mixup.training.layer_names import INPUT


def find_cuts(network, mix_at):
    """The names after whose layers to cut; others are points (MixFeatures) or input.

    Returns:
        A list of names, in the order of the network.

    Raises:
        ValueError: for a name that no layer has, with the nearest that there are.
    """
    inner = {layer.name: layer for layer in keras_private.all_layers(network)}
    cuts = []
    for name in mix_at:
        if name == INPUT or isinstance(inner.get(name), layers.MixFeatures):
            continue
        if layer_names.layer_at(network, name) is None:
            raise ValueError(layer_names.unknown(name, network))
        cuts.append(name)
    return sorted(cuts, key=layer_names.order_of(network))


def cut(network, names):
    """The segments of a network cut after these layers; they share its weights.

    Raises:
        ValueError: where the network cannot be cut in two at a layer.
    """
    if not names:
        return []
    graph = keras_private.functional_of(network)
    try:
        if any("/" in name for name in names):
            graph = _opened(graph, names)
        found = [layer_names.layer_at(network, name) for name in names]
        places = [_output_of(layer, graph) for layer in found]
        starts, ends = [graph.input, *places], [*places, graph.output]
        return [
            keras.Model(start, end) for start, end in zip(starts, ends, strict=True)
        ]
    except ValueError as error:
        whole = set(layer_names.that_can_be_cut(graph))
        # As `mix_at` has them: a nested network that was opened has lost its own name.
        paths = layer_names.paths(network)
        can = layer_names.some_of([one for one in paths if one.split("/")[-1] in whole])
        raise ValueError(
            f"The network cannot be cut after {names}. Expected layers through whose "
            "output alone everything passes, each called once (not inside a residual "
            "branch, not one of several inputs, not before layers that use a mask), "
            f"such as {can}. Or put a keras_mixup.layers.MixFeatures layer there and "
            f"name it in `mix_at`. Keras says: {str(error)[:200]}"
        ) from error


def run_segments(segments, names, inputs, points, training):
    """Runs the segments of a cut network and mixes between them."""
    features = inputs
    for segment, name in zip(segments, [*names, None], strict=True):
        features = segment(features, training=training)
        if name is not None:
            features = points.mix(name, features)
    return features


def _opened(graph, names):
    """The network in which nested ones of these paths are replaced by their layers.

    The layers are called once more, so that they share their weights with the network.
    """

    def run(graph, inputs, before):
        def called(operation):
            path = f"{before}{operation.name}/"
            if not any(name.startswith(path) for name in names):
                return operation
            nested = keras_private.functional_of(operation)

            def call(inputs, **_):
                # As a nested network casts what it is given.
                pairs = zip(keras.tree.flatten(inputs), nested.inputs, strict=True)
                inputs = [
                    one if one.dtype == own.dtype else keras.ops.cast(one, own.dtype)
                    for one, own in pairs
                ]
                return run(nested, inputs, path)

            return call

        return keras_private.run_again(graph, inputs, called)

    return keras.Model(graph.input, run(graph, graph.inputs, ""))


def _output_of(layer, graph):
    """What a layer gives in this graph; elsewhere it may have been called too."""
    nodes = [n for n in keras_private.nodes_of(graph) if n.operation is layer]
    outputs = getattr(layer, "outputs", None) or ()
    if not nodes and len(outputs) == 1:
        # A nested network that was opened: the output of its last layer.
        return _output_of(keras_private.producer_of(outputs[0]).operation, graph)
    if len(nodes) != 1 or len(nodes[0].outputs) != 1:
        raise ValueError(f"`{layer.name}` is called {len(nodes)} times.")
    return nodes[0].outputs[0]
