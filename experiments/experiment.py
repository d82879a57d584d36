"""What an experiment is: settings, a plan of runs, a training, and what comes of it."""

import dataclasses
import re
from collections.abc import Callable

# What the cells of the tables are.
LEGEND = (
    "Mean ± standard deviation over seeds; in brackets the paper's, at full setting."
)


@dataclasses.dataclass(frozen=True)
class Run:
    """One run: a row of the table, with one seed.

    Attributes:
        group: Data set or network or both, as the table says it.
        method: "ERM", or "mixup" with its alpha.
        seed: Integer.
        settings: Dict of what sets this run apart; holds "alpha".
        examples: Dict of the number of examples by split: other data are seen by it.
        title: What names the run and its folder, "group, method" by default. Rows of
            one title are one training.
    """

    group: str
    method: str
    seed: int
    settings: dict
    examples: dict = dataclasses.field(default_factory=dict)
    title: str = ""

    @property
    def full_title(self):
        """The title with the seed."""
        return f"{self.title or f'{self.group}, {self.method}'}, seed {self.seed}"

    @property
    def folder_name(self):
        """A name for the run's folder."""
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
    """An experiment; `engine.run.run` carries it out.

    Attributes:
        name: What is typed.
        item: What the paper calls it, such as "Table 2".
        settings: Class of its settings, which extends `settings.Settings`.
        presets: Dict of settings by name of preset: "paper", "cpu" and "smoke".
        load: Function of the settings that gives the data of all runs. What is missing
            is refused here, before anything is trained.
        runs: Function of (settings, data) that gives the list of `Run`.
        train: Function of (run, data, settings, folder) that gives the record of the
            epochs and the number of training examples seen.
        final: Function of a record's epochs that gives the dict of its measures.
        tables: Function of a result that gives a list of Markdown tables.
        draw: Function of (result, folder) that draws, and gives the pictures' paths.
        paper: Function of the settings that gives the paper's value by cell,
            "group/method/measure".
        analyze: Function of (records, data, settings) that gives the records of the
            result: what is measured of trained networks. Each record has the folder of
            its run as "folder".
        legend: What the cells of the tables are.
        pool: Folder of its runs below `run_dir`, its name by default. Experiments that
            have one in common share the runs that they have in common.
    """

    name: str
    item: str
    settings: type
    presets: dict
    runs: Callable
    train: Callable
    final: Callable
    tables: Callable
    draw: Callable
    load: Callable = lambda settings: None
    paper: Callable = lambda settings: {}
    analyze: Callable = lambda records, data, settings: records
    legend: str = LEGEND
    pool: str = ""
