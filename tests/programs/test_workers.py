"""Two replicas and the export of a run, each in a process of its own."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

import keras_mixup
from tests.programs import by_hand

ROOT = pathlib.Path(__file__).parents[2]
PROGRAM = """
import keras, numpy as np, tensorflow as tf
import keras_mixup
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 2,
)
x = np.random.default_rng(0).normal(size=(16, 6)).astype("float32")
y = np.arange(16) % 3
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    keras.utils.set_random_seed(1)
    network = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)])
    model = keras_mixup.MixUpModel(network, keras_mixup.MixUp(1.0, seed=1))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1), loss, metrics=["accuracy"])
first = [np.array(weight) for weight in network.weights]
dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(16)
history = model.fit(dataset, epochs=2, verbose=0).history
last = [np.array(weight) for weight in network.weights]
np.savez("run.npz", *first, *last, loss=history["loss"], accuracy=history["accuracy"])
"""


def run(program, folder):
    (folder / "program.py").write_text(program)
    answer = subprocess.run(
        [sys.executable, "program.py"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr[-2000:]
    return answer.stdout


@pytest.mark.slow
def test_two_replicas_draw_their_own_and_train_together(tmp_path):
    run(PROGRAM, tmp_path)
    found = np.load(tmp_path / "run.npz")
    x, y = by_hand.linear_data()
    kernel, bias = (found[f"arr_{i}"].astype("float64") for i in (0, 1))
    losses, hits = [], []
    for step in range(2):
        parts = []
        for replica in range(2):
            # Each replica has half of the batch, and mixes within it.
            own = slice(8 * replica, 8 * replica + 8)
            draw = {"seed": 1, "step": step, "replica": replica}
            lam = float(keras_mixup.sample_lambda(1.0, (), **draw))
            partner = keras_mixup.sample_partner(8, **draw).numpy()
            inputs = by_hand.mixed(x[own], lam, partner)
            logits = inputs @ kernel + bias
            rows = by_hand.mixed(np.eye(3)[y[own]], lam, partner)
            gradient = by_hand.softmax(logits) - rows
            parts.append((inputs.T @ gradient, gradient.sum(0)))
            for values, function in (
                (losses, by_hand.cross_entropies),
                (hits, by_hand.hits),
            ):
                one, two = (function(logits, z) for z in (y[own], y[own][partner]))
                values.append((lam * one + (1 - lam) * two).mean())
        kernel = kernel - 0.1 * sum(part[0] for part in parts) / 16
        bias = bias - 0.1 * sum(part[1] for part in parts) / 16
    np.testing.assert_allclose(found["arr_2"], kernel, atol=1e-5)
    np.testing.assert_allclose(found["arr_3"], bias, atol=1e-5)
    for name, values in (("loss", losses), ("accuracy", hits)):
        epochs = np.reshape(values, (2, 2)).mean(1)
        np.testing.assert_allclose(found[name], epochs, atol=1e-5)


SERVING = """
import json, sys, numpy as np, tensorflow as tf
assert "keras_mixup" not in sys.modules
model = tf.saved_model.load("exported/1")
found = model.signatures["serving_default"](inputs=tf.constant(np.load("x.npy")))
values = {name: value.numpy().astype(str).tolist() for name, value in found.items()}
print(json.dumps(values))
"""


@pytest.mark.slow
def test_what_was_trained_is_what_is_served(tmp_path):
    x, y = by_hand.linear_data()
    model = keras_mixup.MixUpModel(by_hand.linear(), keras_mixup.MixUp(0.4, seed=1))
    model.compile("sgd", by_hand.sparse_loss())
    model.fit(x, y, epochs=2, verbose=0)
    keras_mixup.export_saved_model(
        model, tmp_path / "exported/1", labels=["a", "b", "c"]
    )
    np.save(tmp_path / "x.npy", x)
    lines = run(SERVING, tmp_path).strip().splitlines()
    served = json.loads(lines[-1])
    kernel, bias = (np.asarray(weight) for weight in model.network.weights)
    expected = by_hand.softmax(x @ kernel + bias)
    probabilities = np.array(served["probabilities"], "float64")
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)
    assert served["label"] == ["abc"[index] for index in expected.argmax(-1)]
