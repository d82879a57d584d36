"""Figure 1b: the decision surface of ERM and of mixup on a two-class plane.

The claim (section 2): mixup leads to decision boundaries that go linearly from class to
class, and so to a smoother estimate of uncertainty. The paper has a picture (green:
class 0, orange: class 1, blue: p(y = 1 | x)) and no numbers to compare with ours.

    python -m experiments figure1_toy                   # both shapes, three seeds
    python -m experiments figure1_toy --shapes circles

From the paper: alpha = 1, and that there are two classes in the plane. Set here: all
else. The data are scikit-learn's `circles` (factor .5) and `moons`, drawn anew for each
seed, and held out points of the same law; the network is an MLP 2-512-512-512-1 (the
size of the paper's GAN) with ReLU and Keras's initial values, trained by Adam on the
binary cross-entropy; a batch is mixed by one lam, as in Figure 1a. An epoch of the
record is a block of steps; a batch may reach from one pass into the next. What is
measured at the end is in `surfaces.py`; its picture's surfaces are the first seed's.
"""

import dataclasses

import keras
import tensorflow as tf

import keras_mixup
from experiments import classifier, measures
from experiments.data import pipeline
from experiments.experiment import Experiment, plan
from experiments.paper import surfaces
from experiments.report import figures, tables
from experiments.settings import field, invalid

SHAPES = ("circles", "moons")
# What is measured at the end, and the rest of the table.
AT_END = {
    "r_squared": "R² of p against lam (%)",
    "curve_r_squared": "R² of the mean curve (%)",
    "gradient_mean": "Mean norm of the gradient of p (% a unit)",
    "gradient_max": "Its greatest norm (% a unit)",
}
MEASURES = {
    "test_error": "Test error (%)",
    **AT_END,
    "calibration_error": "Calibration error (%)",
}


@dataclasses.dataclass(frozen=True)
class Settings(classifier.MLPSettings):
    """Settings of Figure 1b; the defaults are ours, since the paper gives none."""

    seeds: tuple[int, ...] = (0, 1, 2)
    # What the classes look like: circles, moons.
    shapes: tuple[str, ...] = field(SHAPES, "plan", among=SHAPES)
    # Points that are trained on, and points that are held out.
    points: int = field(300, least=2)
    test_points: int = field(5000, least=2)
    # Standard deviation of what is added to the points.
    noise: float = 0.1
    # Steps of training, and how many of them are an epoch of the record.
    steps: int = field(2000, least=1)
    steps_per_epoch: int = field(200, least=1)
    width: int = 512
    # Pairs of points of the two classes whose segments are measured.
    pairs: int = field(500, least=1)
    # Points of the grid in each direction; of the first seed the result keeps it, so
    # that it must not be fine.
    grid: int = field(61, least=2, below=62)

    def __post_init__(self):
        """Checks the settings before anything is trained."""
        super().__post_init__()
        if self.steps % self.steps_per_epoch:
            expected = f"a multiple of `steps_per_epoch` ({self.steps_per_epoch})"
            raise invalid("steps", expected, self.steps)


def runs(settings, data):
    """Each shape with each seed and method."""
    return plan(settings, {shape: ({"shape": shape}, {}) for shape in settings.shapes})


def train(run, data, settings, folder):
    """One run: the record of its epochs, and the points seen."""
    train_part, test_part = surfaces.draw_points(
        *(run.settings["shape"], settings.points, settings.test_points),
        *(settings.noise, run.seed),
    )
    mixing = classifier.Mixing(run.settings["alpha"], run.seed, 1, settings)

    def batches(first_epoch):
        passes = pipeline.training_batches(
            tf.data.Dataset.from_tensor_slices(train_part),
            *(settings.points, settings.points, run.seed),
            service=settings.data_service,
        )
        first_step = first_epoch * settings.steps_per_epoch
        cut = passes.rebatch(settings.batch_size).skip(first_step)
        mix = mixing.in_pipeline
        return pipeline.at_steps(cut, first_step, mix) if mix else cut

    test = tf.data.Dataset.from_tensor_slices(test_part)
    return classifier.train(
        folder,
        mixing,
        batches=batches,
        count=settings.steps_per_epoch * settings.batch_size,
        sets={"test": pipeline.evaluation_batches(test, 1000)},
        network=lambda: keras_mixup.models.build(
            "mlp", input_shape=(2,), num_classes=1, width=settings.width, depth=3
        ),
        optimizer=keras.optimizers.Adam,
        epochs=settings.steps // settings.steps_per_epoch,
        at_end=lambda network: surfaces.measure(
            network, *train_part, settings.pairs, settings.grid, run.seed
        ),
    )


def final(epochs):
    """The row of the table, from the numbers of each epoch."""
    last = epochs[-1]
    measured = {name: 100 * last["end"][name] for name in AT_END}
    calibration = measures.calibration_at_the_end(epochs)
    return {"test_error": last["test"]["error"], **measured, **calibration}


EXPERIMENT = Experiment(
    name="figure1_toy",
    item="Figure 1b",
    settings=Settings,
    presets={
        "paper": {},
        "cpu": {},
        "smoke": {
            "shapes": ("circles",),
            "seeds": (0,),
            "steps": 60,
            "steps_per_epoch": 30,
            "test_points": 200,
            "width": 32,
            "pairs": 50,
            "grid": 21,
        },
    },
    runs=runs,
    train=train,
    final=final,
    analyze=surfaces.of_the_first_seed,
    tables=lambda result: [tables.table(result, MEASURES, "Shape")],
    draw=lambda result, folder: [
        surfaces.draw(result, folder),
        *figures.reliability_diagrams(result, folder),
    ],
    legend="Mean ± standard deviation over seeds.",
)
