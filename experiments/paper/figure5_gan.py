"""Figure 5: GANs on two mixtures of Gaussians, ERM and mixup.

The claim: mixup stabilizes the training of GANs, since it smooths the discriminator,
which then gives the generator gradients (section 3.7). The paper shows samples after
10, 100, 1,000, 10,000 and 20,000 iterations and gives no numbers, so none stand beside
ours. In its picture the samples of ERM are out of the frame from iteration 1,000 on;
those of mixup cover the ring, and most of the grid, with bridges between the modes.

    python -m experiments figure5_gan                               # a quarter's width
    python -m experiments figure5_gan --preset paper --mode author_code
    python -m experiments figure5_gan --preset smoke                # seconds

From the paper: both networks have three hidden layers of 512 ReLU units; the noise is
two-dimensional; 20,000 iterations of the generator, each after five of the
discriminator, on mini-batches of 128; Adam; alpha 0.2. From the authors' program
(hongyi-zhang/mixup, gan/example_gan.py): the modes, of standard deviation .01, new
points in every batch; the saturating generator loss; PyTorch's initial values; alphas
0, .1, .2, .5 and 1. There d is not trained on the paper's formula but between two
shuffled batches, each half real and half generated, with weights uniform in (0, alpha):
that is `--mode author_code`; `--mode objective` is the formula. ERM is the same in both.

Not as there: iterations count from 1, so a snapshot is one update earlier than in the
program, which counts from 0.

Measured on 10,000 samples of fixed noise and as many real points:

- modes covered: 1 % of the samples, or more, lie within .1 of the mode;
- share of high quality: the samples within .1 of a mode, and within .03, three standard
  deviations;
- the sliced 1-Wasserstein distance, over 200 directions.

Each at the last iteration, and the first three as means over the points of the second
half as well, since a GAN moves on. The table says "end" and "late".

Preset paper: the ring with three seeds, the grid with two, in mode objective one seed
each, and alpha .1, .5 and 1 on the ring with one seed. A run is 20 minutes of two slow
cores, 12 of two quick ones. Preset cpu is reduced: width 128, 10,000 iterations.
"""

import dataclasses
from typing import Literal

from experiments import configuration
from experiments.report import result_file

ITEM = "Figure 5"
MEASURES = {
    "modes_covered": "Modes covered, end",
    "late_modes_covered": "Modes covered, late",
    "high_quality": "High quality, end (%)",
    "late_high_quality": "High quality, late (%)",
    "three_sigma": "Within 3 sigma, end (%)",
    "sliced_wasserstein": "Sliced Wasserstein, end",
    "late_sliced_wasserstein": "Sliced Wasserstein, late",
}
DIGITS = {"sliced_wasserstein": 3, "late_sliced_wasserstein": 3}
PRESETS = {
    "paper": {},
    "cpu": {
        "width": 128,
        "iterations": 10_000,
        "snapshots": (10, 100, 1000, 5000, 10_000),
        "grid_seeds": 3,
    },
    "smoke": {
        "data_sets": ("ring",),
        "mode": ("author_code",),
        "further_alphas": (),
        "seeds": (0,),
        "width": 16,
        "iterations": 40,
        "snapshots": (10, 40),
        "every": 20,
        "samples": 200,
    },
}


@dataclasses.dataclass(frozen=True)
class Settings(configuration.TrainingConfiguration):
    """Settings of Figure 5; the defaults are the paper's and its program's."""

    # Mixtures: ring, grid.
    data_sets: tuple[str, ...] = ("ring", "grid")
    # How the discriminator's batches are mixed: author_code, objective.
    mode: tuple[str, ...] = ("author_code", "objective")
    # Values of alpha.
    alphas: tuple[float, ...] = (0.2,)
    # Further values, in mode author_code on the ring with the first seed.
    further_alphas: tuple[float, ...] = (0.1, 0.5, 1.0)
    # How many of the seeds the grid has, and mode objective.
    grid_seeds: int = 2
    objective_seeds: int = 1
    # Iterations of the generator, and those after which samples are kept.
    iterations: int = 20_000
    snapshots: tuple[int, ...] = (10, 100, 1000, 10_000, 20_000)
    # Iterations between two measurements; there are some more at the beginning.
    every: int = 500
    # Steps of the discriminator in each iteration.
    discriminator_steps: int = 5
    # Loss of the generator.
    generator_loss: Literal["minimax", "non_saturating"] = "minimax"
    # Dimension of the noise.
    latent_dim: int = 2
    # Units of each of the three hidden layers of both networks.
    width: int = 512
    # Learning rate of Adam, of both.
    learning_rate: float = 1e-3
    # Samples that are measured, and how many of them a snapshot keeps.
    samples: int = 10_000
    shown: int = 1000
    # Compile the train step by XLA.
    jit_compile: bool = True
    tensorboard: bool = False
    may_be_empty = ("further_alphas",)

    def __post_init__(self):
        """Checks the settings before anything is trained."""
        super().__post_init__()
        configuration.check_names("data_sets", self.data_sets, ("ring", "grid"))
        configuration.check_names("mode", self.mode, ("author_code", "objective"))
        configuration.check_gan(self)
        if self.data_service:
            raise ValueError(
                "Invalid value received for `data_service`. Expected none: the points are "
                f"made in the train step. Received: {self.data_service}"
            )
        configuration.check_counts(self, ("shown", "grid_seeds", "objective_seeds"))


def run(settings):
    """Trains on each mixture, prints the table, draws, and gives the result."""
    import sys

    from experiments.engine import running

    runs = plan(settings)
    records = running.run_all(
        "figure5_gan",
        settings,
        runs,
        lambda run, folder: train(run, folder, settings),
        plan_fields=(
            *("data_sets", "mode", "further_alphas", "grid_seeds", "objective_seeds"),
        ),
    )
    for record in records:
        # Every record has samples, since any seed may be the first of a set.
        if record["seed"] != settings.seeds[0]:
            for entry in record["epochs"]:
                entry.pop("samples", None)
    legend = "Mean ± standard deviation over seeds."
    return running.conclude(sys.modules[__name__], settings, records, legend)


def plan(settings):
    """The runs, the first seed's first."""
    from experiments.engine.running import Run

    runs = []
    for number, seed in enumerate(settings.seeds):
        for data_set in settings.data_sets:
            if data_set == "grid" and number >= settings.grid_seeds:
                continue
            for method, alpha, mode in _methods(settings, data_set, number):
                own = {"data_set": data_set, "alpha": alpha, "mode": mode}
                runs.append(Run(data_set, method, seed, own))
    return runs


def _methods(settings, data_set, number):
    """(name, alpha, mode) of each method that this data set has with this seed."""
    methods = settings.method_alphas()
    found = [("ERM", 0.0, "author_code")] if methods.pop("ERM", None) == 0 else []
    if "author_code" in settings.mode:
        found += [(name, alpha, "author_code") for name, alpha in methods.items()]
    if "objective" in settings.mode and number < settings.objective_seeds:
        found += [(f"{name}, objective", a, "objective") for name, a in methods.items()]
    if methods and "author_code" in settings.mode and data_set == "ring" and not number:
        further = [a for a in settings.further_alphas if a not in settings.alphas]
        found += [(f"mixup {alpha:g}", alpha, "author_code") for alpha in further]
    return found


def train(run, folder, settings):
    """One run: the record of its points, and the real examples drawn."""
    import keras

    from experiments import gan_training, mixtures

    keras.utils.set_random_seed(run.seed)
    made = []

    def make_gan():
        own = (run.settings[name] for name in ("data_set", "alpha", "mode"))
        made.append(mixtures.make_gan(*own, run.seed, settings))
        return made[0]

    iterations = min(settings.iterations, settings.max_steps or settings.iterations)
    record = gan_training.fit(
        make_gan,
        lambda done: gan_training.indices(done, made[0].replicas),
        gan_training.points_of(iterations, settings.every, settings.snapshots),
        lambda gan, iteration: mixtures.measure(gan, iteration, run.seed, settings),
        settings,
        folder,
    )
    return record, iterations * made[0].examples_per_step


def final(epochs):
    """The row of the table, from the numbers of each point."""
    end = epochs[-1]["test"]
    late = [e["test"] for e in epochs if 2 * e["iteration"] >= epochs[-1]["iteration"]]
    measured = {}
    for name in ("modes_covered", "high_quality", "three_sigma", "sliced_wasserstein"):
        measured[name] = end[name]
        if name != "three_sigma":
            measured[f"late_{name}"] = sum(test[name] for test in late) / len(late)
    return measured


def tables(result):
    """The table, as Markdown."""
    return [result_file.table(result, MEASURES, "Data", DIGITS)]


def paper():
    """The paper has a picture, and no numbers."""
    return {}


def draw(result, folder):
    """The paper's panels for the first seed, and the measures over iterations of all."""
    from experiments.report import gan_figures

    return gan_figures.draw(result, folder)
