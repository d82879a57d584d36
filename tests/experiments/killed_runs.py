"""Runs for tests that kill them: a small network, checkpoints inside the epochs.

    python -m tests.experiments.killed_runs KIND RUN_DIR [STRATEGY]

Leaves a digest of the weights and the record, clock aside, in RUN_DIR/end.json.
"""

import hashlib
import json
import os
import pathlib
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from experiments.configuration import TrainingConfiguration

import keras_mixup
from experiments import gan_training, mixtures
from experiments.data import pipeline
from experiments.engine import distribution, training
from experiments.paper.figure5_gan import Settings as GANSettings

COUNT, BATCH, CLASSES, EPOCHS = 250, 8, 3, 3
KINDS = ("input", "hidden", "gan")


def classifier(kind, folder, settings):
    """Trains on made-up data; gives the weights and the record."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(COUNT, 4)).astype("float32")
    y = generator.integers(CLASSES, size=COUNT)
    mixing = training.Mixing(
        1.0, 5, CLASSES, settings, mix_at="hidden" if kind == "hidden" else "input"
    )
    examples = tf.data.Dataset.from_tensor_slices((x, y))
    data = training.Data(
        batches=lambda first: pipeline.training_batches(
            examples, COUNT, BATCH, 5, first, mix=mixing.in_pipeline
        ),
        count=COUNT,
        batch_size=BATCH,
        sets={"test": pipeline.evaluation_batches(examples, 50)},
    )
    rate = keras_mixup.LearningRateDrops(0.05, (2,), data.steps_per_epoch)
    made = []

    def make_model():
        inputs = keras.Input((4,))
        hidden = keras.layers.Dense(8, activation="tanh", name="hidden")(inputs)
        hidden = keras.layers.BatchNormalization()(hidden)
        hidden = keras.layers.Dropout(0.2)(hidden)
        network = keras.Model(inputs, keras.layers.Dense(CLASSES)(hidden))
        made.append(mixing.compiled(network, keras.optimizers.SGD(rate, 0.9)))
        return made[0]

    record = training.fit(make_model, data, rate, EPOCHS, settings, folder)
    return made[0].get_weights(), record


def gan(folder, settings):
    """Trains Figure 5's GAN, small; gives the weights and the record."""
    made = []

    def make_gan():
        made.append(mixtures.make_gan("ring", 0.2, "author_code", 1, settings))
        return made[0]

    record = gan_training.fit(
        make_gan,
        lambda done: gan_training.indices(done, made[0].replicas),
        gan_training.points_of(settings.iterations, 10, ()),
        lambda model, iteration: {"test": {}},
        settings,
        folder,
    )
    return made[0].get_weights(), record


def main(kind, run_dir, strategy="one"):
    """One run; its folder is `run_dir`."""
    folder = pathlib.Path(run_dir)
    folder.mkdir(parents=True, exist_ok=True)
    own = {"run_dir": run_dir, "strategy": strategy, "tensorboard": False}
    own |= {"progress": "none", "deterministic": True}
    if kind == "gan":
        settings = GANSettings(
            **own,
            width=8,
            iterations=120,
            samples=50,
            jit_compile=False,
            snapshots=(10,),
        )
    else:
        settings = TrainingConfiguration(
            **own, batch_size=BATCH, checkpoint_steps=5, checkpoint_every=1
        )
    distribution.strategy_of(settings)
    keras.utils.set_random_seed(5)
    if kind == "gan":
        weights, record = gan(folder, settings)
    else:
        weights, record = classifier(kind, folder, settings)
    digest = hashlib.sha256(b"".join(np.asarray(w).tobytes() for w in weights))
    for entry in record:
        entry.pop("seconds")
    if distribution.is_chief(settings):
        end = {"weights": digest.hexdigest(), "record": record}
        (folder / "end.json").write_text(json.dumps(end))


if __name__ == "__main__":
    main(*sys.argv[1:])
