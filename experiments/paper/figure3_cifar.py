"""Figure 3: CIFAR-10 and CIFAR-100 by three networks (3a), and error curves (3b).

The claim: mixup lowers the test error of each network, and converges as fast as ERM
does (section 3.2). The paper's test errors (%), ERM and mixup with alpha 1:

    CIFAR-10    PreAct ResNet-18 5.6, 4.2   WRN-28-10 3.8, 2.7   DenseNet-BC-190 3.7, 2.7
    CIFAR-100   PreAct ResNet-18 25.6, 21.1  WRN-28-10 19.4, 17.5  DenseNet 19.0, 16.8

    python -m experiments figure3_cifar --data_dir DATA                   # two cores
    python -m experiments figure3_cifar --data_dir DATA --preset paper    # a GPU
    python -m experiments figure3_cifar --preset smoke                    # seconds

DATA holds what TFDS prepared (`cifar10/3.0.2`), or `--download` fetches it; a folder
of images may stand in (`--datasets FOLDER`).

The paper's setting, preset `paper`: 200 epochs, batches of 128, SGD with momentum .9
(not Nesterov's), learning rate 0.1 divided by 10 after epochs 100 and 150 (WRN: 60,
120, 180), L2 on all parameters as PyTorch's weight decay 1e-4, random crops padded by
4, flips, no dropout, alpha 1, tested on the test split after each epoch. Known costs:
PreAct ResNet-18 95 minutes on an RTX 3070 Ti, WRN-28-10 6.6 hours on a GTX 1080 Ti.

The paper does not say which epoch Figure 3a is of: ours is the median of the last ten,
as its Table 5 has it, with the last and the best (chosen on the test set, an oracle)
beside it; nor how many runs: assumed one, ours has one for each seed.

Deviations of preset `cpu`: the first 20,000 training images instead of 50,000, tested
on all others that `train` holds and on `test`; PreAct ResNet-18 at an eighth of its
width; 20 epochs, with drops after 10 and 15. Three quarters of an hour of one core.

Keras keeps the learning rate inside the momentum, PyTorch outside: for a few steps
after a drop they differ. Where mixed_float16 skips a step, the schedule waits too.
"""

import dataclasses
from typing import Literal

from experiments import configuration
from experiments.report import result_file

ITEM = "Figure 3"
NETWORKS = {
    "preact_resnet18": "PreAct ResNet-18",
    "wide_resnet28_10": "WideResNet-28-10",
    "densenet_bc_190": "DenseNet-BC-190",
}
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
    "calibration_error": "Calibration error (%)",
    "epochs_to_converge": "Epochs until within 1 % of the median",
}
PRESETS = {
    "paper": {"datasets": ("cifar10", "cifar100"), "networks": tuple(NETWORKS)},
    "cpu": {
        "train_split": "train[:20000]",
        "test_split": "train[20000:]+test",
        "width": 8,
        "epochs": 20,
        "seeds": (0, 1, 2),
    },
    "smoke": {
        "datasets": ("digits",),
        "width": 4,
        "epochs": 2,
        "batch_size": 64,
        "train_split": "train[:640]",
        "test_split": "test[:200]",
    },
}


@dataclasses.dataclass(frozen=True)
class Settings(configuration.TrainingConfiguration):
    """Settings of Figure 3; the defaults are the paper's, for its first row."""

    # Sets to train on: names of TFDS, or folders of images.
    datasets: tuple[str, ...] = ("cifar10",)
    # Networks: preact_resnet18, wide_resnet28_10, densenet_bc_190.
    networks: tuple[str, ...] = ("preact_resnet18",)
    # Splits, as TFDS writes them.
    train_split: str = "train"
    test_split: str = "test"
    seeds: tuple[int, ...] = (0,)
    # Passes over the training set.
    epochs: int = 200
    # Shorter side to which images are scaled before the central square is taken; 0 for
    # the images as they are, which must then have one size.
    image_size: int = 0
    # Channels of the first stage (DenseNet: growth rate); 0 for the network's own.
    width: int = 0
    # The identity shortcut of PreAct ResNet-18 carries the block's input, as in the
    # first author's code, or its activation, as in the other.
    shortcut: Literal["input", "activated"] = "input"
    # Learning rate before the drops.
    learning_rate: float = 0.1
    momentum: float = 0.9
    # PyTorch's weight decay w: L2 of w / 2 on all parameters.
    weight_decay: float = 1e-4
    # Keep the decoded images in memory.
    cache: bool = True
    # Images that are shuffled at a time; 0 for all.
    shuffle_buffer: int = 0

    def __post_init__(self):
        """Checks the settings before anything is trained."""
        super().__post_init__()
        configuration.check_names("networks", self.networks, NETWORKS)


def run(settings):
    """Trains each network on each set, prints the table and gives the result."""
    import sys

    from experiments.data import images
    from experiments.engine import running

    places = running.places_of(settings)
    splits = (settings.train_split, settings.test_split)
    # All of them first: what is missing is found before anything is trained.
    size = settings.image_size or None
    loaded = {
        name: images.load_images(name, splits, places, size)
        for name in settings.datasets
    }
    for name, data in loaded.items():
        images.check_one_size(data, name)
    runs = [
        running.Run(
            f"{dataset}, {NETWORKS[network]}",
            method,
            seed,
            {"dataset": dataset, "network": network, "alpha": alpha},
            loaded[dataset].counts,
        )
        for dataset in settings.datasets
        for network in settings.networks
        for seed in settings.seeds
        for method, alpha in settings.method_alphas().items()
    ]
    records = running.run_all(
        "figure3_cifar",
        settings,
        runs,
        lambda run, folder: train(
            run, folder, loaded[run.settings["dataset"]], settings
        ),
        plan_fields=("datasets", "networks"),
    )
    return running.conclude(sys.modules[__name__], settings, records)


def train(run, folder, data, settings):
    """One run: the record of its epochs, and the images seen."""
    import keras_mixup
    from experiments import image_classifier

    network = run.settings["network"]
    arguments = {"width": settings.width} if settings.width else {}
    if network == "preact_resnet18":
        arguments["shortcut"] = settings.shortcut

    return image_classifier.train(
        run,
        folder,
        settings,
        data,
        make_network=lambda: keras_mixup.models.build(
            network,
            input_shape=data.shape,
            num_classes=len(data.names),
            weight_decay=settings.weight_decay,
            **arguments,
        ),
        epochs=settings.epochs,
        learning_rate=lambda steps: keras_mixup.LearningRateDrops(
            settings.learning_rate, drops(network, settings.epochs), steps
        ),
        augment=image_classifier.augment,
        transform=image_classifier.normalize,
    )


def drops(network, epochs):
    """The epochs after which the learning rate drops; of 200, those of the paper."""
    from experiments import image_classifier

    if network == "wide_resnet28_10":
        return image_classifier.drops(epochs, (0.3, 0.6, 0.9))
    return image_classifier.drops(epochs)


def final(epochs):
    """The row of the table, from the numbers of each epoch."""
    from experiments import image_classifier

    errors = image_classifier.errors_at_the_end(epochs)
    close = [
        e["epoch"] for e in epochs if e["test"]["error"] <= errors["median_error"] + 1
    ]
    calibration = result_file.calibration_at_the_end(epochs)
    return {**errors, **calibration, "epochs_to_converge": close[0]}


def tables(result):
    """Figure 3a in the paper's layout, then all that was measured, as Markdown."""
    return [
        result_file.table_by_method(result, "median_error", "Data, network"),
        result_file.table(result, MEASURES, "Data, network"),
    ]


def draw(result, folder):
    """Error over epochs, and the reliability on the test set."""
    from experiments.report import figures

    return figures.curves_and_reliability(result, folder)


def paper():
    """The paper's value by cell."""
    return {
        f"{group}/{method}/median_error": value
        for group, row in PAPER.items()
        for method, value in zip(("ERM", "mixup 1"), row, strict=True)
    }
