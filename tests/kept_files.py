"""Files of each released version, which every later one has to load.

python -m tests.kept_files     # writes those of this version; once, at its release
"""

import pathlib

import keras
import numpy as np

import keras_mixup
from experiments.engine.state import RunState

FOLDER = pathlib.Path(__file__).parent / "kept_files_of"
NAMES = ["cat", "dog", "bird"]
X = np.linspace(-1, 1, 20, dtype="float32").reshape(5, 4)
EPOCHS = [{"epoch": 1, "train": {"loss": 1.5}, "seconds": 2.0}]


def classifier():
    """A classifier that mixes at its input and inside, by a schedule."""
    keras.utils.set_random_seed(3)
    inputs = keras.Input((4,))
    hidden = keras.layers.Dense(6, activation="relu", name="hidden")(inputs)
    hidden = keras.layers.BatchNormalization()(hidden)
    hidden = keras_mixup.layers.MixFeatures(name="mixed")(hidden)
    network = keras.Model(inputs, keras.layers.Dense(3)(hidden))
    alpha = keras_mixup.AlphaSchedule(0.4, steps_per_epoch=2, warm_up=1)
    mixup = keras_mixup.MixUp(alpha, seed=7, per="example")
    model = keras_mixup.MixUpModel(network, mixup, ["input", "mixed"])
    rate = keras_mixup.LearningRateDrops(0.1, (2,), 2)
    model.compile(
        keras.optimizers.SGD(rate, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(X, np.arange(5) % 3, epochs=2, verbose=0)
    return model


def gan():
    """A GAN after two steps."""
    keras.utils.set_random_seed(3)
    model = keras_mixup.MixUpGAN(
        keras_mixup.models.build("gan_generator", latent_dim=2, width=4),
        keras_mixup.models.build("gan_discriminator", width=4),
        alpha=0.2,
        mode="author_code",
        discriminator_steps=1,
        seed=5,
    )
    model.compile(keras.optimizers.Adam(0.01), keras.optimizers.Adam(0.02))
    model.fit(X[:4, :2], batch_size=4, epochs=2, verbose=0)
    return model


def write(folder):
    """Writes the files and what they gave."""
    folder.mkdir(parents=True)
    trained, made = classifier(), gan()
    trained.save(folder / "classifier.keras")
    made.save(folder / "gan.keras")
    keras_mixup.export_saved_model(trained, folder / "exported" / "1", labels=NAMES)
    state = RunState(trained, folder / "checkpoints")
    state.epochs.extend(EPOCHS)
    state.save()
    np.savez(
        folder / "expected.npz",
        logits=trained.predict(X, verbose=0),
        points=made.generate(6, seed=1),
        loss=trained.evaluate(X, np.arange(5) % 3, verbose=0)[0],
    )


if __name__ == "__main__":
    write(FOLDER / keras_mixup.__version__)
