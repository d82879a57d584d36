"""Table 1: ImageNet by ResNets and ResNeXts, in 90 and in 200 epochs.

The claim (section 3.1): mixup lowers the validation error, and the more, the larger the
network and the longer the training.

    python -m experiments table1_imagenet --data_dir DATA                 # two cores
    python -m experiments table1_imagenet --data_dir DATA --preset paper  # many GPUs

The paper's setting, preset `paper`, is that of the defaults: the learning rate rises
per iteration, and is divided by 10 after 30, 60 and 80 epochs of 90, or 60, 120 and 180
of 200; random resized crops and flips; tested on the central square.

Not in the paper, but in its recipe, Goyal et al. (2017): Nesterov momentum .9, weight
decay 1e-4 on all but batch norms, He-normal convolutions, the last gamma of a block 0.
Set here: one lam, and one set of batch-norm statistics, for each replica's batch (that
recipe's is 32 images); images shuffled in a window; the last epoch reported.
"""

import dataclasses
import itertools

import keras_mixup
from experiments import classifier, measures
from experiments.data import image_batches
from experiments.data.image_batches import ImageSettings
from experiments.experiment import Experiment, plan
from experiments.report import figures, tables
from experiments.settings import MethodSettings, field, invalid

NETWORKS = {
    "resnet50": "ResNet-50",
    "resnet101": "ResNet-101",
    "resnext101_32x4d": "ResNeXt-101 32x4d",
    "resnext101_64x4d": "ResNeXt-101 64x4d",
}
# Top-1 and top-5 errors (%) in 90 and in 200 epochs. Those of ERM in 90 are cited but
# for ResNeXt-101 32x4d's; that of 64x4d is of 100 epochs.
PAPER = {
    ("resnet50", "ERM"): ((23.5, None), (23.6, 7.0)),
    ("resnet50", "mixup 0.2"): ((23.3, 6.6), (22.1, 6.1)),
    ("resnet101", "ERM"): ((22.1, None), (22.0, 6.1)),
    ("resnet101", "mixup 0.2"): ((21.5, 5.6), (20.8, 5.4)),
    ("resnext101_32x4d", "ERM"): ((21.2, 5.6), (21.3, 5.9)),
    ("resnext101_32x4d", "mixup 0.4"): ((20.7, 5.3), (20.1, 5.0)),
    ("resnext101_64x4d", "ERM"): ((20.4, 5.3),),
    ("resnext101_64x4d", "mixup 0.4"): ((19.8, 4.9),),
}
MEASURES = {
    "last_error": "Top-1 error (%)",
    "last_top_5_error": "Top-5 error (%)",
    "median_error": "Top-1, median of the last ten epochs (%)",
    "best_error": "Top-1, best, oracle (%)",
    "error_on_real": "Training error, clean images (%)",
    "calibration_error": "Calibration error (%)",
}


@dataclasses.dataclass(frozen=True)
class Settings(MethodSettings, ImageSettings):
    """Settings of Table 1; the defaults are the paper's, for its first network."""

    # Name of TFDS, or a folder of images.
    dataset: str = "imagenet2012"
    test_split: str = "validation"
    # Height and width that the network sees.
    image_size: int = field(224, least=1)
    # Networks: resnet50, resnet101, resnext101_32x4d, resnext101_64x4d.
    networks: tuple[str, ...] = field(("resnet50",), "plan", among=NETWORKS)
    # Channels of the stem; 0 for the network's own.
    widths: tuple[int, ...] = field((0,), "plan")
    # Epochs of a run; each network is trained for each.
    lengths: tuple[int, ...] = field((90, 200), "plan", least=1)
    # Values of alpha; none given for the paper's: 0.2 for ResNets, 0.4 for ResNeXts.
    alphas: tuple[float, ...] = field((), empty=True)
    batch_size: int = 1024
    # Learning rate after the warm-up.
    learning_rate: float = 0.4
    # Learning rate of the first step.
    warm_up_from: float = 0.1
    # Epochs of the warm-up.
    warm_up: int = 5
    # Weight decay of all parameters but those of batch norms.
    weight_decay: float = 1e-4
    # Keep the decoded images in memory.
    cache: bool = field(False, "compute")
    # Encoded images that are shuffled at a time; 0 for all.
    shuffle_buffer: int = 16384

    def __post_init__(self):
        """Checks the settings before anything is trained."""
        super().__post_init__()
        if min(self.lengths) <= self.warm_up:
            expected = f"epochs above the {self.warm_up} of the warm-up"
            raise invalid("lengths", expected, self.lengths)
        if "resnext" in str(self.networks) and any(w % 16 for w in self.widths):
            expected = "multiples of 16, for the groups of ResNeXt"
            raise invalid("widths", expected, self.widths)
        if not rows(self):
            expected = "others than 200 for resnext101_64x4d, which the paper lacks"
            raise invalid("lengths", expected, self.lengths)


def rows(settings):
    """What each row of the table trains, by its name without the method."""
    found = {}
    for row in itertools.product(settings.networks, settings.widths, settings.lengths):
        network, width, length = row
        # The paper trained its largest network for 90 epochs alone.
        if row != ("resnext101_64x4d", 0, 200):
            name = NETWORKS[network] + (f", width {width}" if width else "")
            own = {"network": network, "width": width, "length": length}
            found[f"{name}, {length} epochs"] = own
    return found


def with_alphas(settings, network):
    """The settings with the paper's alpha for a network, where none is given."""
    alphas = settings.alphas or (0.4 if "resnext" in network else 0.2,)
    return dataclasses.replace(settings, alphas=alphas)


def runs(settings, data):
    """Each row of the table, with each seed and method."""
    found = []
    for group, own in rows(settings).items():
        of_network = with_alphas(settings, own["network"])
        found += plan(of_network, {group: (own, data.counts)})
    return found


def train(run, data, settings, folder):
    """One run: the record of its epochs, and the images seen."""
    size, length = settings.image_size, run.settings["length"]
    width = {"width": run.settings["width"]} if run.settings["width"] else {}
    classes = len(data.names)
    mixing = classifier.Mixing(run.settings["alpha"], run.seed, classes, settings)
    return classifier.train(
        folder,
        mixing,
        **image_batches.of_images(data, *image_batches.of_imagenet(size), mixing),
        network=lambda: keras_mixup.models.build(
            run.settings["network"],
            input_shape=(size, size, 3),
            num_classes=classes,
            weight_decay=settings.weight_decay,
            **width,
        ),
        optimizer=classifier.sgd(settings, nesterov=True),
        epochs=length,
        drops=drops(length, settings.warm_up),
        warm_up={"warm_up": settings.warm_up, "warm_up_from": settings.warm_up_from},
        top_5=True,
    )


def drops(length, warm_up=0):
    """The epochs after which the learning rate drops: the paper's, or in proportion."""
    shares = (0.3, 0.6, 0.9) if length == 200 else (30 / 90, 60 / 90, 80 / 90)
    return tuple(e for e in classifier.drops_at(length, shares) if e > warm_up)


def final(epochs):
    """The row of the table, from the numbers of each epoch."""
    top_1 = measures.errors_at_the_end(epochs)
    top_5 = measures.errors_at_the_end(epochs, "top_5_error")
    return {**top_1, **top_5, **measures.at_the_end(epochs)}


def paper(settings):
    """The paper's value by cell; of two lengths the longer stands for 200."""
    lengths = sorted(settings.lengths) if len(settings.lengths) == 2 else [90, 200]
    found = {}
    for group, own in rows(settings).items():
        for method in with_alphas(settings, own["network"]).method_alphas():
            theirs = dict(zip(lengths, PAPER.get((own["network"], method), ())))
            found[f"{group}/{method}"] = theirs.get(own["length"], ())
    return measures.cells(found, MEASURES)


EXPERIMENT = Experiment(
    name="table1_imagenet",
    item="Table 1",
    settings=Settings,
    presets={
        "paper": {"networks": tuple(NETWORKS)},
        "cpu": {
            "precision": "auto",
            "dataset": "tiny_imagenet_20",
            "test_split": "val",
            "image_size": 64,
            "widths": (8, 16),
            "lengths": (5, 11),
            "seeds": (0, 1),
            "batch_size": 64,
            "learning_rate": 0.025,
            **{"warm_up_from": 0.00625, "warm_up": 1},
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
    },
    load=lambda settings: settings.read(settings.dataset),
    runs=runs,
    train=train,
    final=final,
    tables=lambda result: [tables.table(result, MEASURES, "Network, epochs")],
    draw=figures.curves_and_reliability,
    paper=paper,
)
