"""Figure 1b: the decision surface of ERM and of mixup on a two-class plane.

The claim: mixup leads to decision boundaries that go linearly from class to class, and
so to a smoother estimate of uncertainty (section 2). The paper has a picture (green:
class 0, orange: class 1, blue: p(y = 1 | x)) and no numbers, so none stand beside ours.

    python -m experiments figure1_toy                   # both shapes, three seeds
    python -m experiments figure1_toy --shapes circles
    python -m experiments figure1_toy --preset smoke    # seconds

From the paper: alpha = 1, and that there are two classes in the plane.

Not in the paper, and set here: all else. The data are scikit-learn's `circles` (300
points, factor .5, noise .1) and `moons` (noise .1), drawn anew for each seed, and held
out points of the same law; the network is an MLP 2-512-512-512-1 (the size of the
paper's GAN, section 3.7) with ReLU and Keras's initial values, trained by Adam at 1e-3
for 2,000 steps of 128 points on the binary cross-entropy; a batch is mixed by one lam,
as in Figure 1a. The presets `paper` and `cpu` are the same. An epoch of the record is a
block of steps; a batch may reach from one pass over the points into the next.

What is measured when training has ended, with p(x) = p(y = 1 | x):

- R² of p against lam on the straight segments x = lam x_1 + (1 - lam) x_0 between
  random training points of the two classes: 1 - sum (p - lam)² / sum (lam - mean lam)²,
  summed over the pairs and 21 values of lam. It is 1 where p is lam everywhere, 0 for p
  = 1/2, and it can be negative. Beside it that of the mean curve, p averaged over the
  pairs at each lam; steps at many places make a line of that as well. A segment between
  two circles may cross the inner one twice, so 1 is out of reach there.
- The norm of the gradient of p on a grid over the training points' box and a margin:
  its greatest value is how steep the surface is, or more where it is steepest between
  the grid's points. Its mean is not: along a line that crosses from class to class the
  gradient adds up to 1, steep or not, so the mean is the mean length of the level lines
  of p over the area of the box.

Numbers are those of all seeds; the picture's surfaces are those of the first. Nine
minutes of one core's time.
"""

import dataclasses
import itertools
from typing import Literal

from experiments import configuration
from experiments.report import result_file

ITEM = "Figure 1b"
SHAPES = ("circles", "moons")
DEPTH = 3
MEASURES = {
    "test_error": "Test error (%)",
    "r_squared": "R² of p against lam (%)",
    "curve_r_squared": "R² of the mean curve (%)",
    "gradient_mean": "Mean norm of the gradient of p (% a unit)",
    "gradient_max": "Its greatest norm (% a unit)",
    "calibration_error": "Calibration error (%)",
}
PRESETS = {
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
}


@dataclasses.dataclass(frozen=True)
class Settings(configuration.TrainingConfiguration):
    """Settings of Figure 1b; the defaults are ours, since the paper gives none."""

    # What the classes look like: circles, moons.
    shapes: tuple[str, ...] = SHAPES
    # Points that are trained on, and points that are held out.
    points: int = 300
    test_points: int = 5000
    # Standard deviation of what is added to the points.
    noise: float = 0.1
    # Steps of training, and how many of them are an epoch of the record.
    steps: int = 2000
    steps_per_epoch: int = 200
    # Units of each of the three hidden layers.
    width: int = 512
    # Learning rate of Adam.
    learning_rate: float = 1e-3
    # Pairs of points of the two classes whose segments are measured.
    pairs: int = 500
    # Points of the grid in each direction; of the first seed the result keeps it.
    grid: int = 61
    checkpoint_every: int = 0
    tensorboard: bool = False
    progress: Literal["auto", "bar", "line", "none"] = "none"

    def __post_init__(self):
        """Checks the settings before anything is trained."""
        super().__post_init__()
        configuration.check_names("shapes", self.shapes, SHAPES)
        # One point of each class, and one of the grid at each end.
        bounds = {"points": 2, "test_points": 2, "grid": 2}
        for name in (*bounds, "steps", "steps_per_epoch", "width", "pairs"):
            least, value = bounds.get(name, 1), getattr(self, name)
            if value < least:
                raise ValueError(
                    f"Invalid value received for `{name}`. Expected a number >= {least}."
                    f" Received: {value}"
                )
        if self.grid > 61:
            raise ValueError(
                "Invalid value received for `grid`. Expected at most 61, since the "
                f"result file keeps the grid. Received: {self.grid}"
            )
        if self.steps % self.steps_per_epoch:
            raise ValueError(
                "Invalid value received for `steps`. Expected a multiple of "
                f"`steps_per_epoch` ({self.steps_per_epoch}). Received: {self.steps}"
            )


def run(settings):
    """Trains on each shape, prints the table, draws, and gives the result."""
    import sys

    from experiments.engine import running

    runs = [
        running.Run(shape, method, seed, {"shape": shape, "alpha": alpha})
        for shape in settings.shapes
        for seed in settings.seeds
        for method, alpha in settings.method_alphas().items()
    ]
    records = running.run_all(
        "figure1_toy",
        settings,
        runs,
        lambda run, folder: train(run, folder, settings),
        plan_fields=("shapes",),
    )
    for record in records:
        # Every record has a surface, since any seed may be the first of a set.
        if record["seed"] != settings.seeds[0]:
            del record["epochs"][-1]["end"]["surface"]
    legend = "Mean ± standard deviation over seeds."
    return running.conclude(sys.modules[__name__], settings, records, legend)


def train(run, folder, settings):
    """One run: the record of its epochs, and the points seen."""
    import keras
    import tensorflow as tf

    import keras_mixup
    from experiments import surfaces
    from experiments.data import pipeline
    from experiments.engine import training

    train_part, test_part = surfaces.draw_points(
        *(run.settings["shape"], settings.points, settings.test_points),
        *(settings.noise, run.seed),
    )
    keras.utils.set_random_seed(run.seed)
    mixup = keras_mixup.MixUp(run.settings["alpha"], seed=run.seed)
    in_pipeline = settings.mix_in == "pipeline"

    def batches(first_epoch):
        passes = pipeline.training_batches(
            tf.data.Dataset.from_tensor_slices(train_part),
            *(settings.points, settings.points, run.seed),
            cache=False,
            service=settings.data_service,
        )
        first = first_epoch * settings.steps_per_epoch
        steps = passes.rebatch(settings.batch_size).skip(first).enumerate(first)
        return steps.map(
            lambda step, batch: (
                mixup.at_step(keras_mixup.Step(step), batch) if in_pipeline else batch
            )
        )

    def make_model():
        network = keras_mixup.models.build(
            "mlp", input_shape=(2,), num_classes=1, width=settings.width, depth=DEPTH
        )
        mixed_here = keras_mixup.MixUp(0) if in_pipeline else mixup
        model = keras_mixup.MixUpModel(network, mixed_here)
        model.compile(
            keras.optimizers.Adam(rate),
            keras.losses.BinaryCrossentropy(from_logits=True),
            metrics=[keras.metrics.MeanMetricWrapper(hits, name="top_1")],
            jit_compile=settings.jit_compile,
        )
        return model

    data = training.Data(
        batches=batches,
        count=settings.steps_per_epoch * settings.batch_size,
        batch_size=settings.batch_size,
        sets={
            "test": pipeline.evaluation_batches(
                tf.data.Dataset.from_tensor_slices(test_part), 1000
            )
        },
    )
    rate = keras_mixup.LearningRateDrops(settings.learning_rate)
    epochs = settings.steps // settings.steps_per_epoch
    record = training.fit(
        *(make_model, data, rate, epochs, settings, folder),
        at_end=lambda network: surfaces.measure(
            network, *train_part, settings.pairs, settings.grid, run.seed
        ),
    )
    return record, data.examples_seen(len(record), settings)


def hits(y, logits):
    """Whether the class above 1/2 is that of the label, or of its heavier part."""
    import tensorflow as tf

    return tf.reduce_mean(tf.cast((logits > 0) == (y > 0.5), tf.float32), axis=-1)


def final(epochs):
    """The row of the table, from the numbers of each epoch."""
    last = epochs[-1]
    measured = {name: 100 * last["end"][name] for name in list(MEASURES)[1:-1]}
    calibration = result_file.calibration_at_the_end(epochs)
    return {"test_error": last["test"]["error"], **measured, **calibration}


def tables(result):
    """The table, as Markdown."""
    return [result_file.table(result, MEASURES, "Shape")]


def paper():
    """The paper has a picture, and no numbers."""
    return {}


def draw(result, folder):
    """Surfaces of the first seed, the mean curves of all, and the reliability."""
    import numpy as np

    from experiments import surfaces
    from experiments.report import figures

    shapes = list(dict.fromkeys(run["group"] for run in result["runs"]))
    methods = list(dict.fromkeys(run["method"] for run in result["runs"]))
    ends = {}
    for run in result["runs"]:
        of_cell = ends.setdefault((run["group"], run["method"]), [])
        of_cell.append(run["epochs"][-1]["end"])
    picture = figures.figure(3.6 * len(methods) + 4.4, 3.6 * len(shapes) + 0.6)
    axes = picture.subplots(len(shapes), len(methods) + 1, squeeze=False)
    for row, column in itertools.product(range(len(shapes)), range(len(methods))):
        axis, end = axes[row, column], ends[shapes[row], methods[column]][0]
        shading = surfaces.draw_surface(axis, end["surface"])
        axis.set(title=f"{shapes[row]}, {methods[column]}", xlabel="first coordinate")
        axis.set_ylabel("second coordinate" if column == 0 else "")
    for axis, shape in zip(axes[:, -1], shapes, strict=True):
        axis.plot([0, 1], [0, 1], ":", color="black", label="$p = \\lambda$")
        for number, method in enumerate(methods):
            curves = np.array([end["curve"] for end in ends[shape, method]])
            lam = np.linspace(0, 1, curves.shape[1])
            color = f"C{(3, 4, 5, 6, 8, 9)[number % 6]}"
            axis.plot(lam, curves.mean(axis=0), color=color, label=method)
            low, high = curves.min(axis=0), curves.max(axis=0)
            axis.fill_between(lam, low, high, color=color, alpha=0.2, linewidth=0)
        axis.set(title=f"{shape}, between the classes", ylim=(-0.03, 1.03))
        axis.set_xlabel("$\\lambda$ in $x = \\lambda x_1 + (1 - \\lambda) x_0$")
        axis.set_ylabel("mean $p(y = 1 | x)$")
        axis.legend(loc="upper left")
    bar = picture.colorbar(shading, ax=axes[:, :-1], location="right", shrink=0.8)
    bar.set_label("$p(y = 1 | x)$")
    handles, names = axes[0, 0].get_legend_handles_labels()
    picture.legend(handles, names, loc="outside lower left", ncols=3)
    path = folder / "surfaces.png"
    picture.savefig(path, dpi=100)
    return [path, *figures.reliability_diagrams(result, folder)]
