"""Table 1: ImageNet by ResNets and ResNeXts, in 90 and in 200 epochs.

The claim: mixup lowers the validation error, and the more, the larger the network and
the longer the training (section 3.1). The paper's top-1 and top-5 errors (%):

    90 epochs                                200 epochs
    ResNet-50      ERM 23.5 (cited)          ERM 23.6, 7.0   mixup 0.2 22.1, 6.1
                   mixup 0.2 23.3, 6.6
    ResNet-101     ERM 22.1 (cited)          ERM 22.0, 6.1   mixup 0.2 20.8, 5.4
                   mixup 0.2 21.5, 5.6
    ResNeXt-101    ERM 21.2, 5.6             ERM 21.3, 5.9   mixup 0.4 20.1, 5.0
      32x4d        mixup 0.4 20.7, 5.3
    ResNeXt-101    ERM 20.4, 5.3 (cited, 100 epochs)
      64x4d        mixup 0.4 19.8, 4.9

    python -m experiments table1_imagenet --data_dir DATA                 # two cores
    python -m experiments table1_imagenet --data_dir DATA --preset paper  # many GPUs
    python -m experiments table1_imagenet --preset smoke                  # seconds

DATA holds `tiny_imagenet_20` (20 classes of Tiny ImageNet, as class folders below
`train` and `val`) for the first, and ImageNet-2012 as TFDS prepared it, or its two
archives, for the second. Any image folder does (`--dataset FOLDER`).

The paper's setting, preset `paper`: batches of 1,024, learning rate from 0.1 to 0.4 in
the first 5 epochs, per iteration, then divided by 10 after 30, 60 and 80 epochs of 90,
or 60, 120 and 180 of 200; alpha 0.2 for ResNets and 0.4 for ResNeXts; random resized
crops and flips; tested on the central 224 x 224 pixels. What it does not say is as in
Goyal et al. (2017), its recipe: Nesterov momentum .9, weight decay 1e-4 on all but
batch norms, He-normal convolutions, the last gamma of a block 0. One lam, and one set of
batch-norm statistics, for each replica's batch (that recipe's is 32 images). The last epoch is reported, with the median of the last ten and the
best (chosen on the validation set, an oracle) beside it. The whole preset is weeks
on one GPU (estimated); not run.

Deviations of preset `cpu`: 20 classes with 500 images of 64 x 64 pixels each, ResNet-50
at an eighth and a quarter of its width, 5 and 11 epochs (the ratio of 90 and 200) with
drops in proportion, batches of 64 with the learning rate scaled with them, a warm-up
of one epoch. The drops are those of 90 epochs in proportion; the paper's values of 90
and 200 epochs stand beside the short and the long runs. Fifty minutes of one core.

ImageNet is shuffled in a window of 16,384 images. Keras keeps the learning rate inside
the momentum, Goyal et al. correct for it: after a change they differ for a few steps.
"""

import dataclasses
from typing import ClassVar

from experiments import configuration
from experiments.report import result_file

ITEM = "Table 1"
NETWORKS = {
    "resnet50": "ResNet-50",
    "resnet101": "ResNet-101",
    "resnext101_32x4d": "ResNeXt-101 32x4d",
    "resnext101_64x4d": "ResNeXt-101 64x4d",
}
PAPER = {
    "ResNet-50, 90 epochs/ERM": (23.5, None),
    "ResNet-50, 90 epochs/mixup 0.2": (23.3, 6.6),
    "ResNet-101, 90 epochs/ERM": (22.1, None),
    "ResNet-101, 90 epochs/mixup 0.2": (21.5, 5.6),
    "ResNeXt-101 32x4d, 90 epochs/ERM": (21.2, 5.6),
    "ResNeXt-101 32x4d, 90 epochs/mixup 0.4": (20.7, 5.3),
    "ResNeXt-101 64x4d, 90 epochs/ERM": (20.4, 5.3),  # Cited, of 100 epochs.
    "ResNeXt-101 64x4d, 90 epochs/mixup 0.4": (19.8, 4.9),
    "ResNet-50, 200 epochs/ERM": (23.6, 7.0),
    "ResNet-50, 200 epochs/mixup 0.2": (22.1, 6.1),
    "ResNet-101, 200 epochs/ERM": (22.0, 6.1),
    "ResNet-101, 200 epochs/mixup 0.2": (20.8, 5.4),
    "ResNeXt-101 32x4d, 200 epochs/ERM": (21.3, 5.9),
    "ResNeXt-101 32x4d, 200 epochs/mixup 0.4": (20.1, 5.0),
}
MEASURES = {
    "last_error": "Top-1 error (%)",
    "last_top_5_error": "Top-5 error (%)",
    "median_error": "Top-1, median of the last ten epochs (%)",
    "best_error": "Top-1, best, oracle (%)",
    "calibration_error": "Calibration error (%)",
}
PRESETS = {
    "paper": {"networks": tuple(NETWORKS)},
    "cpu": {
        "dataset": "tiny_imagenet_20",
        "test_split": "val",
        "image_size": 64,
        "widths": (8, 16),
        "lengths": (5, 11),
        "seeds": (0, 1),
        "batch_size": 64,
        "learning_rate": 0.025,
        "warm_up_from": 0.00625,
        "warm_up": 1,
        "cache": True,
    },
    "smoke": {
        "dataset": "digits",
        "train_split": "train[:128]",
        "test_split": "test[:64]",
        "image_size": 32,
        "widths": (2,),
        "lengths": (2,),
        "batch_size": 32,
        "learning_rate": 0.0125,
        "warm_up_from": 0.003,
        "warm_up": 1,
        "cache": True,
    },
}


@dataclasses.dataclass(frozen=True)
class Settings(configuration.TrainingConfiguration):
    """Settings of Table 1; the defaults are the paper's, for its first network."""

    may_be_empty: ClassVar[tuple[str, ...]] = ("alphas",)

    # Name of TFDS, or a folder of images.
    dataset: str = "imagenet2012"
    # Splits, as TFDS writes them.
    train_split: str = "train"
    test_split: str = "validation"
    # Height and width that the network sees.
    image_size: int = 224
    # Networks: resnet50, resnet101, resnext101_32x4d, resnext101_64x4d.
    networks: tuple[str, ...] = ("resnet50",)
    # Channels of the stem; 0 for the network's own.
    widths: tuple[int, ...] = (0,)
    # Epochs of a run; each network is trained for each.
    lengths: tuple[int, ...] = (90, 200)
    # Values of alpha; none given for the paper's: 0.2 for ResNets, 0.4 for ResNeXts.
    alphas: tuple[float, ...] = ()
    seeds: tuple[int, ...] = (0,)
    batch_size: int = 1024
    # Learning rate after the warm-up.
    learning_rate: float = 0.4
    # Learning rate of the first step.
    warm_up_from: float = 0.1
    # Epochs of the warm-up.
    warm_up: int = 5
    momentum: float = 0.9
    # Weight decay of all parameters but those of batch norms.
    weight_decay: float = 1e-4
    # Keep the decoded images in memory.
    cache: bool = False
    # Encoded images that are shuffled at a time; 0 for all.
    shuffle_buffer: int = 16384

    def __post_init__(self):
        """Checks the settings before anything is trained."""
        super().__post_init__()
        configuration.check_names("networks", self.networks, NETWORKS)
        if min(self.lengths) <= self.warm_up:
            raise ValueError(
                "Invalid value received for `lengths`. Expected epochs above the "
                f"{self.warm_up} of the warm-up. Received: {list(self.lengths)}"
            )
        if "resnext" in str(self.networks) and any(w % 16 for w in self.widths):
            raise ValueError(
                "Invalid value received for `widths`. Expected multiples of 16, for "
                f"the groups of ResNeXt. Received: {list(self.widths)}"
            )


def run(settings):
    """Trains each network for each length, prints the table and gives the result."""
    import sys

    from experiments.data import images
    from experiments.engine import running

    splits = (settings.train_split, settings.test_split)
    data = images.load_images(settings.dataset, splits, running.places_of(settings))
    runs = [
        running.Run(
            group_name(network, width, length),
            method,
            seed,
            {"network": network, "width": width, "length": length, "alpha": alpha},
            data.counts,
        )
        for seed in settings.seeds
        for network in settings.networks
        for width in settings.widths
        for length in settings.lengths
        for method, alpha in methods(settings, network).items()
        # The paper trained its largest network for 90 epochs alone.
        if (network, width, length) != ("resnext101_64x4d", 0, 200)
    ]
    records = running.run_all(
        "table1_imagenet",
        settings,
        runs,
        lambda run, folder: train(run, folder, data, settings),
        plan_fields=("networks", "widths", "lengths"),
    )
    records.sort(key=lambda record: [run.group for run in runs].index(record["group"]))
    return running.conclude(sys.modules[__name__], settings, records, paper=paper(runs))


def group_name(network, width, length):
    """A row of the table, without its method."""
    name = NETWORKS[network] + (f", width {width}" if width else "")
    return f"{name}, {length} epochs"


def methods(settings, network):
    """Alpha by name of method, with the paper's alpha where none is given."""
    alphas = settings.alphas or (0.4 if "resnext" in network else 0.2,)
    return dataclasses.replace(settings, alphas=alphas).method_alphas()


def train(run, folder, data, settings):
    """One run: the record of its epochs, and the images seen."""
    import keras_mixup
    from experiments import image_classifier
    from experiments.data import augmentation

    size, width = settings.image_size, run.settings["width"]

    def normalize(images):
        return augmentation.normalize(
            images, augmentation.IMAGENET_MEAN, augmentation.IMAGENET_STD
        )

    def augment(images, key):
        images = augmentation.random_resized_crop(images, key, size)
        return normalize(augmentation.flip(images, key))

    return image_classifier.train(
        run,
        folder,
        settings,
        data,
        make_network=lambda: keras_mixup.models.build(
            run.settings["network"],
            input_shape=(size, size, 3),
            num_classes=len(data.names),
            weight_decay=settings.weight_decay,
            **({"width": width} if width else {}),
        ),
        epochs=run.settings["length"],
        learning_rate=lambda steps: keras_mixup.LearningRateDrops(
            settings.learning_rate,
            drops(run.settings["length"], settings.warm_up),
            steps,
            warm_up=settings.warm_up,
            warm_up_from=settings.warm_up_from,
        ),
        augment=augment,
        transform=lambda images: normalize(augmentation.central_crop(images, size)),
        nesterov=True,
        top_5=True,
    )


def drops(length, warm_up=0):
    """The epochs after which the learning rate drops: the paper's, or in proportion."""
    of_90 = {round(epoch * length / 90) for epoch in (30, 60, 80)}
    found = (60, 120, 180) if length == 200 else sorted(of_90)
    return tuple(epoch for epoch in found if epoch > warm_up)


def final(epochs):
    """The row of the table, from the numbers of each epoch."""
    from experiments import image_classifier

    return {
        **image_classifier.errors_at_the_end(epochs),
        **image_classifier.errors_at_the_end(epochs, "top_5_error"),
        **result_file.calibration_at_the_end(epochs),
    }


def tables(result):
    """The table in the paper's layout, as Markdown."""
    return [result_file.table(result, MEASURES, "Network, epochs")]


def draw(result, folder):
    """Error over epochs, and the reliability on the test set."""
    from experiments.report import figures

    return figures.curves_and_reliability(result, folder)


def paper(runs):
    """The paper's value by cell; of two lengths the longer stands for 200."""
    lengths = sorted({run.settings["length"] for run in runs})
    standing = dict(zip(lengths, (90, 200), strict=True)) if len(lengths) == 2 else {}
    cells = {}
    for run in runs:
        length = standing.get(run.settings["length"], run.settings["length"])
        row = f"{group_name(run.settings['network'], 0, length)}/{run.method}"
        for measure, value in zip(MEASURES, PAPER.get(row, ()), strict=False):
            if value is not None:
                cells[f"{run.group}/{run.method}/{measure}"] = value
    return cells
