"""The paper's remarks on how to mix, as measured rows.

    "two loaders or one" (section 2): mixing a shuffled batch with itself works as well
        as two loaders.
    "three or more" (section 2): weights from a Dirichlet law bring no further gain.
    "equal label" (section 2): mixing examples of one class alone brings no gain.
    One lam a batch, as the paper's code has it, or one an example, as others do.

The paper gives no numbers for them.

    python -m experiments discussion --data_dir DATA                  # two cores
    python -m experiments discussion --data_dir DATA --preset paper   # a GPU

Every row but ERM is mixup with alpha 1, the first of them as in the paper: pairs of one
shuffled batch, one lam a batch. The Dirichlet law of three is symmetric with
concentration 1; the paper does not say its own. The second table is the difference of
the median test error to this first row, paired by seed, with its 95 % interval.

Preset `paper`: section 3.2's training of PreAct ResNet-18 on CIFAR-10, three seeds.
"""

import dataclasses

from experiments import classifiers
from experiments.recipes import CPU, SMOKE, Recipe, RecipeSettings
from experiments.report import figures, result_file, tables
from experiments.settings import field

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


@dataclasses.dataclass(frozen=True)
class Settings(RecipeSettings):
    """Settings of the remarks; the defaults are the paper's training."""

    # Rows to run, by their names in the table; all of them by default.
    rows: tuple[str, ...] = field(tuple(ROWS), "plan", among=ROWS)
    seeds: tuple[int, ...] = field((0, 1, 2))


def differences(result):
    """The difference of each row to mixup as the paper has it, as Markdown."""
    if BASELINE not in {run["method"] for run in result["runs"]}:
        return []
    rows = []
    for cell, found in result_file.pair(result["runs"], BASELINE).items():
        method, measure = cell.rsplit("/", 1)
        if measure == "median_error":
            rows.append([method, tables.difference(found, 1)])
    text = "Median test error less that of mixup as in the paper"
    return [tables.markdown([text, "Points (95 % interval by t)"], rows)]


EXPERIMENT = classifiers.experiment(
    name="discussion",
    item="Section 2, remarks",
    settings=Settings,
    presets={"paper": {}, "cpu": CPU, "smoke": {**SMOKE, "seeds": (0,)}},
    rows=lambda settings: {("", method): ROWS[method] for method in settings.rows},
    tables=lambda result: [tables.table(result, MEASURES), *differences(result)],
    draw=lambda result, folder: figures.reliability_diagrams(
        result, folder, ("ERM", BASELINE)
    ),
)
