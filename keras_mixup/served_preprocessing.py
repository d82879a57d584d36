"""A preprocessing, tried in a graph: from raw inputs to what a network takes."""

import functools

import keras
import tensorflow as tf

_NAME = "inputs"
_TAKEN = "what the network takes"
_PYTHON = {"PyFunc", "PyFuncStateless", "EagerPyFunc"}


def preparation(preprocess, specs, taken):
    """The function from raw inputs to what the network takes, tried in a graph.

    What makes whole numbers of uint8 for a network of floats is run on floats, and so
    is what fails on uint8: `keras.applications` subtracts means in the dtype it is
    given, where bytes wrap around.
    """
    prepare = built(preprocess, specs)

    def prepare_floats(raw):
        return prepare(keras.tree.map_structure(_float_of_byte, raw))

    ways, fitting, failure = [prepare], None, None
    if any(spec.dtype == tf.uint8 for spec in keras.tree.flatten(specs)):
        ways.append(prepare_floats)
    for way in ways:
        try:
            made = keras.tree.flatten(_traced(way, specs, taken))
        except Exception as error:  # Whatever a function of the user raises.
            failure = failure or error
            continue
        wanted = keras.tree.flatten(taken)
        if all(
            is_.dtype.is_floating or not should.dtype.is_floating
            for is_, should in zip(made, wanted, strict=True)
        ):
            return way
        fitting = fitting or way
    if fitting is None:
        raise failure
    return fitting


def built(given, specs):
    """A function, or a layer that is built outside of any graph, in inference mode.

    A layer such as RandomFlip is the identity in inference mode alone.
    """
    if not isinstance(given, keras.Layer):
        return given
    if not given.built:
        symbolic = keras.tree.map_structure(
            lambda spec: keras.KerasTensor(spec.shape, spec.dtype.name), specs
        )
        given(symbolic, training=False)
    return functools.partial(given, training=False)


def _float_of_byte(tensor):
    return tf.cast(tensor, tf.float32) if tensor.dtype == tf.uint8 else tensor


def checked_postprocess(postprocess, spec):
    """The function from outputs to values, tried in a graph.

    Raises:
        ValueError: unless it keeps the shape and gives floats.
    """
    postprocess = built(postprocess, spec)
    given = "what the network gives", "postprocessing"
    made = _traced(postprocess, spec, spec, *given)
    if not made.dtype.is_floating:
        raise ValueError(
            "Invalid outputs of the postprocessing. Expected floats. "
            f"Received: {shown(made)}"
        )
    return postprocess


def _traced(prepare, specs, taken, expected=_TAKEN, what="preprocessing"):
    try:
        graph = tf.function(prepare, autograph=False).get_concrete_function(specs)
    except NotImplementedError as error:  # What TensorFlow raises of a NumPy call.
        raise ValueError(
            f"Cannot export a {what} that runs NumPy, as scikit-learn's scalers do. "
            "Expected TensorFlow operations on the scaler's numbers (`scale_`, "
            f"`mean_`), or a Keras layer. Received: {error}"
        ) from error
    if graph.structured_outputs is None:
        raise ValueError(
            f"Invalid outputs of the {what}. Expected {expected}, {shown(taken)}. "
            "Received: None"
        )
    check_fit(graph.structured_outputs, taken, f"outputs of the {what}", expected)
    definition = graph.graph.as_graph_def()
    inner = [node.op for f in definition.library.function for node in f.node_def]
    if _PYTHON & {*inner, *(node.op for node in definition.node)}:
        raise ValueError(
            f"Cannot export a {what} that runs Python (tf.py_function or "
            "tf.numpy_function): no server has it. Expected TensorFlow operations."
        )
    return graph.structured_outputs


def check_fit(made, taken, what, expected=_TAKEN):
    """Raises unless these are what the network takes, as far as shapes are known."""
    paths, leaves = zip(*keras.tree.flatten_with_path(made), strict=True)
    places, specs = zip(*keras.tree.flatten_with_path(taken), strict=True)
    if paths != places or not all(
        leaf.shape.is_compatible_with(spec.shape)
        for leaf, spec in zip(leaves, specs, strict=True)
    ):
        raise ValueError(
            f"Invalid {what}. Expected {expected}, {shown(taken)}. "
            f"Received: {shown(made)}"
        )


def of_shapes(prepare, taken):
    """The preparation with the network's shapes. Other sizes fail when served."""

    def prepared(raw):
        made = keras.tree.flatten(prepare(raw))
        made = [
            _of_shape(tensor, spec.shape)
            for tensor, spec in zip(made, keras.tree.flatten(taken), strict=True)
        ]
        return keras.tree.pack_sequence_as(taken, made)

    return prepared


def _of_shape(tensor, shape):
    # LiteRT does not have the operation, so only where the shape is not known.
    known = tensor.shape.rank is not None and tensor.shape.as_list() == shape.as_list()
    return tensor if known else tf.ensure_shape(tensor, shape)


def shown(specs):
    """Dtype and shape of each tensor or spec, in one line."""
    if hasattr(specs, "shape"):
        return f"{specs.dtype.name} {specs.shape}"
    lines = keras.tree.flatten_with_path(specs)
    return ", ".join(f"{name_of(path, one)}: {shown(one)}" for path, one in lines)


def name_of(path, spec):
    """The name of an input in the signature: its key, or its own; "inputs" for one."""
    if not path:
        return _NAME
    return path[-1] if isinstance(path[-1], str) else spec.name or f"{_NAME}_{path[-1]}"
