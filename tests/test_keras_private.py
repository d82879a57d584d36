"""What is assumed of the private names of Keras. A new Keras fails here first."""

import ast
import pathlib
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import keras_private

LIBRARY = pathlib.Path(keras_private.__file__).parent
# Methods that Keras calls by these names, so that an override needs them.
OVERRIDDEN = {"_make_function", "_maybe_symbolic_build"}


def two_outputs():
    inputs = keras.Input((3,))
    first = keras.layers.Dense(2, name="b")(inputs)
    second = keras.layers.Dense(1, name="a")(inputs)
    return keras.Model(inputs, {"b": first, "a": second})


def fitted(model, y, steps=1, **compiled):
    model.compile(keras.optimizers.SGD(0.0), "mse", **compiled)
    model.fit(np.ones((4, 3), "float32"), y, batch_size=4, verbose=0)
    return model


# Masks.


def test_mask_of_is_what_a_layer_computed():
    words = tf.constant([[1, 2, 0]])
    mask = keras_private.mask_of(keras.layers.Embedding(3, 2, mask_zero=True)(words))
    np.testing.assert_array_equal(mask, [[True, True, False]])
    assert keras_private.mask_of(tf.zeros([2])) is None


@pytest.mark.parametrize("mode", ["eager", "graph", "xla"])
def test_losses_read_the_mask_that_set_mask_gives(mode):
    def loss():
        prediction = tf.constant([[1.0], [3.0]])[None]
        keras_private.set_mask(prediction, tf.constant([[True, False]]))
        return keras.losses.MeanSquaredError()(tf.zeros([1, 2, 1]), prediction)

    if mode != "eager":
        loss = tf.function(loss, jit_compile=mode == "xla")
    assert float(loss()) == pytest.approx(1.0)  # And not (1 + 9) / 2.


def test_metrics_read_the_mask_of_with_mask_and_the_tensor_keeps_its_own():
    prediction = tf.constant([[[1.0], [3.0]]])
    masked = keras_private.with_mask(prediction, tf.constant([[False, True]]))
    metric = keras.metrics.MeanSquaredError()
    # Not every version reads it where there are no weights.
    metric.update_state(tf.zeros([1, 2, 1]), masked, tf.ones([1, 2]))
    assert float(metric.result()) == 9.0
    assert keras_private.mask_of(prediction) is None
    assert keras_private.mask_of(keras_private.with_mask(masked, None)) is None


# Losses and metrics that `compile` makes.


@pytest.mark.parametrize(
    ("loss", "y", "expected"),
    [
        ("mse", 0, keras.losses.mean_squared_error),
        (keras.losses.hinge, 0, keras.losses.hinge),
        (
            keras.losses.CategoricalCrossentropy(),
            0,
            keras.losses.categorical_crossentropy,
        ),
        ("crossentropy", np.zeros([2]), keras.losses.sparse_categorical_crossentropy),
        ("crossentropy", np.zeros([2, 3]), keras.losses.categorical_crossentropy),
    ],
)  # fmt: skip
def test_resolve_loss_is_the_loss_that_compile_makes(loss, y, expected):
    found = keras_private.resolve_loss(loss, y, np.zeros([2, 3]))
    assert isinstance(found, keras.losses.Loss)
    assert found.fn is expected
    assert found.name == getattr(loss, "name", getattr(loss, "__name__", loss))


def test_a_loss_of_keras_calls_its_function_with_its_settings():
    loss = keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.5)
    y, p = np.array([[1.0]]), np.array([[0.3]])
    values = loss.call(keras.ops.convert_to_tensor(y), keras.ops.convert_to_tensor(p))
    expected = np.log(1 + np.exp(0.3)) - 0.75 * 0.3
    assert float(values[0]) == pytest.approx(expected, abs=1e-6)


def test_metrics_of_outputs_are_in_the_order_of_flat_outputs():
    model = two_outputs()
    y = {"b": np.zeros((4, 2), "float32"), "a": np.ones((4, 1), "float32")}
    fitted(model, y, metrics={"a": ["mae"]}, weighted_metrics={"b": ["mse", "mae"]})
    compiled = keras_private.compiled_metrics(model)
    found = keras_private.metrics_of_outputs(compiled, y, model(np.ones((4, 3))))
    flat = keras_private.flat_outputs(compiled, y)
    names = {
        one.name: (
            [metric.name for metric in one.plain],
            [metric.name for metric in one.weighted],
            flat[one.place].shape[1],
        )
        for one in found
    }
    assert names["a"] == (["mae"], [], 1)
    assert names["b"] == ([], ["mse", "mae"], 2)


def test_metrics_that_are_not_made_yet_are_made_by_the_shapes():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["accuracy"])
    compiled = keras_private.compiled_metrics(model)
    y = p = tf.zeros([4, 1])
    ((name, index, (metric,), weighted),) = keras_private.metrics_of_outputs(
        compiled, y, p
    )
    assert (name, index, weighted) == (None, 0, [])
    assert isinstance(metric, keras.metrics.BinaryAccuracy)


def test_compiled_metrics_are_what_fit_updates():
    model = fitted(
        keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)]),
        np.zeros((4, 1)),
        metrics=["mae"],
    )
    (found,) = keras_private.metrics_of_outputs(
        keras_private.compiled_metrics(model), 0, 0
    )
    assert found.plain[0] in keras_private.compiled_metrics(model).metrics
    assert float(found.plain[0].count) == 4


def test_without_metrics_there_are_none():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    assert keras_private.compiled_metrics(model) is None
    assert keras_private.metrics_of_outputs(None, 0, 0) == []


def own(y, p, power=1):
    return keras.ops.abs(y - p) ** power


def test_function_of_metric_is_what_it_averages_with_its_settings():
    metric = keras.metrics.MeanMetricWrapper(own, name="own", power=2)
    assert float(keras_private.function_of_metric(metric)(5.0, 2.0)) == 9
    assert keras_private.function_of_metric(keras.metrics.AUC()) is None


@pytest.mark.parametrize(
    ("metric", "origin"),
    [
        (keras.metrics.MeanMetricWrapper(own), own),
        (keras.metrics.MeanAbsoluteError(), keras.losses.mean_absolute_error),
        (
            keras.metrics.SparseCategoricalAccuracy(),
            keras.metrics.sparse_categorical_accuracy,
        ),
        (keras.metrics.AUC(), keras.metrics.AUC),
    ],
)
def test_origin_of_metric_is_its_function_or_its_class(metric, origin):
    assert keras_private.origin_of_metric(metric) is origin


def test_origin_of_a_loss_among_the_metrics_is_the_loss():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    loss = keras.losses.Huber()
    fitted(model, np.zeros((4, 1)), metrics=[loss])
    (found,) = keras_private.metrics_of_outputs(
        keras_private.compiled_metrics(model), 0, 0
    )
    assert keras_private.origin_of_metric(found.plain[0]) is loss


# Networks.


def test_all_layers_are_those_at_any_depth_and_the_network():
    inner = keras.Sequential([keras.layers.Dense(2, name="deep")], name="inner")
    network = keras.Sequential([keras.Input((3,)), inner], name="outer")
    found = [layer.name for layer in keras_private.all_layers(network)]
    assert {"outer", "inner", "deep"} <= set(found)


def test_functional_of_a_sequential_is_the_graph_of_its_layers():
    network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    graph = keras_private.functional_of(network)
    assert graph.input.shape == (None, 3) and graph.output.shape == (None, 2)
    model = two_outputs()
    assert keras_private.functional_of(model) is model
    layer = keras.layers.Dense(2)
    assert keras_private.functional_of(layer) is layer


def test_nodes_of_a_graph_are_its_calls_and_not_those_elsewhere():
    inputs = keras.Input((3,))
    shared = keras.layers.Dense(3)
    network = keras.Model(inputs, shared(shared(inputs)))
    shared(keras.Input((3,)))
    nodes = [n for n in keras_private.nodes_of(network) if n.operation is shared]
    assert len(nodes) == 2
    first = next(node for node in nodes if node.input_tensors[0] is inputs)
    assert [out.shape for out in first.outputs] == [(None, 3)]


def test_nodes_come_in_the_order_of_their_calls():
    layers = [keras.layers.Dense(3) for _ in range(4)]
    graph = keras_private.functional_of(keras.Sequential([keras.Input((3,)), *layers]))
    calls = [node.operation for node in keras_private.nodes_of(graph)]
    assert calls[1:] == layers


def test_run_again_calls_what_it_is_given_for_each_operation():
    inputs, layer = keras.Input((3,)), keras.layers.Dense(3)
    network = keras.Model(inputs, layer(inputs))
    again = keras_private.run_again(
        network, network.inputs, lambda operation: operation
    )
    whole = keras.Model(network.input, again)
    np.testing.assert_array_equal(whole(np.eye(3)), network(np.eye(3)))
    assert whole.weights == network.weights
    other = keras_private.run_again(network, network.inputs, lambda _: lambda x: x)
    assert other is network.inputs[0]


def test_producer_of_a_tensor_is_the_call_that_gave_it():
    inputs = keras.Input((3,))
    hidden = keras.layers.Dense(2, name="hidden")(inputs)
    parts = keras.ops.split(hidden, 2, axis=-1)
    operation, index, given = keras_private.producer_of(parts[1])
    assert (type(operation).__name__, index) == ("Split", 1)
    assert given[0] is hidden
    assert keras_private.producer_of(hidden).operation.name == "hidden"


def test_losses_and_layers_of_keras_are_of_modules_of_keras():
    for one in (keras.losses.hinge, keras.layers.Dense, keras.Model.fit):
        assert one.__module__.startswith("keras.")


# Fit.


class Seen(keras.Model):
    """Notes what `fit` hands to `_maybe_symbolic_build` and `_make_function`."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(1)
        self.spec, self.made = None, 0

    def call(self, inputs):
        return self.dense(inputs)

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        self.spec = keras_private.spec_of_epochs(iterator)
        return super()._maybe_symbolic_build(iterator, data_batch)

    def _make_function(self, step_function):
        self.made += 1
        return super()._make_function(step_function)


def test_fit_asks_the_methods_that_several_workers_override():
    model = fitted(Seen(), np.zeros((4, 1), "float32"))
    x, y = model.spec
    assert (x.shape[1:].as_list(), y.shape[1:].as_list()) == ([3], [1])
    assert model.made >= 1


def test_build_for_batch_makes_the_weights_and_the_metrics():
    model = keras.Sequential([keras.layers.Dense(2)])
    model.compile("sgd", "mse", metrics=["mae"])
    spec = (tf.TensorSpec([None, 3]), tf.TensorSpec([None, 2]))
    keras_private.build_for_batch(model, spec)
    assert model.layers[0].kernel.shape == (3, 2)
    assert len(keras_private.compiled_metrics(model).metrics) == 1


# The rest of the library.


def names_read(tree):
    """Names that a file reads off objects, and their lines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield node.attr, node.lineno
        elif _is_access_by_name(node):
            yield node.args[1].value, node.lineno


def names_given(tree):
    """Names under which a file defines methods and stores values."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            yield node.name
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr
        elif isinstance(node, ast.ClassDef):
            assigned = (one for one in node.body if isinstance(one, ast.Assign))
            yield from (target.id for one in assigned for target in one.targets)
        elif _is_access_by_name(node) and "setattr" in ast.unparse(node.func):
            yield node.args[1].value


def _is_access_by_name(node):
    by_name = ("getattr", "hasattr", "setattr", "object.__setattr__")
    is_call = isinstance(node, ast.Call) and ast.unparse(node.func) in by_name
    return is_call and isinstance(node.args[1], ast.Constant)


def test_no_other_file_reads_a_private_name_of_keras():
    texts = {
        path: path.read_text()
        for path in LIBRARY.rglob("*.py")
        if path.stem != "keras_private"
    }
    trees = {path: ast.parse(text) for path, text in texts.items()}
    ours = {name for tree in trees.values() for name in names_given(tree)}
    # Of a NamedTuple, and of TensorFlow.
    ours |= {"_asdict", "_replace", "_inputs", "_parent_trackable"}
    kinds = (
        keras.Sequential,
        keras.layers.Dense,
        keras.losses.Loss,
        keras.metrics.MeanMetricWrapper,
    )
    theirs = {name for kind in kinds for name in dir(kind)}
    # Those that objects get when they are made.
    theirs |= {"_keras_history", "_keras_mask", "_inbound_nodes", "_functional"}
    theirs |= {"_compile_loss", "_compile_metrics", "_distribute_strategy", "_fn"}
    for path, tree in trees.items():
        assert "keras.src" not in texts[path], path
        overridden = OVERRIDDEN if path.stem == "several_workers" else set()
        for name, line in names_read(tree):
            if re.match("_[^_]", name) and name not in overridden:
                assert name in ours and name not in theirs, (path, line, name)


def test_adapter_of_batches_reads_what_fit_reads_and_no_arrays():
    adapter = keras_private.adapter_of_batches(iter_of_one() for _ in range(1))
    assert adapter.num_batches is None
    assert len([*adapter.get_numpy_iterator()]) == 1
    for other in (np.ones((3, 2)), [1, 2], None):
        assert keras_private.adapter_of_batches(other) is None
    with pytest.raises(ValueError, match="at least one batch"):
        keras_private.adapter_of_batches(iter_of_one() for _ in range(0))


def iter_of_one():
    return np.ones((4, 3), "float32"), np.ones((4, 1), "float32")
