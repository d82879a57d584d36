"""A long training does not grow the process."""

import os
import pathlib
import subprocess
import sys
import textwrap

import pytest

ROOT = pathlib.Path(__file__).parents[2]

PROGRAM = textwrap.dedent(
    """
    import pathlib, sys
    import keras, numpy as np, tensorflow as tf
    import keras_mixup

    def resident():
        lines = pathlib.Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if "VmRSS" in line)

    x = np.random.default_rng(0).normal(size=(203, 16)).astype("float32")
    y = np.arange(203) % 4
    network = keras_mixup.models.build(
        "mlp", input_shape=(16,), num_classes=4, width=32
    )
    if sys.argv[1] == "train_step":
        model = keras_mixup.MixUpModel(network, keras_mixup.MixUp(1.0, seed=1))
        data = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(203).batch(32)
    else:
        model = network
        mixup = keras_mixup.MixUp(1.0, seed=1, num_classes=4)
        data = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(203).batch(32)
        data = data.apply(mixup)
    rows = sys.argv[1] == "pipeline"
    loss = keras.losses.CategoricalCrossentropy if rows else (
        keras.losses.SparseCategoricalCrossentropy)
    model.compile("sgd", loss(from_logits=True))
    model.fit(data, epochs=20, verbose=0)
    before = resident()
    model.fit(data, epochs=200, verbose=0)
    print(before, resident())
    """
)


@pytest.mark.slow
@pytest.mark.parametrize("place", ["train_step", "pipeline"])
def test_200_epochs_grow_the_process_by_less_than_5_per_cent(place):
    if not pathlib.Path("/proc/self/status").exists():
        pytest.skip("The memory of a process is read from Linux's /proc.")
    answer = subprocess.run(
        [sys.executable, "-c", PROGRAM, place],
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    before, after = map(int, answer.stdout.split())
    print(f"{before} kB before, {after} kB after")
    assert after < 1.05 * before
