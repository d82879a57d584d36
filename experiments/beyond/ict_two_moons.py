"""ICT on two moons: six labels, and a thousand points without.

Interpolation consistency training (Verma et al., 2019) asks a network to be between two
unlabeled points what its average is at the points themselves. The claim, of their
Figure 1: the boundary moves away from the points, into the gap between the moons, where
a network that sees the labels alone cuts through them.

    python -m experiments ict_two_moons                  # 20 seeds, some minutes
    python -m experiments ict_two_moons --preset smoke   # seconds

From the paper: three labels a class, and an MLP of three layers of 20 ReLUs; weights
w(t) that rise to 100 over a quarter of the training, the average with 0.999, and alpha
1. Set here: all else. The points are scikit-learn's, with noise of 0.1, drawn anew for
each seed, and tested on others of the same law. ERM and mixup see the six labels alone.
All rows have the same settings, which were not chosen by any error of seeds 0 to 19.
"""

import dataclasses

import keras
import numpy as np
import tensorflow as tf

import keras_mixup
from experiments import classifier, few_labels
from experiments.data import pipeline
from experiments.experiment import Experiment, Run
from experiments.few_labels import METHODS
from experiments.paper import surfaces
from experiments.report import figures, tables
from experiments.settings import field

ROWS = tuple(name for name in METHODS if not name.startswith("MixMatch"))
MEASURES = {"test_error": "Test error (%)", "best_error": "Best, oracle (%)"}


@dataclasses.dataclass(frozen=True)
class Settings(few_labels.FewLabelsSettings, classifier.MLPSettings):
    """Settings of ICT on two moons."""

    seeds: tuple[int, ...] = tuple(range(20))
    # Rows of the table.
    methods: tuple[str, ...] = field(ROWS, "plan", among=tuple(METHODS))
    # Labels of each class, and points without one.
    labels: int = field(3, least=1)
    points: int = field(1000, least=2)
    test_points: int = field(5000, least=2)
    # Standard deviation of what is added to the points.
    noise: float = 0.1
    batch_size: int = field(6, least=1)
    unlabeled_batch: int = field(100, least=1)
    steps: int = field(3000, least=1)
    steps_per_epoch: int = field(500, least=1)
    ramp_up: int = field(750, least=0)
    width: int = field(20, least=1)
    learning_rate: float = field(3e-3, above=0)
    # Points of the grid of the picture in each direction.
    grid: int = field(61, least=2, below=62)


def runs(settings, data):
    """Each seed and method."""
    return [
        Run("two moons", method, seed, {"row": method})
        for seed in settings.seeds
        for method in settings.methods
    ]


def points_of(settings, seed):
    """The labeled points, the unlabeled ones, and those to test on."""
    (x, y), test = surfaces.draw_points(
        *("moons", settings.points, settings.test_points, settings.noise, seed)
    )
    y = y[:, 0].astype("int64")
    labeled = np.concatenate(
        [np.flatnonzero(y == c)[: settings.labels] for c in (0, 1)]
    )
    return (x[labeled], y[labeled]), x, (test[0], test[1][:, 0].astype("int64"))


def train(run, data, settings, folder):
    """One run: the record of its epochs, and the labeled points seen."""
    labeled, unlabeled, test = points_of(settings, run.seed)
    test = tf.data.Dataset.from_tensor_slices(test)
    sets = {"test": pipeline.evaluation_batches(test, 1000)}

    def surface(network):
        def logit(points):
            logits = network(points)
            return logits[:, 1:] - logits[:, :1]

        x, y = labeled
        targets = y[:, np.newaxis].astype("float32")
        return surfaces.measure(logit, x, targets, 100, settings.grid, run.seed)

    return few_labels.train(
        *(folder, settings, METHODS[run.settings["row"]]),
        few_labels.Data(labeled, unlabeled, sets),
        network=lambda: keras_mixup.models.build(
            "mlp", input_shape=(2,), num_classes=2, width=settings.width, depth=3
        ),
        optimizer=keras.optimizers.Adam,
        seed=run.seed,
        at_end=surface,
    )


def final(epochs):
    """The row of the table, from the numbers of each epoch."""
    errors = [epoch["test"]["error"] for epoch in epochs]
    return {"test_error": errors[-1], "best_error": min(errors)}


EXPERIMENT = Experiment(
    name="ict_two_moons",
    item="ICT, two moons",
    settings=Settings,
    presets={
        "paper": {},
        "cpu": {},
        "smoke": {
            "methods": ("ERM", "ICT"),
            "seeds": (0,),
            "steps": 20,
            "steps_per_epoch": 10,
            "test_points": 200,
            "grid": 11,
        },
    },
    runs=runs,
    train=train,
    final=final,
    analyze=surfaces.of_the_first_seed,
    tables=lambda result: [tables.table(result, MEASURES, "Data")],
    draw=lambda result, folder: [
        surfaces.draw(result, folder),
        *figures.reliability_diagrams(result, folder),
    ],
    legend="Mean ± standard deviation over seeds.",
)
