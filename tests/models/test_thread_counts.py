"""Each network trains on any number of cores: one process for a number of threads.

oneDNN cuts the work of an operation by the number of threads, and an error there ends
the process. So each number has a process, which prints the name of a network before it
trains it: the last name that it printed is that of the network that ended it.
"""

import math
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest

import keras_mixup
from tests.models.small_networks import REPEATED, WIDTHS, built

ROOT = pathlib.Path(__file__).parents[2]


def train(names, wide):
    """Two steps of each network; this runs in the process of a number of threads."""
    generator = np.random.default_rng(0)
    for name in names:
        print(name, flush=True)
        network = built(name, WIDTHS[name][wide])
        x = generator.random((8, *network.input_shape[1:]), "float32")
        y = generator.random((8, *network.output_shape[1:]), "float32")
        network.compile("sgd", "mse", jit_compile=False)
        for _ in range(2):
            loss = float(network.train_on_batch(x, y))
            assert math.isfinite(loss), f"The loss of {name} is {loss}."
    print("done", flush=True)


def run(threads, names, wide=False, one_dnn=True):
    settings = {
        "TF_NUM_INTRAOP_THREADS": str(threads),
        "TF_ENABLE_ONEDNN_OPTS": str(int(one_dnn)),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "",
    }
    code = f"from tests.models import test_thread_counts as t; t.train({names}, {wide})"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | settings,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0 and done.stdout.split() == [*names, "done"], (
        f"Trained, and the last one not to its end: {done.stdout.split()}. "
        f"Exit status {done.returncode}.\n{done.stderr[-2000:]}"
    )


def test_every_builder_is_among_the_small_networks():
    assert sorted([*WIDTHS, *REPEATED]) == keras_mixup.models.names()


@pytest.mark.parametrize(
    "name", ["preact_resnet18", "wide_resnet28_10", "resnet50", "resnext101_32x4d"]
)
@pytest.mark.parametrize("wide", [False, True], ids=["narrow", "wide"])
def test_no_convolution_of_one_place_has_strides(name, wide):
    layers = built(name, WIDTHS[name][wide]).layers
    assert sum(layer.name.endswith("_subsample") for layer in layers) >= 2
    for layer in layers:
        if isinstance(layer, keras.layers.Conv2D) and layer.kernel_size == (1, 1):
            assert layer.strides == (1, 1), layer.name


@pytest.mark.slow
@pytest.mark.parametrize("wide", [False, True], ids=["narrow", "wide"])
@pytest.mark.parametrize("threads", [1, 3, 5, 6, 12])
def test_every_network_trains(threads, wide):
    run(threads, [*WIDTHS], wide)


@pytest.mark.slow
def test_every_network_trains_without_one_dnn():
    run(3, [*WIDTHS], one_dnn=False)
