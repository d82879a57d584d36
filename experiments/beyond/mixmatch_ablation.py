"""MixMatch, ICT and what MixMatch is made of, with few labels.

MixMatch (Berthelot et al., 2019) guesses labels of unlabeled images, sharpens them and
mixes them with the labeled ones. The claim is the order of its ablation (their Table
4): each part lowers the error, mixing across labeled and unlabeled images most of all.

    python -m experiments mixmatch_ablation --data_dir DATA                  # two cores
    python -m experiments mixmatch_ablation --data_dir DATA --preset cifar   # two cores
    python -m experiments mixmatch_ablation --data_dir DATA --preset paper   # a GPU

As in the paper, and its authors' program: K = 2 guesses, T = 0.5, alpha 0.75, one lam
an example, the weight of the unlabeled part 75, Adam 2e-3 whose decay of kernels is
0.02 of the rate, an average of 0.999, batches of 64, random crops and flips, labels of
each class alike. ICT has its own weight of 100.

Set here: PreAct ResNet-18 in place of WRN-28-2. The paper trains for 2^20 steps; two
cores bear a thousandth of that, with a shorter ramp and average, for all rows alike.
ERM and mixup see the labeled images alone, as often as the other rows do.
"""

import dataclasses

import keras
import numpy as np
import tensorflow as tf

import keras_mixup
from experiments import classifiers, few_labels, measures
from experiments.data import image_batches, pipeline
from experiments.experiment import Experiment, Run
from experiments.few_labels import METHODS
from experiments.report import figures, tables
from experiments.settings import field, invalid

MEASURES = {
    "median_error": "Test error, median of the last ten epochs (%)",
    "last_error": "Last (%)",
    "best_error": "Best, oracle (%)",
    "calibration_error": "Calibration error (%)",
}
# Errors of the paper's ablation on CIFAR-10 with 250 labels; not read again there.
PAPER = {
    "MixMatch": 11.80,
    "MixMatch, no sharpening": 27.83,
    "MixMatch, no mixup": 39.11,
    "MixMatch, labeled mixed": 32.16,
    "MixMatch, unlabeled mixed": 12.35,
    "MixMatch, separately": 12.26,
}
# What two cores can do.
CORES = {
    "train_split": "train[:10000]",
    "precision": "auto",
    "seeds": (0, 1, 2),
    "teacher_decay": 0.99,
    "checkpoint_every": 5,
    "tensorboard": False,
    "progress": "none",
}
ROWS = tuple(name for name in METHODS if not name.startswith("ICT, "))


@dataclasses.dataclass(frozen=True)
class Settings(few_labels.FewLabelsSettings, image_batches.ImageSettings):
    """Settings of the ablation; the defaults are the paper's."""

    # Set to train on, a name of TFDS.
    dataset: str = "cifar10"
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    # Labeled images.
    labels: tuple[int, ...] = field((250,), "plan", least=1)
    # Rows of the table.
    methods: tuple[str, ...] = field(ROWS, "plan", among=tuple(METHODS))
    # Channels of the first stage of PreAct ResNet-18.
    width: int = field(32, least=1)
    alpha: float = field(0.75, above=0)
    learning_rate: float = field(2e-3, above=0)
    # Of kernels, a share of the learning rate.
    weight_decay: float = field(0.02, least=0)


def load(settings):
    """The images, decoded."""
    data = classifiers.load(settings)
    fewest = np.bincount(data.train[1], minlength=len(data.names)).min()
    most = len(data.names) * int(fewest)
    for labels in settings.labels:
        if labels % len(data.names) or labels > most:
            expected = f"multiples of {len(data.names)} classes, at most {most}"
            raise invalid("labels", expected, settings.labels)
    return data


def runs(settings, data):
    """Each number of labels with each seed and method."""
    return [
        Run(
            *(f"{settings.dataset}, {labels} labels", method, seed),
            {"row": method, "labels": labels},
            data.counts,
        )
        for labels in settings.labels
        for seed in settings.seeds
        for method in settings.methods
    ]


def labeled_of(labels, count, seed):
    """Indices of as many labeled examples of each class, by a seed."""
    order = np.random.default_rng(seed).permutation(len(labels))
    classes = np.unique(labels)
    each = count // len(classes)
    return np.concatenate([order[labels[order] == c][:each] for c in classes])


def train(run, data, settings, folder):
    """One run: the record of its epochs, and the labeled images seen."""
    x, y = data.train
    chosen = labeled_of(y, run.settings["labels"], run.seed)
    shape = x.shape[1:]
    padding = max(1, shape[0] // 8)
    test = pipeline.evaluation_batches(
        *(tf.data.Dataset.from_tensor_slices(data.test), 500),
        transform=lambda pixels, labels: (image_batches.normalize(pixels), labels),
    )
    given = few_labels.Data(
        labeled=(x[chosen], y[chosen]),
        # The labeled ones are among them, without their labels, as in the paper.
        unlabeled=x,
        sets={"test": test},
        augment=lambda images, key: image_batches.augment(images, key, padding),
        transform=image_batches.normalize,
        augment_layer=flips_and_shifts(padding / shape[0], run.seed),
    )
    return few_labels.train(
        *(folder, settings, METHODS[run.settings["row"]], given),
        network=lambda: keras_mixup.models.build(
            "preact_resnet18",
            input_shape=shape,
            num_classes=len(data.names),
            width=settings.width,
        ),
        optimizer=lambda rate: decayed(rate, settings.weight_decay),
        seed=run.seed,
    )


def flips_and_shifts(share, seed):
    """The layer that augments unlabeled images, once for each guess."""
    shift = (-share, share)
    flip = keras.layers.RandomFlip("horizontal", seed=seed)
    move = keras.layers.RandomTranslation(
        *(shift, shift), "constant", "nearest", seed=seed + 1
    )
    return keras.Sequential([flip, move])


def decayed(learning_rate, weight_decay):
    """Adam, whose kernels decay in each step by that share of the learning rate."""
    optimizer = keras.optimizers.Adam(learning_rate, weight_decay=weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


EXPERIMENT = Experiment(
    name="mixmatch_ablation",
    item="Few labels",
    settings=Settings,
    presets={
        "paper": {},
        "cpu": {
            **CORES,
            "dataset": "fashion_mnist",
            "test_split": "test[:5000]",
            "width": 8,
            # At this width it is twice as fast as bfloat16.
            "precision": "float32",
            "steps": 2000,
            "steps_per_epoch": 100,
            "ramp_up": 500,
        },
        "cifar": {
            **CORES,
            "test_split": "train[25000:30000]",
            "labels": (250, 1000),
            "width": 16,
            "steps": 4000,
            "steps_per_epoch": 200,
            "ramp_up": 1000,
        },
        "smoke": {
            "dataset": "digits",
            "train_split": "train[:300]",
            "test_split": "test[:100]",
            "labels": (20,),
            "methods": ("ERM", "MixMatch"),
            "seeds": (0,),
            "image_size": 8,
            "width": 2,
            "batch_size": 10,
            "unlabeled_batch": 10,
            "steps": 4,
            "steps_per_epoch": 2,
        },
    },
    load=load,
    runs=runs,
    train=train,
    final=measures.of_classifier,
    tables=lambda result: [tables.table(result, MEASURES, "Data")],
    draw=figures.curves_and_reliability,
    paper=lambda settings: {
        f"cifar10, 250 labels/{method}/median_error": error
        for method, error in PAPER.items()
    },
)
