"""mixup keeps a network from learning wrong labels: trained, exported and served.

    python examples/quickstart.py    # half a minute on two cores

scikit-learn's digits, of whose training labels 40 % are replaced by random ones. A
network learns them by heart and errs on the test images; with mixup it hardly does.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import keras_mixup

SEED = 0


def scaled(images):
    """What the network takes, from images of 0 to 255, in the exported model too."""
    return tf.cast(images, tf.float32) / 255


def trained(alpha, x, y, epochs):
    """A network trained with mixup; alpha 0 is training without it (ERM)."""
    keras.utils.set_random_seed(SEED)
    network = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Flatten(),
            keras.layers.Dense(256, activation="relu"),
            keras.layers.Dense(256, activation="relu"),
            keras.layers.Dense(10),
        ]
    )
    # All that mixup changes: the network is wrapped. Labels stay integers.
    model = keras_mixup.MixUpModel(network, keras_mixup.MixUp(alpha, seed=SEED))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss)
    model.fit(x, y, batch_size=64, epochs=epochs, verbose=0)
    return model


def main(output="runs/quickstart", epochs=60):
    """Trains without and with mixup, prints the errors, exports and serves."""
    digits = load_digits()
    images = np.round(digits.images * 255 / 16).astype("uint8")[..., np.newaxis]
    images, test_images, labels, test_labels = train_test_split(
        images, digits.target, train_size=1200, stratify=digits.target, random_state=0
    )
    # Each with probability 0.4, by any of the ten: a tenth of them stay right.
    random = np.random.default_rng(SEED)
    replaced = random.random(len(labels)) < 0.4
    given = np.where(replaced, random.integers(10, size=len(labels)), labels)

    print(f"Two networks, {epochs} epochs each: some ten seconds for each.\n")
    print("Errors (%)   test images   training: real labels   training: wrong labels")
    for alpha in (0, 8):
        model = trained(alpha, scaled(images), given, epochs)
        answers = model.predict(scaled(test_images), verbose=0).argmax(-1)
        error = 100 * np.mean(answers != test_labels)
        learned = keras_mixup.evaluation.memorization(
            model, scaled(images), given, replaced
        )
        print(
            f"{f'mixup {alpha}' if alpha else 'ERM':<10} {error:13.1f}"
            f"{learned['error_on_real']:24.1f}{learned['error_on_corrupted']:25.1f}",
            flush=True,
        )

    exported = pathlib.Path(output, "saved_models", "digits", "1")
    if exported.exists():
        # An export never writes over another: that goes away first, in one step.
        with tempfile.TemporaryDirectory(dir=output) as former:
            exported.rename(pathlib.Path(former, "1"))
    keras_mixup.export_saved_model(
        model,
        exported,
        labels=digits.target_names,
        preprocess=scaled,
        card={
            "description": "Handwritten digits, trained with mixup 8.",
            "data": "scikit-learn's digits, 1,200 images, 40 % of the labels replaced",
            "numbers": {"Test error (%)": f"{error:.1f}"},
            "license": "data CC BY 4.0, model Apache-2.0",
        },
    )
    print(f"\nExported the model of the last row to {exported}, with a model card.")

    # A process of its own, which knows TensorFlow alone.
    held_out = pathlib.Path(output, "test_images.npz")
    np.savez(held_out, images=test_images, labels=test_labels)
    client = pathlib.Path(__file__).with_name("serve.py")
    subprocess.run([sys.executable, client, exported, held_out], check=True)
    print(
        f"\nNext: {exported}/model_card.md says what was exported,\n"
        "docs/guides.md has a program for each task, and `python -m experiments` lists "
        "the paper's experiments."
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--output",
        default="runs/quickstart",
        help="folder; its saved_models/digits/1 is made anew (default: %(default)s)",
    )
    main(parser.parse_args().output)
