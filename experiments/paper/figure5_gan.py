"""Figure 5: GANs on two mixtures of Gaussians, ERM and mixup.

The claim (section 3.7): mixup stabilizes the training of GANs, since it smooths the
discriminator, which then gives the generator gradients. The paper shows samples at five
iterations and gives no numbers: those of ERM leave the frame from iteration 1,000 on,
those of mixup cover the ring, and most of the grid, with bridges between the modes.

    python -m experiments figure5_gan                               # a quarter's width
    python -m experiments figure5_gan --preset paper --mode author_code

The defaults are the paper's (sizes, iterations, Adam) and, of what it leaves open,
those of the authors' program (hongyi-zhang/mixup, gan/example_gan.py): the modes, of
standard deviation .01; new points in every batch; the saturating loss; PyTorch's
initial values. There d is not trained on the paper's formula but between two shuffled
batches, each half real and half generated, with weights uniform in (0, alpha): that is
`--mode author_code`; `--mode objective` is the formula. ERM is the same in both. Not as
there: iterations count from 1, so a snapshot is one update earlier; and on the ring the
non-saturating loss as well, whose rows are a group of their own, with their own ERM.

What is measured, on 10,000 samples of fixed noise and as many real points, README.md
beside this folder says; the sliced 1-Wasserstein distance is over 200 directions.
"""

import dataclasses
from typing import Literal

from experiments import gan, mixtures
from experiments.engine import distribution
from experiments.experiment import Experiment, Run
from experiments.gan import GANSettings
from experiments.report import gan_figures, tables
from experiments.settings import field, invalid, method_name

MIXTURES, MODES = ("ring", "grid"), ("author_code", "objective")
LOSSES = ("minimax", "non_saturating")
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


@dataclasses.dataclass(frozen=True)
class Settings(GANSettings):
    """Settings of Figure 5; the defaults are the paper's and its program's."""

    seeds: tuple[int, ...] = (0, 1, 2)
    # Mixtures: ring, grid.
    data_sets: tuple[str, ...] = field(MIXTURES, "plan", among=MIXTURES)
    # How the discriminator's batches are mixed: author_code, objective.
    mode: tuple[str, ...] = field(MODES, "plan", among=MODES)
    # Losses of the generator; those after the first on the ring alone.
    generator_losses: tuple[Literal["minimax", "non_saturating"], ...] = field(
        LOSSES, "plan", among=LOSSES
    )
    # The program's further alphas, in mode author_code on the ring with the first seed
    # and the first loss.
    further_alphas: tuple[float, ...] = field(
        (0.1, 0.5, 1.0), "plan", above=0, empty=True
    )
    # How many of the seeds the grid has, and mode objective.
    grid_seeds: int = field(2, "plan", least=1)
    objective_seeds: int = field(1, "plan", least=1)
    # How many of the samples a snapshot keeps.
    shown: int = field(1000, least=1)
    # Compile the train step by XLA.
    jit_compile: bool = True

    def __post_init__(self):
        """Checks the settings before anything is trained."""
        super().__post_init__()
        if "author_code" in self.mode:
            gan.check_weights("alphas", self.alphas)
            gan.check_weights("further_alphas", self.further_alphas)
        if self.data_service:
            expected = "none: the points are made in the train step"
            raise invalid("data_service", expected, self.data_service)


def runs(settings, data):
    """The runs, the first seed's first."""
    return [
        Run(
            # A method is paired with the ERM of its own loss.
            data_set + ("" if loss == "minimax" else ", non-saturating"),
            method_name(alpha) + (", objective" if mode == "objective" else ""),
            seed,
            {
                "data_set": data_set,
                "alpha": alpha,
                "mode": mode,
                "generator_loss": loss,
            },
        )
        for number, seed in enumerate(settings.seeds)
        for data_set in settings.data_sets
        if data_set == "ring" or number < settings.grid_seeds
        for loss in settings.generator_losses
        if data_set == "ring" or loss == settings.generator_losses[0]
        for alpha, mode in _methods(settings, data_set, loss, number)
    ]


def _methods(settings, data_set, loss, number):
    """(alpha, mode) of each method of this data set and loss, with this seed."""
    found = [(0.0, "author_code")] if "erm" in settings.methods else []
    if "mixup" not in settings.methods:
        return found
    own = [(alpha, mode) for mode in MODES for alpha in settings.alphas]
    if number >= settings.objective_seeds:
        own = [(alpha, mode) for alpha, mode in own if mode == "author_code"]
    is_first = number == 0 and loss == settings.generator_losses[0]
    if data_set == "ring" and is_first:
        further = set(settings.further_alphas) - set(settings.alphas)
        own += [(a, "author_code") for a in settings.further_alphas if a in further]
    return found + [one for one in own if one[1] in settings.mode]


def train(run, data, settings, folder):
    """One run: the record of its points, and the real examples drawn."""
    alpha, mode = run.settings["alpha"], run.settings["mode"]
    replicas = distribution.strategy_of(settings).num_replicas_in_sync
    return gan.train(
        settings,
        folder,
        make_gan=lambda: mixtures.make_gan(
            **run.settings, seed=run.seed, settings=settings
        ),
        batches=lambda done: gan.indices(done, replicas),
        examples_per_step=settings.examples_per_step(alpha, mode),
        measure=lambda model, iteration: mixtures.measure(
            model, iteration, run.seed, settings
        ),
    )


def analyze(records, data, settings):
    """The records, with the samples of the first seed alone, to be drawn."""
    for record in records:
        # Every run keeps its own, since any seed may be the first of a later command.
        if record["seed"] != settings.seeds[0]:
            for entry in record["epochs"]:
                entry.pop("samples", None)
    return records


def final(epochs):
    """The row of the table, from the numbers of each point."""
    end = epochs[-1]["test"]
    late = [e["test"] for e in epochs if 2 * e["iteration"] >= epochs[-1]["iteration"]]
    measured = {name: end[name] for name in MEASURES if name in end}
    for name in ("modes_covered", "high_quality", "sliced_wasserstein"):
        measured[f"late_{name}"] = sum(test[name] for test in late) / len(late)
    return {name: measured[name] for name in MEASURES}


EXPERIMENT = Experiment(
    name="figure5_gan",
    item="Figure 5",
    settings=Settings,
    presets={
        "paper": {},
        "cpu": {
            "width": 128,
            "iterations": 10_000,
            "snapshots": (10, 100, 1000, 5000, 10_000),
            "grid_seeds": 3,
            "objective_seeds": 3,
        },
        "smoke": {
            "data_sets": ("ring",),
            "mode": ("author_code",),
            "generator_losses": ("minimax",),
            "further_alphas": (),
            "seeds": (0,),
            "width": 16,
            "iterations": 40,
            "snapshots": (10, 40),
            "every": 20,
            "samples": 200,
        },
    },
    runs=runs,
    train=train,
    final=final,
    tables=lambda result: [tables.table(result, MEASURES, "Data", DIGITS)],
    draw=gan_figures.draw,
    analyze=analyze,
    legend="Mean ± standard deviation over seeds.",
)
