"""What TensorFlow Serving is given: a model for it alone, and warm-up requests."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import export_saved_model
from tests.served_models import IMAGES, NAMES, linear, linear_network, serve, softmax

# In this process an import of keras or keras_mixup fails.
CLIENT = """
import json, sys
sys.modules["keras"] = sys.modules["keras_mixup"] = None
import numpy, tensorflow as tf
model = tf.saved_model.load("1")
inputs = tf.constant(numpy.load("images.npy"))
served = model.signatures["serving_default"](inputs=inputs)
labels = [label.decode() for label in served["label"].numpy()]
print(json.dumps([served["probabilities"].numpy().tolist(), labels]))
"""


def test_a_process_without_keras_serves_the_model(tmp_path):
    network = linear_network()
    export_saved_model(network, tmp_path / "1", labels=NAMES, from_logits=True)
    np.save(tmp_path / "images.npy", IMAGES.astype("float32"))
    answer = subprocess.run(
        [sys.executable, "-I", "-c", CLIENT],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    probabilities, labels = json.loads(answer.stdout.splitlines()[-1])
    expected = softmax(linear(network, IMAGES))
    np.testing.assert_allclose(probabilities, expected, rtol=1e-4, atol=1e-6)
    assert labels == [NAMES[index] for index in expected.argmax(axis=-1)]


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
    assert sorted(requests) == ["encoded_images", "serving_default"]
    assert requests["serving_default"]["inputs"].dtype == dtype
    black = softmax(linear(network, np.zeros((1, 4, 4, 3))))
    for name, inputs in requests.items():
        probabilities = serve(path, name, **inputs)["probabilities"]
        np.testing.assert_allclose(probabilities, black, rtol=1e-5)


def test_a_network_that_takes_no_images_has_one_warm_up_request(tmp_path):
    network = keras.Sequential([keras.Input((7,)), keras.layers.Dense(2)])
    path = export_saved_model(network, tmp_path / "1", from_logits=True)
    requests = warm_up_requests(path)
    assert list(requests) == ["serving_default"]
    served = serve(path, **requests["serving_default"])
    np.testing.assert_allclose(served["probabilities"], [[0.5, 0.5]])
    assert "encoded_images" not in tf.saved_model.load(str(path)).signatures
