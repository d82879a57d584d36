"""Unequal classes: ERM, mixup, Remix and Balanced-MixUp, with class weights or without.

The classes of a long tail have `head ratio^(-c / (C - 1))` images, c = 0 ... C - 1. The
test has as many of each class: its error is the mean of the errors of the classes.

    python -m experiments long_tail --data_dir DATA                  # two cores
    python -m experiments long_tail --data_dir DATA --preset unaugmented   # less
    python -m experiments long_tail --data_dir DATA --preset paper   # a GPU

As in the papers: ratio 100. Remix (Chou et al., 2020) has kappa 3 and tau .5. Balanced-
MixUp (Galdran et al., 2021) mixes a batch with equal classes into each batch, by lam ~
Beta(alpha, 1) with alpha .2, of their .1, .2 and .3. "re-weighted" is what Cao et al.
(2019) defer: in the last fifth of the epochs a class of n images weighs (1 - b) / (1 -
b^n), b .9999. As there, the learning rate drops after 80 and 90 % of the epochs.

Set here: PreAct ResNet-18 in place of ResNet-32, one lam a batch, and alpha 1 for mixup
and Remix alike. Weights are 1 on the average of the training images, since Keras
divides by their number and the authors' programs by the sum of the weights. The images
with equal classes are drawn with replacement, by (seed, step).
"""

import dataclasses

import numpy as np
import tensorflow as tf

import keras_mixup
from experiments import classifier, classifiers, measures
from experiments.data import image_batches, pipeline, unequal_classes
from experiments.experiment import Experiment, Run
from experiments.recipes import CIFAR, UNAUGMENTED, Recipe
from experiments.report import figures, tables
from experiments.settings import field, invalid

MEASURES = {
    "median_error": "Test error, median of the last ten epochs (%)",
    "last_error": "Last (%)",
    "head_error": "Large third of the classes (%)",
    "tail_error": "Small third (%)",
    "error_on_real": "Training error (%)",
    "calibration_error": "Calibration error (%)",
}
WEIGHTED = ", re-weighted"
# The other half of CIFAR-10's training images has those that test.
_HALF = {"train_split": "train[:25000]", "head": 2000}
METHODS = tuple(
    method + weighted
    for weighted in ("", WEIGHTED)
    for method in ("ERM", "mixup", "Remix", "Balanced-MixUp")
)


@dataclasses.dataclass(frozen=True)
class Settings(image_batches.ImageSettings):
    """Settings of the long tail; the defaults are those of the literature."""

    # Set to train on, a name of TFDS.
    dataset: str = "cifar10"
    seeds: tuple[int, ...] = field((0, 1, 2))
    # Rows of the table.
    methods: tuple[str, ...] = field(METHODS, "plan", among=METHODS)
    # Images of the largest class, and how many times those of the smallest they are.
    head: int = field(5000, least=1)
    ratio: float = field(100.0, least=1)
    # Of mixup and Remix, and of the law of Balanced-MixUp.
    alpha: float = field(1.0, above=0)
    balanced_alpha: float = field(0.2, above=0)
    # Share of the epochs after which classes are weighted.
    weighted_from: float = field(0.8, below=1)
    # Channels of the first stage of PreAct ResNet-18.
    width: int = field(64, least=1)
    # Passes over the training set; the rate drops after 4/5 and 9/10 of them.
    epochs: int = field(200, least=1)
    # Random crops, padded by an eighth of the size, and flips.
    augment: bool = True
    # PyTorch's w.
    weight_decay: float = 2e-4

    @property
    def late(self):
        """The epoch from which on classes are weighted."""
        return round(self.weighted_from * self.epochs)


def load(settings):
    """The images of the long tail, class by class, and a test of equal classes."""
    if settings.data_service:
        expected = "none: its batches do not know their epoch"
        raise invalid("data_service", expected, settings.data_service)
    if settings.late >= settings.epochs:
        expected = f"a share that leaves some of {settings.epochs} epochs"
        raise invalid("weighted_from", expected, settings.weighted_from)
    data = classifiers.load(settings)
    classes = len(data.names)
    counts = unequal_classes.tail(settings.head, settings.ratio, classes)
    there, of_test = (
        np.bincount(labels, minlength=classes) for _, labels in (data.train, data.test)
    )
    if np.any(counts > there):
        expected = f"at most what the classes have, {there.tolist()}"
        raise invalid("head", expected, settings.head)
    equal = np.full(classes, of_test.min())
    return dataclasses.replace(
        data,
        train=unequal_classes.first_of_classes(data.train, counts),
        test=unequal_classes.first_of_classes(data.test, equal),
    )


def runs(settings, data):
    """Each method with each seed."""
    return [
        Run(
            *("", method, seed, {"row": method}, data.counts),
            title=f"{settings.dataset}, {method}",
        )
        for seed in settings.seeds
        for method in settings.methods
    ]


def mixing_of(row, counts, seed, settings):
    """How a row mixes, a `classifier.Mixing`."""
    method = row.removesuffix(WEIGHTED)
    alpha = 0.0 if method == "ERM" else settings.alpha
    options, balanced = {}, method == "Balanced-MixUp"
    if method == "Remix":
        options["label_rule"] = keras_mixup.Remix(counts)
    if balanced:
        alpha, options["beta"] = settings.balanced_alpha, 1.0
    return classifier.Mixing(
        *(alpha, seed, len(counts), settings), options=options, between=balanced
    )


def train(run, data, settings, folder):
    """One run: the record of its epochs, and the images seen."""
    row, (x, y), classes = run.settings["row"], data.train, len(data.names)
    mixing = mixing_of(row, np.bincount(y), run.seed, settings)

    def as_tested(examples):
        return pipeline.evaluation_batches(
            *(tf.data.Dataset.from_tensor_slices(examples), 500),
            one_hot=mixing.rows,
            transform=lambda pixels, labels: (image_batches.normalize(pixels), labels),
        )

    test = as_tested(data.test)

    def by_class(network):
        answers = network.predict(test, verbose=0).argmax(axis=-1)
        missed = (answers != data.test[1]).reshape(classes, -1)
        return {"by_class": (100 * missed.mean(axis=1)).tolist()}

    recipe = Recipe(weight_decay=settings.weight_decay)
    return classifier.train(
        folder,
        mixing,
        batches=unequal_classes.batches_of(
            *(data.train, settings, mixing),
            weighted_from=settings.late if row.endswith(WEIGHTED) else None,
        ),
        count=len(y),
        sets={"test": test},
        network=lambda: classifiers.make_network(
            recipe, x.shape[1:], classes, settings
        ),
        optimizer=classifier.sgd(settings),
        epochs=settings.epochs,
        drops=classifier.drops_at(settings.epochs, (0.8, 0.9)),
        clean=as_tested(data.train),
        at_end=by_class,
    )


def final(epochs):
    """The measures of a classifier, and its errors on large and on small classes."""
    errors = epochs[-1]["end"]["by_class"]
    third = max(1, len(errors) // 3)
    parts = {"head_error": errors[:third], "tail_error": errors[-third:]}
    means = {name: float(np.mean(part)) for name, part in parts.items()}
    return {**measures.of_classifier(epochs), **means}


EXPERIMENT = Experiment(
    name="long_tail",
    item="Unequal classes",
    settings=Settings,
    presets={
        "paper": {},
        # The recipe of the analyses, with more to choose from.
        "cpu": {**CIFAR, **_HALF},
        # What two cores do in an hour and a quarter. So narrow a network is trained on
        # 848 images a second by one core in float32, and on 395 in bfloat16.
        "unaugmented": {**UNAUGMENTED, **_HALF, "width": 8, "precision": "float32"},
        "smoke": {
            "dataset": "digits",
            "train_split": "train[:300]",
            "test_split": "test[:200]",
            "image_size": 8,
            "head": 16,
            "ratio": 4.0,
            "width": 2,
            "epochs": 2,
            "weighted_from": 0.5,
            "batch_size": 32,
            "seeds": (0,),
            "tensorboard": False,
            "progress": "none",
        },
    },
    load=load,
    runs=runs,
    train=train,
    final=final,
    tables=lambda result: [tables.table(result, MEASURES)],
    draw=figures.curves_and_reliability,
)
