"""What TensorFlow Serving is given: a model for it alone, and warm-up requests."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import export_saved_model
from tests.served_models import (
    IMAGES,
    NAMES,
    linear,
    linear_network,
    serve,
    sigmoid,
    softmax,
)

# In this process an import of keras or keras_mixup fails.
CLIENT = """
import json, sys
sys.modules["keras"] = sys.modules["keras_mixup"] = None
import numpy, tensorflow as tf
def served(version):
    signature = tf.saved_model.load(version).signatures["serving_default"]
    return signature(inputs=tf.constant(numpy.load(version + ".npy")))
classes, tags = served("1"), served("2")
labels = [label.decode() for label in classes["label"].numpy()]
of_classes = classes["probabilities"].numpy().tolist()
print(json.dumps([of_classes, labels, tags["probabilities"].numpy().tolist()]))
"""


def test_a_process_without_keras_serves_classes_and_independent_labels(tmp_path):
    network = linear_network()
    export_saved_model(network, tmp_path / "1", labels=NAMES, from_logits=True)
    np.save(tmp_path / "1.npy", IMAGES.astype("float32"))
    tagger = keras.Sequential([keras.Input((5,)), keras.layers.Dense(3)])
    tagger.compile("sgd", keras.losses.BinaryCrossentropy(from_logits=True))
    export_saved_model(tagger, tmp_path / "2")
    rows = np.random.default_rng(0).normal(size=(6, 5)).astype("float32")
    np.save(tmp_path / "2.npy", rows)
    answer = subprocess.run(
        [sys.executable, "-I", "-c", CLIENT],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    probabilities, labels, tags = json.loads(answer.stdout.splitlines()[-1])
    expected = softmax(linear(network, IMAGES))
    np.testing.assert_allclose(probabilities, expected, rtol=1e-4, atol=1e-6)
    assert labels == [NAMES[index] for index in expected.argmax(axis=-1)]
    kernel, bias = tagger.get_weights()
    np.testing.assert_allclose(tags, sigmoid(rows @ kernel + bias), rtol=1e-4)


def warm_up_requests(path):
    """The inputs of each request, by the name of its signature."""
    apis = pytest.importorskip(
        "tensorflow_serving.apis.prediction_log_pb2", reason="needs the serving extra"
    )
    file = path / "assets.extra" / "tf_serving_warmup_requests"
    requests = {}
    for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
        request = apis.PredictionLog.FromString(record).predict_log.request
        name = request.model_spec.signature_name
        assert name not in requests
        requests[name] = {k: tf.make_ndarray(v) for k, v in request.inputs.items()}
    return requests


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_each_signature_on_images_answers_its_warm_up_request(tmp_path, dtype):
    network = linear_network()
    path = export_saved_model(
        network, tmp_path / "1", input_dtype=dtype, from_logits=True
    )
    requests = warm_up_requests(path)
    assert sorted(requests) == ["encoded_images", "numeric", "serving_default"]
    assert requests["serving_default"]["inputs"].dtype == dtype
    black = softmax(linear(network, np.zeros((1, 4, 4, 3))))
    for name, inputs in requests.items():
        probabilities = serve(path, name, **inputs)["probabilities"]
        np.testing.assert_allclose(probabilities, black, rtol=1e-5)


def test_a_network_that_takes_no_images_has_no_such_request(tmp_path):
    network = keras.Sequential([keras.Input((7,)), keras.layers.Dense(2)])
    path = export_saved_model(network, tmp_path / "1", from_logits=True)
    requests = warm_up_requests(path)
    assert list(requests) == ["serving_default", "numeric"]
    for name, inputs in requests.items():
        served = serve(path, name, **inputs)
        np.testing.assert_allclose(served["probabilities"], [[0.5, 0.5]])
    assert "encoded_images" not in tf.saved_model.load(str(path)).signatures
