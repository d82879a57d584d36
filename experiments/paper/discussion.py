"""The paper's remarks on how to mix, as measured rows.

    "two loaders or one" (section 2): mixing a shuffled batch with itself works as well
        as two loaders.
    "three or more" (section 2): weights from a Dirichlet law bring no further gain.
    "equal label" (section 2): mixing examples of one class alone brings no gain.
    One lam a batch, as the paper's code has it, or one an example, as others do.

The paper gives no numbers for them.

    python -m experiments discussion --data_dir DATA                  # two cores
    python -m experiments discussion --data_dir DATA --preset paper   # a GPU
    python -m experiments discussion --preset smoke                   # a minute

Every row but ERM is mixup with alpha 1, the first of them as in the paper: pairs of one
shuffled batch, one lam a batch. The Dirichlet law of three is symmetric with
concentration 1; the paper does not say its own. The second table is the difference of
the median test error to this first row, paired by seed, with its standard error.

Preset `paper`: section 3.2's training of PreAct ResNet-18 on CIFAR-10, three seeds.
Deviations of preset `cpu`: 1,000 images of Fashion-MNIST scaled to 12 x 12, the network
at an eighth of its width, batches of 64, 40 epochs without augmentation.
"""

import dataclasses

from experiments import configuration, recipes
from experiments.recipes import Recipe
from experiments.report import result_file

ITEM = "Section 2, remarks"
BASELINE = "mixup: pairs of one batch, one lam a batch"
ROWS = {
    "ERM": Recipe(),
    BASELINE: Recipe(alpha=1),
    "three examples, Dirichlet(1, 1, 1)": Recipe(alpha=1, examples=3),
    "pairs of equal label only": Recipe(alpha=1, pairing="same_class"),
    "two loaders": Recipe(alpha=1, partners="loader"),
    "one lam an example": Recipe(alpha=1, per="example"),
}
MEASURES = {
    "median_error": "Test error, median of the last ten epochs (%)",
    "last_error": "Last (%)",
    "error_on_real": "Training error (%)",
    "calibration_error": "Calibration error (%)",
}
PRESETS = {
    "paper": {},
    "cpu": recipes.CPU,
    "smoke": {**recipes.SMOKE, "seeds": (0,)},
}


@dataclasses.dataclass(frozen=True)
class Settings(recipes.ClassifierConfiguration):
    """Settings of the remarks; the defaults are the paper's training."""

    # Rows to run, by their names in the table; all of them by default.
    rows: tuple[str, ...] = tuple(ROWS)
    seeds: tuple[int, ...] = (0, 1, 2)

    def __post_init__(self):
        """Checks the settings before anything is trained."""
        super().__post_init__()
        configuration.check_names("rows", self.rows, ROWS)


def rows(settings):
    """The recipe of each row."""
    return {("", method): ROWS[method] for method in settings.rows}


def run(settings):
    """Trains each row, prints the table and gives the result."""
    import sys

    from experiments import classifiers
    from experiments.engine import running

    data = classifiers.load(settings)
    records = classifiers.train_all(rows(settings), data, settings)
    return running.conclude(sys.modules[__name__], settings, records)


def final(epochs):
    """The measures of a run, from the numbers of each epoch."""
    return recipes.errors(epochs)


def tables(result):
    """The table of rows, and the differences to mixup as the paper has it."""
    return [result_file.table(result, MEASURES), *_differences(result)]


def draw(result, folder):
    """The reliability of ERM and of the paper's mixup."""
    from experiments.report import figures

    return figures.reliability_diagrams(result, folder, ("ERM", BASELINE))


def paper():
    """The paper has no numbers for this."""
    return {}


def _differences(result):
    if BASELINE not in {run["method"] for run in result["runs"]}:
        return []
    lines = [
        "| Median test error less that of mixup as in the paper | Points |",
        "|---|---|",
    ]
    for cell, found in result_file.pair(result["runs"], BASELINE).items():
        method, measure = cell.rsplit("/", 1)
        if measure == "median_error":
            error = found["standard_error"]
            text = f"{found['mean']:+.1f}"
            text += "" if error is None else f" ± {error:.1f}"
            lines.append(f"| {method} | {text} |")
    return ["\n".join(lines)]
