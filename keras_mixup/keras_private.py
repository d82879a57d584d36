"""Every name of Keras that is not public and that this library reads, with the reason.

A new version of Keras breaks something here first. `tests/test_keras_private.py` says
for each name what is assumed of it.
"""

import itertools
import typing

import keras
import tensorflow as tf
from keras.src.backend import get_keras_mask
from keras.src.trainers import compile_utils, data_adapters


class OutputMetrics(typing.NamedTuple):
    """The compiled metrics of one output, without and with sample weights."""

    name: str | None
    place: int
    plain: list
    weighted: list


class Producer(typing.NamedTuple):
    """The operation that made a symbolic tensor, its inputs, and which output it is."""

    operation: object
    place: int
    inputs: list


def mask_of(tensor):
    """The mask that a layer has given a tensor, or None."""
    return get_keras_mask(tensor)


def resolve_loss(loss, y_true, y_pred):
    """The `keras.losses.Loss` that `compile` makes of a name, a function or a loss.

    Targets and predictions matter for "crossentropy" alone.
    """
    return compile_utils.get_loss(loss, y_true, y_pred)


def with_mask(tensor, mask):
    """A copy of the tensor with this mask, or with none; losses and metrics read it."""
    copy = tf.identity(tensor)
    if mask is not None:
        copy._keras_mask = mask
    return copy


def set_mask(tensor, mask):
    """Gives the tensor a mask, as a layer's `compute_mask` does."""
    tensor._keras_mask = mask


def metrics_of_outputs(compiled, y_true, y_pred):
    """The metrics of `compile` by output. `compile` has no public way to weigh them.

    Args:
        compiled: The `CompileMetrics` of a model, or None.
        y_true: Targets, for metrics that are not yet made.
        y_pred: Predictions.

    Returns:
        A list of `OutputMetrics`, in the order of `flat_outputs`.
    """
    if compiled is None:
        return []
    if not compiled.built:
        compiled.build(y_true, y_pred)
    found = []
    # Where there are fewer targets than outputs, one list is shorter.
    pairs = itertools.zip_longest(
        compiled._flat_metrics, compiled._flat_weighted_metrics
    )
    for index, (plain, weighted) in enumerate(pairs):
        lists = [one for one in (plain, weighted) if one is not None]
        if lists:
            of_each = [[] if one is None else one.metrics for one in (plain, weighted)]
            found.append(OutputMetrics(lists[0].output_name, index, *of_each))
    return found


def flat_outputs(compiled, nest):
    """Targets, predictions or weights in the order of `metrics_of_outputs`."""
    # Up to 3.14 Keras takes dicts in the order of their sorted names.
    return getattr(compiled, "_flatten_y", keras.tree.flatten)(nest)


def function_of_metric(metric):
    """The function that a `MeanMetricWrapper` averages, else None."""
    if not isinstance(metric, keras.metrics.MeanMetricWrapper):
        return None
    function, settings = metric._fn, metric._fn_kwargs
    return lambda y_true, y_pred: function(y_true, y_pred, **settings)


def origin_of_metric(metric):
    """What a `MeanMetricWrapper` was made of: a function or a loss; else its class."""
    return getattr(metric, "_fn", type(metric))


def all_layers(network):
    """The network and all layers inside it, at any depth."""
    return network._flatten_layers()


def functional_of(network):
    """The functional network that a built Sequential keeps, or the network itself."""
    return getattr(network, "_functional", None) or network


def nodes_of(graph):
    """The calls of layers that make up a functional network, the first ones first."""
    by_depth = graph._nodes_by_depth
    return [
        node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth]
    ]


def run_again(graph, inputs, called):
    """The outputs of a functional network, with `called(operation)` for each call.

    Of symbolic inputs it is the graph of the same operations, called once more.
    """
    outputs = graph._run_through_graph(inputs, operation_fn=called)
    single = isinstance(outputs, (list, tuple)) and len(outputs) == 1
    return outputs[0] if single else outputs


def metrics_of_model(network):
    """The metrics that a model keeps itself. A model around it leaves them out."""
    return network._metrics if isinstance(network, keras.Model) else []


def producer_of(tensor):
    """The operation that gave a symbolic tensor. Keras has no public way to ask."""
    operation, node, index = tensor._keras_history
    return Producer(operation, index, operation._inbound_nodes[node].input_tensors)


def compiled_metrics(model):
    """The `CompileMetrics` of a model, None where there are none."""
    return model._compile_metrics


def spec_of_epochs(iterator):
    """The element spec of the dataset that an iterator of `fit` goes through."""
    return iterator.data_adapter.get_tf_dataset().element_spec


def build_for_batch(model, spec):
    """Builds the network, loss and metrics for batches of this spec, as `fit` does."""
    model._symbolic_build(data_batch=spec)


def adapter_of_batches(batches):
    """How `fit` reads batches that Python code makes; None for what it does not read.

    Arrays have an adapter as well, and are no batches. What a generator must not give,
    such as nothing at all, is said by Keras.
    """
    if data_adapters.array_data_adapter.can_convert_arrays((batches,)):
        return None
    try:
        return data_adapters.get_data_adapter(batches)
    except ValueError as error:
        if "Unrecognized data type" in str(error):
            return None
        raise
