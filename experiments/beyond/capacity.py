"""Where the gain of mixup begins: networks of several widths, and ERM's training error.

The paper's claim is of networks that fit their training set. Here is where its gain
begins: that of PreAct ResNet-18, width by width, beside the error of ERM on its own
training images.

    python -m experiments capacity --data_dir DATA                        # two cores
    python -m experiments capacity --data_dir DATA --preset unaugmented   # two cores
    python -m experiments capacity --data_dir DATA --preset paper         # a GPU

Not in the paper, and set here: all of it but the training of section 3.2. On two cores
10,000 images of CIFAR-10 train, and 10,000 others of the training split test. Batches
are of 64, with half of the learning rate: it is the number of updates that makes a
network fit, not that of epochs. The training error is of the network in inference mode
on clean images without augmentation.
"""

import dataclasses

from experiments import classifiers, measures, recipes
from experiments.recipes import CIFAR, SMOKE, UNAUGMENTED, PairSettings
from experiments.report import figures, tables
from experiments.settings import field, method_name

MEASURES = {
    "error_on_real": "Training error, clean images (%)",
    "median_error": "Test error, median of the last ten epochs (%)",
    "last_error": "Last (%)",
    "best_error": "Best, oracle (%)",
    "calibration_error": "Calibration error (%)",
}


@dataclasses.dataclass(frozen=True)
class Settings(PairSettings):
    """Settings of the networks by width."""

    # Channels of the first stage.
    widths: tuple[int, ...] = field((16, 32, 64), "plan", least=1)


def rows(settings):
    """The recipes of ERM and mixup at each width, by (width, method)."""
    found = recipes.by_width((0.0, settings.alpha), settings)
    return {(f"width {w}", method_name(a)): one for (w, a), one in found.items()}


EXPERIMENT = classifiers.experiment(
    name="capacity",
    item="Figure 3 by width",
    settings=Settings,
    presets={
        "paper": {},
        "cpu": {**CIFAR, "widths": (4, 8, 16)},
        "unaugmented": {**UNAUGMENTED, "widths": (4, 8, 16)},
        "smoke": {**SMOKE, "widths": (2, 4), "seeds": (0,)},
    },
    rows=rows,
    final=measures.of_classifier,
    tables=lambda result: [tables.table(result, MEASURES, "Network")],
    draw=figures.curves_and_reliability,
)
