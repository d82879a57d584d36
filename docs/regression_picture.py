"""The picture of regression.md: predicted against true, and where partners come from.

    python docs/regression_picture.py [FILE]

It needs scikit-learn for the table of diabetes (442 patients, ten numbers each) and
matplotlib.
"""

import pathlib
import sys

import keras
import numpy as np
import sklearn.datasets
from matplotlib.figure import Figure

import keras_mixup

TRAIN = 300


def table():
    """Scaled inputs (442, 10) and targets (442, 1), in an order of chance."""
    x, y = sklearn.datasets.load_diabetes(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    x = x[order] / x[order[:TRAIN]].std(axis=0)
    return x.astype("float32"), y[order, np.newaxis].astype("float32")


def predicted(x, y, policy):
    """Predictions on the last rows after 100 epochs on the first ones."""
    keras.utils.set_random_seed(0)
    network = keras_mixup.models.build("mlp", input_shape=(10,), num_classes=1)
    model = keras_mixup.MixUpModel(network, policy)
    model.compile(keras.optimizers.Adam(3e-3), loss="mse")
    mean, scale = y[:TRAIN].mean(), y[:TRAIN].std()
    model.fit(x[:TRAIN], (y[:TRAIN] - mean) / scale, epochs=100, verbose=0)
    return model.predict(x[TRAIN:], verbose=0) * scale + mean


def partners(y, pairing, **options):
    """The target of a partner of each training example."""
    drawn = keras_mixup.sample_partner(
        TRAIN, seed=1, pairing=pairing, labels=y[:TRAIN], **options
    )
    return y[:TRAIN][np.asarray(drawn)]


def draw(path):
    """Writes the picture: two methods, and the partners of two pairings."""
    x, y = table()
    similar = {"pairing": "similar_target", "bandwidth": 0.25}
    policies = {
        "ERM": keras_mixup.MixUp(0.0),
        "partners of like targets": keras_mixup.MixUp(2.0, seed=1, **similar),
    }
    picture = Figure(figsize=(9, 4.6), layout="constrained")
    left, right = picture.subplots(1, 2)
    span = (y.min(), y.max())
    left.plot(span, span, color="0.6", linewidth=1)
    for marker, (name, policy) in zip("ox", policies.items(), strict=True):
        found = predicted(x, y, policy)
        error = np.sqrt(np.mean((found - y[TRAIN:]) ** 2))
        label = f"{name}: RMSE {error:.1f}"
        left.plot(y[TRAIN:], found, marker, markersize=4, alpha=0.7, label=label)
    left.set(xlabel="true", ylabel="predicted", title="142 patients of the test part")
    left.legend()
    bandwidth = similar["bandwidth"] * y[:TRAIN].std()
    drawn = {
        "permutation": partners(y, "permutation"),
        "similar_target": partners(y, "similar_target", bandwidth=float(bandwidth)),
    }
    for marker, (pairing, other) in zip("ox", drawn.items(), strict=True):
        label = f'pairing="{pairing}"'
        right.plot(y[:TRAIN], other, marker, markersize=4, alpha=0.7, label=label)
    right.set(xlabel="target of an example", ylabel="target of its partner")
    right.set_title("where partners come from")
    right.legend()
    picture.savefig(path, dpi=100)


if __name__ == "__main__":
    place = pathlib.Path(__file__).with_name("regression.png")
    draw(sys.argv[1] if len(sys.argv) > 1 else place)
