"""Programs that keep or export what was trained."""

import pathlib
import tempfile

import keras
import numpy as np
import tensorflow as tf

import keras_mixup
from tests.matrix.pipelines import LABELS, ROWS, TABLE
from tests.matrix.programs import program
from tests.programs import by_hand


def trained():
    network = by_hand.linear(5, 4)
    model = keras_mixup.MixUpModel(network, keras_mixup.MixUp(1.0, seed=5))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1), loss)
    model.fit(TABLE, LABELS, verbose=0)
    return model


def softmax_of(network):
    return by_hand.softmax(by_hand.outputs(network, TABLE))


def in_folder(run):
    """A program that is given a folder of its own."""

    def with_folder():
        with tempfile.TemporaryDirectory() as folder:
            run(pathlib.Path(folder))

    return with_folder


@program("export", "a SavedModel with labels")
@in_folder
def with_labels(folder):
    model, names = trained(), ["a", "b", "c", "d"]
    keras_mixup.export_saved_model(model, folder / "1", labels=names)
    served = tf.saved_model.load(str(folder / "1")).signatures["serving_default"]
    answer = served(inputs=tf.constant(TABLE))
    best = softmax_of(model.network).argmax(axis=1)
    np.testing.assert_array_equal(answer["label_index"], best)
    assert [name.decode() for name in answer["label"].numpy()] == [
        names[i] for i in best
    ]


@program("export", "a SavedModel of a regression, with units")
@in_folder
def regression(folder):
    network = by_hand.linear(5, 1)
    keras_mixup.export_saved_model(
        network, folder / "1", task="regression", units="kWh"
    )
    served = tf.saved_model.load(str(folder / "1")).signatures["serving_default"]
    found = [*served(inputs=tf.constant(TABLE)).values()]
    values = [one for one in found if one.dtype == tf.float32]
    np.testing.assert_allclose(values[0], by_hand.outputs(network, TABLE), rtol=1e-5)


@program("export", "model.save and load_model, which go on alike")
@in_folder
def saved(folder):
    model = trained()
    model.save(folder / "model.keras")
    again = keras.models.load_model(folder / "model.keras")
    losses = [
        one.fit(TABLE, LABELS, batch_size=8, verbose=0).history["loss"]
        for one in (model, again)
    ]
    np.testing.assert_allclose(*losses, rtol=1e-6)


@program("export", "the weights alone")
@in_folder
def weights(folder):
    model = trained()
    model.network.save_weights(folder / "own.weights.h5")
    plain = by_hand.linear(5, 4)
    plain.load_weights(folder / "own.weights.h5")
    np.testing.assert_array_equal(
        by_hand.outputs(plain, TABLE), by_hand.outputs(model.network, TABLE)
    )


@program("export", "Keras's own export of the network")
@in_folder
def own_export(folder):
    model = trained()
    model.network.export(str(folder / "1"), verbose=False)
    served = tf.saved_model.load(str(folder / "1"))
    np.testing.assert_allclose(
        served.serve(tf.constant(TABLE)),
        by_hand.outputs(model.network, TABLE),
        rtol=1e-5,
    )


@program("export", "a network with a mixing layer, where it does nothing")
@in_folder
def mixing_layer(folder):
    keras.utils.set_random_seed(1)
    inputs = keras.Input((5,))
    mixed = keras_mixup.layers.MixFeatures(name="point")(inputs)
    network = keras.Model(inputs, keras.layers.Dense(4)(mixed))
    keras_mixup.export_saved_model(network, folder / "1", task="regression")
    served = tf.saved_model.load(str(folder / "1")).signatures["serving_default"]
    values = [
        one
        for one in served(inputs=tf.constant(TABLE)).values()
        if one.dtype.is_floating
    ]
    kernel, bias = map(np.asarray, network.layers[-1].weights)
    np.testing.assert_allclose(values[0], TABLE @ kernel + bias, rtol=1e-4, atol=1e-5)


@program("export", "LiteRT", needs=("ai_edge_litert",))
@in_folder
def litert(folder):
    from ai_edge_litert.interpreter import Interpreter

    network = trained().network
    network.export(str(folder / "1"), verbose=False)
    content = tf.lite.TFLiteConverter.from_saved_model(str(folder / "1")).convert()
    runner = Interpreter(model_content=content).get_signature_runner()
    (name,) = runner.get_input_details()
    (found,) = runner(**{name: TABLE}).values()
    np.testing.assert_allclose(found, by_hand.outputs(network, TABLE), atol=1e-5)


@program("export", "ONNX", needs=("tf2onnx", "onnxruntime"))
@in_folder
def onnx(folder):
    import onnxruntime

    network = trained().network
    path = str(folder / "network.onnx")
    network.export(path, format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(path)
    (given,) = session.get_inputs()
    (found,) = session.run(None, {given.name: TABLE})
    np.testing.assert_allclose(found, by_hand.outputs(network, TABLE), atol=1e-5)


@program("export", "OpenVINO", needs=("openvino",))
@in_folder
def openvino(folder):
    import openvino

    network = trained().network
    network.export(str(folder / "1"), verbose=False)
    converted = openvino.convert_model(str(folder / "1"))
    # On some processors it computes in bfloat16, unless it is told not to.
    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    found = openvino.compile_model(converted, "CPU", exact)([TABLE])[0]
    np.testing.assert_allclose(found, by_hand.outputs(network, TABLE), atol=1e-5)


@program("export", "evaluation of the trained model is not mixed")
def evaluated():
    model = trained()
    probabilities = softmax_of(model.network)
    expected = -np.log((probabilities * ROWS).sum(axis=1)).mean()
    found = model.evaluate(TABLE, LABELS, verbose=0)
    np.testing.assert_allclose(np.ravel(found)[0], expected, rtol=1e-4)
