"""Figure 3: CIFAR-10 and CIFAR-100 by three networks (3a), and error curves (3b).

The claim (section 3.2): mixup lowers the test error of each network, and converges as
fast as ERM does.

    python -m experiments figure3_cifar --data_dir DATA --preset unaugmented
    python -m experiments figure3_cifar --data_dir DATA
    python -m experiments figure3_cifar --data_dir DATA --preset paper

The first two are for two cores: half of the training images in a network that fits
them, and the other half to test on; without crops and flips in an hour, with them in
five. The last is for a GPU.

The paper's setting, preset `paper`: 200 epochs, batches of 128, SGD with momentum .9
(not Nesterov's), learning rate 0.1 divided by 10 after epochs 100 and 150 (WRN: 60,
120, 180), L2 on all parameters as PyTorch's weight decay 1e-4, random crops padded by
4, flips, no dropout, alpha 1, tested on the test split after each epoch.

Not in the paper: which epoch Figure 3a is of (here the median of the last ten, as in
its Table 5, with the last and the best, an oracle, beside it), and of how many runs.
"""

import dataclasses
import functools
from typing import Literal

import keras_mixup
from experiments import classifier, measures
from experiments.data import image_batches
from experiments.data.image_batches import ImageSettings
from experiments.experiment import Experiment, plan
from experiments.report import figures, tables
from experiments.settings import MethodSettings, field

NETWORKS = {
    "preact_resnet18": "PreAct ResNet-18",
    "wide_resnet28_10": "WideResNet-28-10",
    "densenet_bc_190": "DenseNet-BC-190",
}
# Test errors (%), ERM and mixup with alpha 1.
PAPER = {
    "cifar10, PreAct ResNet-18": (5.6, 4.2),
    "cifar10, WideResNet-28-10": (3.8, 2.7),
    "cifar10, DenseNet-BC-190": (3.7, 2.7),
    "cifar100, PreAct ResNet-18": (25.6, 21.1),
    "cifar100, WideResNet-28-10": (19.4, 17.5),
    "cifar100, DenseNet-BC-190": (19.0, 16.8),
}
MEASURES = {
    "median_error": "Test error, median of the last ten epochs (%)",
    "last_error": "Last (%)",
    "best_error": "Best, oracle (%)",
    "error_on_real": "Training error, clean images (%)",
    "calibration_error": "Calibration error (%)",
    "epochs_to_converge": "Epochs until within 1 % of the median",
}
# Half of CIFAR-10 in a network that fits it, on two cores; the other half tests.
CORES = {
    "precision": "auto",
    "train_split": "train[:25000]",
    "test_split": "train[25000:]",
    "width": 16,
    "batch_size": 64,
    "learning_rate": 0.05,
    "checkpoint_every": 5,
    "tensorboard": False,
    "progress": "none",
    "seeds": (0, 1, 2),
}
# Shares of the epochs after which the learning rate drops.
DROPS, DROPS_OF_WIDE = (0.5, 0.75), (0.3, 0.6, 0.9)


@dataclasses.dataclass(frozen=True)
class Settings(MethodSettings, ImageSettings):
    """Settings of Figure 3; the defaults are the paper's, for its first row."""

    # Sets to train on: names of TFDS, or folders of images.
    datasets: tuple[str, ...] = field(("cifar10",), "plan")
    # Networks: preact_resnet18, wide_resnet28_10, densenet_bc_190.
    networks: tuple[str, ...] = field(("preact_resnet18",), "plan", among=NETWORKS)
    # Passes over the training set.
    epochs: int = field(200, least=1)
    # Channels of the first stage (DenseNet: growth rate); 0 for the network's own.
    width: int = 0
    # Random crops and flips of training images.
    augment: bool = True
    # The identity shortcut of PreAct ResNet-18 carries the block's input, as in the
    # first author's code, or its activation, as in the other.
    shortcut: Literal["input", "activated"] = "input"
    # PyTorch's weight decay w: L2 of w / 2 on all parameters.
    weight_decay: float = 1e-4
    # Keep the decoded images in memory.
    cache: bool = field(True, "compute")
    # Images that are shuffled at a time; 0 for all.
    shuffle_buffer: int = 0


def runs(settings, data):
    """Each network on each set, with each seed and method."""
    rows = {
        f"{dataset}, {NETWORKS[network]}": (
            {"dataset": dataset, "network": network},
            data[dataset].counts,
        )
        for dataset in settings.datasets
        for network in settings.networks
    }
    return plan(settings, rows)


def train(run, data, settings, folder):
    """One run: the record of its epochs, and the images seen."""
    network, found = run.settings["network"], data[run.settings["dataset"]]
    arguments = {"width": settings.width} if settings.width else {}
    if network == "preact_resnet18":
        arguments["shortcut"] = settings.shortcut
    shares = DROPS_OF_WIDE if network == "wide_resnet28_10" else DROPS
    classes = len(found.names)
    mixing = classifier.Mixing(run.settings["alpha"], run.seed, classes, settings)
    # Crops and flips, or neither of them.
    augment = functools.partial(
        image_batches.augment, padding=4 if settings.augment else 0
    )
    return classifier.train(
        folder,
        mixing,
        **image_batches.of_images(found, augment, image_batches.normalize, mixing),
        network=lambda: keras_mixup.models.build(
            network,
            input_shape=found.shape,
            num_classes=classes,
            weight_decay=settings.weight_decay,
            **arguments,
        ),
        optimizer=classifier.sgd(settings),
        epochs=settings.epochs,
        drops=classifier.drops_at(settings.epochs, shares),
    )


def final(epochs):
    """The row of the table, from the numbers of each epoch."""
    errors = measures.errors_at_the_end(epochs)
    close = errors["median_error"] + 1
    first = next(e["epoch"] for e in epochs if e["test"]["error"] <= close)
    end = measures.at_the_end(epochs)
    return {**errors, **end, "epochs_to_converge": first}


EXPERIMENT = Experiment(
    name="figure3_cifar",
    item="Figure 3",
    settings=Settings,
    presets={
        "paper": {"datasets": ("cifar10", "cifar100"), "networks": tuple(NETWORKS)},
        "cpu": {**CORES, "epochs": 100},
        "unaugmented": {**CORES, "epochs": 20, "augment": False},
        "smoke": {
            "datasets": ("digits",),
            "width": 4,
            "epochs": 2,
            "batch_size": 64,
            "train_split": "train[:640]",
            "test_split": "test[:200]",
        },
    },
    load=lambda settings: {name: settings.load(name) for name in settings.datasets},
    runs=runs,
    train=train,
    final=final,
    # Figure 3a in the paper's layout, then all that was measured.
    tables=lambda result: [
        tables.table_by_method(result, "median_error", "Data, network"),
        tables.table(result, MEASURES, "Data, network"),
    ],
    draw=figures.curves_and_reliability,
    paper=lambda settings: measures.cells(PAPER, ["median_error"], ("ERM", "mixup 1")),
)
