"""Runs for tests that kill them: a small network, checkpoints inside the epochs.

    python -m tests.experiments.killed_runs KIND RUN_DIR [STRATEGY]

Leaves a digest of the weights and the record, clock aside, in RUN_DIR/end.json.
"""

import dataclasses
import hashlib
import json
import os
import pathlib
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from experiments import classifier, gan, mixtures
from experiments.engine import distribution
from experiments.paper import figure5_gan
from experiments.settings import MethodSettings

COUNT, CLASSES, EPOCHS = 250, 3, 3
KINDS = ("input", "hidden", "gan")


@dataclasses.dataclass(frozen=True)
class Settings(MethodSettings):
    """Settings of the classifiers."""

    batch_size: int = 8
    learning_rate: float = 0.05
    momentum: float = 0.9
    checkpoint_steps: int = 5


def train_classifier(kind, folder, settings):
    """Trains on made-up data; gives the record and the network."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(COUNT, 4)).astype("float32")
    y = generator.integers(CLASSES, size=COUNT)
    examples = tf.data.Dataset.from_tensor_slices((x, y))
    mixing = classifier.Mixing(1.0, 5, CLASSES, settings, mix_at=kind)
    made = []

    def network():
        inputs = keras.Input((4,), name="input")
        hidden = keras.layers.Dense(8, activation="tanh", name="hidden")(inputs)
        hidden = keras.layers.BatchNormalization()(hidden)
        hidden = keras.layers.Dropout(0.2)(hidden)
        made.append(keras.Model(inputs, keras.layers.Dense(CLASSES)(hidden)))
        return made[0]

    record, _ = classifier.train(
        folder,
        mixing,
        **classifier.of_examples(
            examples, COUNT, {"test": examples}, mixing, evaluated=50
        ),
        network=network,
        optimizer=classifier.sgd(settings),
        epochs=EPOCHS,
        drops=(2,),
    )
    return record, made[0]


def train_gan(folder, settings):
    """Trains Figure 5's GAN, small; gives the record and the GAN."""
    made, replicas = [], distribution.strategy_of(settings).num_replicas_in_sync

    def make_gan():
        made.append(mixtures.make_gan("ring", 0.2, "author_code", 1, settings))
        return made[0]

    record, _ = gan.train(
        settings,
        folder,
        make_gan=make_gan,
        batches=lambda done: gan.indices(done, replicas),
        examples_per_step=settings.examples_per_step(0.2, "author_code"),
        measure=lambda model, iteration: {"test": {}},
    )
    return record, made[0]


def main(kind, run_dir, strategy="one"):
    """One run; its folder is `run_dir`."""
    folder = pathlib.Path(run_dir)
    folder.mkdir(parents=True, exist_ok=True)
    own = {"strategy": strategy, "tensorboard": False}
    own |= {"progress": "none", "deterministic": True}
    if kind == "gan":
        own |= {"width": 8, "iterations": 120, "every": 10, "snapshots": (10,)}
        settings = figure5_gan.Settings(**own, jit_compile=False)
    else:
        settings = Settings(**own)
    distribution.strategy_of(settings)
    keras.utils.set_random_seed(5)
    if kind == "gan":
        record, model = train_gan(folder, settings)
    else:
        record, model = train_classifier(kind, folder, settings)
    weights = b"".join(np.asarray(w).tobytes() for w in model.get_weights())
    for entry in record:
        entry.pop("seconds")
    if distribution.is_chief(settings):
        end = {"weights": hashlib.sha256(weights).hexdigest(), "record": record}
        (folder / "end.json").write_text(json.dumps(end))


if __name__ == "__main__":
    main(*sys.argv[1:])
