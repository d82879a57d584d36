"""Keras on JAX and PyTorch: the pipeline gives the values that it gives on TensorFlow.

Each backend has a process of its own, since Keras takes one for good.
"""

import importlib.util
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from tests.backends import values

pytestmark = pytest.mark.backends
ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope="module")
def expected():
    return json.loads(json.dumps(values.all_values()))


@pytest.fixture(scope="module", params=["jax", "torch"])
def found(request):
    if importlib.util.find_spec(request.param) is None:
        pytest.skip(f"{request.param} is not installed: make test-backends.")
    process = subprocess.run(
        [sys.executable, "-m", "tests.backends.values"],
        env={**os.environ, "KERAS_BACKEND": request.param},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr[-3000:]
    answer = json.loads(process.stdout.splitlines()[-1])
    assert answer["backend"] == request.param
    return answer


def test_the_policies_give_the_same_bits(found, expected):
    assert len(set(expected["mixed"].values())) == len(expected["mixed"])
    assert found["mixed"] == expected["mixed"]


def test_the_layers_give_the_same_bits(found, expected):
    assert found["layers"] == expected["layers"]


def test_metrics_of_soft_labels_have_the_same_values(found, expected):
    assert list(found["metrics"]) == list(expected["metrics"])
    np.testing.assert_allclose(
        [*found["metrics"].values()], [*expected["metrics"].values()], rtol=1e-5
    )


def test_learning_rates_drop_at_the_same_steps(found, expected):
    np.testing.assert_allclose(
        found["learning_rates"], expected["learning_rates"], rtol=1e-6
    )


def test_a_plain_network_learns_alike_from_mixed_batches(found, expected):
    assert sorted(found["fitted"]) == ["accuracy", "auc", "loss"]
    for name, history in expected["fitted"].items():
        np.testing.assert_allclose(found["fitted"][name], history, rtol=1e-4)


def test_networks_of_the_library_run(found, expected):
    assert found["networks"] == expected["networks"] == [[64, 3], [64, 3]]


def test_what_needs_tensorflow_says_so(found):
    backend = found["backend"]
    alpha = found["refused"].pop("alpha")
    assert f"Expected a tf.Variable: on the {backend} backend" in alpha
    assert len(found["refused"]) == 5
    for sentence in found["refused"].values():
        assert "needs the TensorFlow backend of Keras" in sentence
        assert f"Received: backend='{backend}'" in sentence
    assert "dataset.apply(keras_mixup.MixUp(...))" in found["refused"]["MixUpModel"]


def test_loaders_of_torch_and_of_grain_give_the_same_mixed_batches():
    grain, torch = (
        pytest.importorskip(name, reason="make test-backends installs it.")
        for name in ("grain", "torch")
    )
    x = np.arange(40, dtype="float32").reshape(20, 2)
    y = np.eye(2, dtype="float32")[np.arange(20) % 2]
    tensors = torch.utils.data.TensorDataset(torch.tensor(x), torch.tensor(y))
    loaders = (
        grain.MapDataset.source([*zip(x, y, strict=True)]).batch(4),
        torch.utils.data.DataLoader(tensors, batch_size=4, num_workers=2),
    )
    mixup = keras_mixup.MixUp(1.0, seed=0)
    for loader in loaders:
        dataset = keras_mixup.as_dataset(loader)
        assert int(dataset.cardinality()) == 5
        dataset = dataset.apply(mixup)
        mixed = [batch for _ in range(2) for batch in dataset]
        assert len(mixed) == 10
        for step, batch in enumerate(mixed):
            place = slice(step % 5 * 4, step % 5 * 4 + 4)
            expected = mixup.at_step(step, (x[place], y[place]))
            for part, same in zip(batch, expected, strict=True):
                np.testing.assert_allclose(part, same, rtol=1e-6)
    endless = keras_mixup.as_dataset(loaders[0].repeat())
    assert int(endless.cardinality()) == tf.data.INFINITE_CARDINALITY
    dicts = torch.utils.data.DataLoader([{"images": x[0]}] * 4, batch_size=2)
    with pytest.raises(ValueError, match="dicts come from a keras.utils.PyDataset"):
        keras_mixup.as_dataset(dicts)
