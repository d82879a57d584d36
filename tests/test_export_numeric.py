"""The signature without strings against the one with them, and against Keras."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import export_saved_model
from tests import tiny_exports


def types_in(function):
    """The types of all that a concrete function computes, calls included."""
    graph = function.graph.as_graph_def()
    nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
    attributes = [value for node in nodes for value in node.attr.values()]
    return {one for value in attributes for one in (value.type, *value.list.type)}


@pytest.mark.parametrize("task", tiny_exports.EACH)
def test_the_numbers_are_those_that_have_names_beside_them(task, tmp_path):
    model, options, inputs, expected = tiny_exports.EACH[task]()
    path = export_saved_model(model, tmp_path / "1", **options)
    signatures = tf.saved_model.load(str(path)).signatures
    inputs = {name: tf.constant(value) for name, value in inputs.items()}
    numbers = signatures["numeric"](**inputs)
    labeled = signatures["serving_default"](**inputs)
    strings = {name for name, one in labeled.items() if one.dtype == tf.string}
    assert numbers.keys() == labeled.keys() - strings == expected.keys()
    for name, value in numbers.items():
        assert value.dtype == labeled[name].dtype
        np.testing.assert_array_equal(value, labeled[name])
        np.testing.assert_allclose(value, expected[name], atol=1e-5)
    labels = options.get("labels")
    labels = labels["kind"] if isinstance(labels, dict) else labels
    for name in strings:
        if name.endswith("label"):
            index = numbers[name + "_index"]
            named = [labels[i].encode() for i in index.numpy()]
            assert len(set(named)) > 1
        else:
            named = [[one.encode() for one in labels]] * len(tiny_exports.ROWS)
        assert labeled[name].numpy().tolist() == named
    string = tf.string.as_datatype_enum
    assert string not in types_in(signatures["numeric"])
    assert (string in types_in(signatures["serving_default"])) == bool(strings)
    card = (path / "model_card.md").read_text(encoding="utf-8")
    assert "`numeric` (the same without strings)" in card


def test_inputs_that_are_strings_have_no_numeric_signature(tmp_path):
    lookup = keras.layers.StringLookup(vocabulary=["a"], output_mode="multi_hot")
    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, "softmax")])
    path = export_saved_model(network, tmp_path / "1", preprocess=lookup)
    assert "numeric" not in tf.saved_model.load(str(path)).signatures
    assert "numeric" not in (path / "model_card.md").read_text(encoding="utf-8")
