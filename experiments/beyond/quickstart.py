"""Table 2 in small: mixup keeps a network from learning wrong labels.

The claim, of section 3.4: ERM learns the wrong labels and pays for it on the test set;
mixup hardly learns them, and the more alpha, the less. The paper has no numbers for
these data. A program of one seed for newcomers is examples/quickstart.py.

    python -m experiments quickstart                   # a minute or two on two cores
    python -m experiments quickstart --preset smoke    # seconds

Set here: scikit-learn's digits, of whose training labels 40 % are replaced; an MLP of
2 x 256 instead of PreAct ResNet-18, Adam at 1e-3 instead of SGD with drops, no
augmentation. Errors are of the network in inference mode on clean, unmixed images.
"Corrupted" are the replaced labels, of which a tenth stay right. "Best" is the least
test error of any epoch, chosen on the test set (an oracle), as in the paper's table.
"""

import dataclasses

import keras
import numpy as np
import tensorflow as tf

import keras_mixup
from experiments import classifier
from experiments.data import corruption, digits
from experiments.experiment import Experiment, Run
from experiments.report import figures, tables
from experiments.settings import field

MEASURES = {
    "best_test_error": "Best test error, oracle (%)",
    "last_test_error": "Last test error (%)",
    "error_on_real": "Training error, real labels (%)",
    "error_on_corrupted": "Training error, corrupted labels (%)",
}
CURVES = {
    ("test", "error"): "test",
    ("real", "error"): "training, real labels",
    ("corrupted", "error"): "training, corrupted labels",
}


@dataclasses.dataclass(frozen=True)
class Settings(classifier.MLPSettings):
    """Settings of Table 2 in small."""

    seeds: tuple[int, ...] = (0, 1, 2)
    alphas: tuple[float, ...] = (1.0, 8.0)
    # Probability with which a training label is replaced; some are, and some are not.
    corrupted: float = field(0.4, least=0.01, below=0.99)
    # Passes over the 1,200 training images.
    epochs: int = field(60, least=1)
    batch_size: int = 64
    width: int = 256


def runs(settings, data):
    """ERM, and mixup with each alpha, with each seed."""
    return [
        Run("", method, seed, {"alpha": alpha}, title=method)
        for method, alpha in settings.method_alphas().items()
        for seed in settings.seeds
    ]


def train(run, data, settings, folder):
    """One run: the record of its epochs, and the images seen."""
    (x, y), test = ((images.astype("float32") / 255, y) for images, y in data)
    classes = digits.CLASSES
    given, chosen = corruption.corrupt_labels(y, settings.corrupted, classes, run.seed)
    mixing = classifier.Mixing(run.settings["alpha"], run.seed, classes, settings)
    measured = {
        "test": test,
        "real": (x[~chosen], given[~chosen]),
        "corrupted": (x[chosen], given[chosen]),
    }
    examples = tf.data.Dataset.from_tensor_slices
    sets = {name: examples(part) for name, part in measured.items()}
    return classifier.train(
        folder,
        mixing,
        **classifier.of_examples(examples((x, given)), len(x), sets, mixing, 1024),
        network=lambda: keras_mixup.models.build(
            "mlp", input_shape=(8, 8, 1), num_classes=classes, width=settings.width
        ),
        optimizer=keras.optimizers.Adam,
        epochs=settings.epochs,
    )


def final(epochs):
    """The row of the table, from the numbers of each epoch."""
    last = epochs[-1]
    return {
        "best_test_error": min(epoch["test"]["error"] for epoch in epochs),
        "last_test_error": last["test"]["error"],
        "error_on_real": last["real"]["error"],
        "error_on_corrupted": last["corrupted"]["error"],
    }


def draw(result, folder):
    """The curves, and eight digits mixed with the last alpha."""
    curves, mixed = folder / "curves.png", folder / "mixed_digits.png"
    share = 100 * result["settings"]["corrupted"]
    title = f"Digits, {share:g} % of the training labels replaced"
    figures.error_curves(result, CURVES, curves, title)
    x, y = (part[:8] for part in digits.load_digits()[0])
    alpha = result["settings"]["alphas"][-1]
    lam = keras_mixup.sample_lambda(alpha, (len(x),), seed=0)
    partner = keras_mixup.sample_partner(len(x), seed=0, pairing="derangement")
    images = keras_mixup.mix(x, lam, partner).numpy()
    lam, partner = lam.numpy(), partner.numpy()
    titles = [
        f"{w:.2f} [{a}]\n+ {1 - w:.2f} [{b}]"
        for w, a, b in zip(np.round(lam, 2), y, y[partner], strict=True)
    ]
    figures.mixed_images(x, x[partner], images, lam, titles, mixed)
    return [curves, mixed]


EXPERIMENT = Experiment(
    name="quickstart",
    item="Table 2, in small",
    settings=Settings,
    presets={
        "paper": {},
        "cpu": {},
        "smoke": {"epochs": 2, "seeds": (0,), "alphas": (8.0,)},
    },
    load=lambda settings: digits.load_digits(),
    runs=runs,
    train=train,
    final=final,
    tables=lambda result: [tables.table(result, MEASURES)],
    draw=draw,
    legend="Mean ± standard deviation over seeds.",
)
