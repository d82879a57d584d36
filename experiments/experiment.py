"""What an experiment is: settings, a plan of runs, a training, and what comes of it."""

import dataclasses
import re
from collections.abc import Callable

LEGEND = (
    "Mean ± standard deviation over seeds; in brackets the paper's, at full setting."
)


@dataclasses.dataclass(frozen=True)
class Run:
    """One run: a row of the table, with one seed."""

    # Data set or network or both, as the table says it.
    group: str
    # "ERM", or "mixup" with its alpha.
    method: str
    seed: int
    # What sets this run apart; holds "alpha".
    settings: dict
    # Number of examples by split: other data are seen by it.
    examples: dict = dataclasses.field(default_factory=dict)
    # What names the run and its folder, "group, method" by default. Rows of one title
    # are one training.
    title: str = ""

    @property
    def full_title(self):
        """The title with the seed."""
        return f"{self.title or f'{self.group}, {self.method}'}, seed {self.seed}"

    @property
    def folder_name(self):
        """The title as the name of a folder."""
        return re.sub("[^a-z0-9.]+", "_", self.full_title.lower()).strip("_")


def plan(settings, groups):
    """A run for each group, seed and method of `settings.MethodSettings`.

    `groups` maps each group to what sets its runs apart beside alpha, and to the number
    of its examples by split.
    """
    return [
        Run(group, method, seed, {**own, "alpha": alpha}, examples)
        for group, (own, examples) in groups.items()
        for seed in settings.seeds
        for method, alpha in settings.method_alphas().items()
    ]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment:
    """An experiment; `engine.run.run` carries it out."""

    # What is typed.
    name: str
    # What the paper calls it, such as "Table 2".
    item: str
    # Class of its settings, which extends `settings.Settings`.
    settings: type
    # Settings by name of preset: "paper", "cpu" and "smoke".
    presets: dict
    # (settings, data) -> list of `Run`.
    runs: Callable
    # (run, data, settings, folder) -> record of the epochs, training examples seen.
    train: Callable
    # Epochs of a record -> dict of its measures.
    final: Callable
    # Result -> list of Markdown tables.
    tables: Callable
    # (result, folder) -> paths of the pictures that it draws there.
    draw: Callable
    # Settings -> data of all runs. What is missing is refused here, before training.
    load: Callable = lambda settings: None
    # Settings -> the paper's value by cell, "group/method/measure".
    paper: Callable = lambda settings: {}
    # (records, data, settings) -> records of the result: what is measured of trained
    # networks. Each record has the folder of its run as "folder".
    analyze: Callable = lambda records, data, settings: records
    # What the cells of the tables are.
    legend: str = LEGEND
    # Folder of its runs below `run_dir`, its name by default. Experiments that have one
    # in common share the runs that they have in common.
    pool: str = ""
