"""The picture of policies.md: one batch of digits under each policy.

    python docs/policies_picture.py [FILE]

It needs scikit-learn for the digits and matplotlib. Each digit has a color, ink and
paper, so that each position of a mixed one says whose it is.
"""

import pathlib
import sys

import numpy as np
import tensorflow as tf
from matplotlib import colormaps
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

import keras_mixup

# One draw an example, and the next example as the partner.
SHARED = {"per": "example", "pairing": "roll", "num_classes": 10}
CHOICE = [
    kind(1.0, pairing="roll", num_classes=10)
    for kind in (keras_mixup.MixUp, keras_mixup.CutMix)
]
POLICIES = {
    "MixUp": keras_mixup.MixUp(1.0, seed=2, **SHARED),
    "CutMix": keras_mixup.CutMix(1.0, seed=2, **SHARED),
    "ResizeMix": keras_mixup.ResizeMix(seed=2, **SHARED),
    "FMix": keras_mixup.FMix(1.0, seed=2, **SHARED),
    "RandomChoice": keras_mixup.RandomChoice(CHOICE, per="example", seed=2),
}


def colored_digits():
    """The first digits 0 to 7 as 32 x 32 images with values from 0 to 1."""
    digits = load_digits()
    gray = tf.image.resize(digits.images[:8, ..., np.newaxis] / 16, (32, 32), "bicubic")
    gray = np.clip(gray, 0, 1)
    colors = np.array(colormaps["tab10"].colors)[:8, np.newaxis, np.newaxis]
    paper, ink = 0.55 + 0.45 * colors, 0.6 * colors
    return (paper * (1 - gray) + ink * gray).astype("float32"), digits.target[:8]


def draw(path):
    """Writes the picture: the batch, and a row for each policy."""
    images, labels = colored_digits()
    picture = Figure(figsize=(8.6, 7.2), layout="constrained")
    axes = picture.subplots(1 + len(POLICIES), len(images))
    rows = {"the batch": (images, [f"{label}" for label in labels])}
    for name, policy in POLICIES.items():
        mixed = policy.at_step(0, (images, labels), details=True)
        (own, other), (partner,) = mixed.shares, mixed.partners
        titles = [
            f"{a:.2f} of {i}, {b:.2f} of {j}"
            for a, i, b, j in zip(own, labels, other, labels[partner.numpy()])
        ]
        rows[name] = mixed.x, titles
    for line, (name, (found, titles)) in zip(axes, rows.items(), strict=True):
        line[0].set_ylabel(name)
        for axis, image, title in zip(line, found, titles, strict=True):
            axis.imshow(np.clip(image, 0, 1))
            axis.set(xticks=[], yticks=[])
            axis.set_xlabel(title, fontsize=7)
    picture.savefig(path, dpi=100)


if __name__ == "__main__":
    place = pathlib.Path(__file__).with_name("policies.png")
    draw(sys.argv[1] if len(sys.argv) > 1 else place)
