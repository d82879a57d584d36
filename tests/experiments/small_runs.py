"""A run of a small classifier, over in a second, and what is left of it."""

import dataclasses
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import tensorflow as tf

from experiments import classifier
from experiments.settings import MethodSettings, field

COUNT, BATCH, STEPS, CLASSES = 20, 8, 3, 3
ROOT = pathlib.Path(__file__).parents[2]


@dataclasses.dataclass(frozen=True)
class Settings(MethodSettings):
    """Settings of a run that is over in a second."""

    batch_size: int = BATCH
    progress: str = "none"
    learning_rate: float = field(0.1, above=0)


def arrays(seed):
    generator = np.random.default_rng(seed)
    return (
        generator.normal(size=(COUNT, 4)).astype("float32"),
        generator.integers(CLASSES, size=COUNT),
    )


def network():
    return keras.Sequential(
        [
            keras.Input((4,)),
            # Not a ReLU: on a CPU that makes zero of what is no number.
            keras.layers.Dense(8, activation="tanh"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(CLASSES, dtype="float32"),
        ]
    )


class Mixing(classifier.Mixing):
    """Keeps the models that it compiles."""

    made = []

    def compiled(self, *arguments):
        self.made.append(super().compiled(*arguments))
        return self.made[-1]


def weights_sum(network):
    """Something that only the trained network can tell."""
    return {"weights": float(sum(abs(w).sum() for w in network.get_weights()))}


def train(settings, folder, epochs=3):
    """A run of a small classifier: its record, and the examples seen."""
    keras.utils.set_random_seed(5)
    mixing = Mixing(1.0, 5, CLASSES, settings)
    examples, test = (
        tf.data.Dataset.from_tensor_slices(arrays(seed)) for seed in (0, 1)
    )
    folder.mkdir(parents=True, exist_ok=True)
    return classifier.train(
        folder,
        mixing,
        **classifier.of_examples(examples, COUNT, {"test": test}, mixing, evaluated=6),
        network=network,
        optimizer=lambda rate: keras.optimizers.SGD(rate, 0.9),
        epochs=epochs,
        drops=(1, 2),
        at_end=weights_sum,
    )


def without_clock(epochs):
    return [{k: v for k, v in epoch.items() if k != "seconds"} for epoch in epochs]


def without_end(epochs):
    return [{k: v for k, v in epoch.items() if k != "end"} for epoch in epochs]


def weights():
    """Those of the network that was trained last."""
    return Mixing.made[-1].network.get_weights()


def ended(program, *arguments):
    """A process that runs this program, after its end."""
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
