"""Table 2: CIFAR-10 with 20, 50 and 80 % of its training labels replaced.

The claim (section 3.4): ERM learns the wrong labels once the learning rate has dropped,
mixup with a large alpha does not, better than dropout, and both together are best.

    python -m experiments table2_corrupted_labels --data_dir DATA                  # two cores
    python -m experiments table2_corrupted_labels --data_dir DATA --preset paper   # a GPU
    python -m experiments table2_corrupted_labels --preset smoke                   # a minute

A label is replaced with that probability by one drawn uniformly from all classes, its
own among them (the protocol of Zhang et al., 2017, which the paper adapts), fixed by
the run's seed; the test set is left alone. "Corrupted" are the replaced ones: a tenth
of them stay right. Dropout is elementwise, between the two convolutions of each block.
Training errors are of the network in inference mode on clean, unmixed images.

Preset `paper`: section 3.2's training, and the whole grids: alpha 1, 2, 8, 32; dropout
.5, .7, .8, .9; alpha 1, 2, 4, 8 with dropout .3, .5, .7, and .1, which the paper's own
table has beside its text. Of a grid the paper shows one model; how it was chosen is not
said. Ours shows all, and names the one of least best test error: chosen on the test
set, an oracle. The reported test errors at the best epoch are the oracle's too, as in
the paper.
"""

import dataclasses
import itertools

from experiments import classifiers
from experiments.recipes import CPU, SMOKE, Recipe, RecipeSettings
from experiments.report import figures, tables
from experiments.settings import field, invalid

MEASURES = {
    "best_error": "Best test error, oracle (%)",
    "last_error": "Last (%)",
    "error_on_real": "Training error, real labels (%)",
    "error_on_corrupted": "Corrupted labels (%)",
    "calibration_error": "Calibration error (%)",
}
# Decimals, where the paper has more than one.
DIGITS = {"error_on_real": 2, "error_on_corrupted": 2}
# The rows of the paper's table: dropout, alpha, and alpha with dropout, by share.
ROWS = {
    0.2: (0.7, 8.0, (4.0, 0.1)),
    0.5: (0.8, 32.0, (8.0, 0.3)),
    0.8: (0.8, 32.0, (8.0, 0.3)),
}
PAPER = {
    0.2: (
        (12.7, 16.6, 0.05, 0.28),
        (8.8, 10.4, 5.26, 83.55),
        (5.9, 6.4, 2.27, 86.32),
        (6.2, 6.2, 1.92, 85.02),
    ),
    0.5: (
        (18.8, 44.6, 0.26, 0.64),
        (14.1, 15.5, 12.71, 86.98),
        (11.3, 12.7, 5.84, 85.71),
        (10.9, 10.9, 7.56, 87.90),
    ),
    0.8: (
        (36.5, 73.9, 0.62, 0.83),
        (30.9, 35.1, 29.84, 86.37),
        (25.3, 30.9, 18.92, 85.44),
        (24.0, 24.8, 19.70, 87.67),
    ),
}


@dataclasses.dataclass(frozen=True)
class Settings(RecipeSettings):
    """Settings of Table 2; the defaults are the paper's."""

    # Probabilities with which a training label is replaced.
    shares: tuple[float, ...] = field((0.2, 0.5, 0.8), "plan", above=0, below=1)
    # Run the paper's whole grids instead of the rows of its table; --grids, --nogrids.
    grids: bool = field(False, "analysis")
    # Of the grids: alphas alone, drop probabilities alone, and both together.
    alphas: tuple[float, ...] = field((1.0, 2.0, 8.0, 32.0), "plan", above=0)
    dropouts: tuple[float, ...] = field((0.5, 0.7, 0.8, 0.9), "plan", above=0, below=1)
    joint_alphas: tuple[float, ...] = field((1.0, 2.0, 4.0, 8.0), "plan", above=0)
    joint_dropouts: tuple[float, ...] = field(
        (0.1, 0.3, 0.5, 0.7), "plan", above=0, below=1
    )

    def __post_init__(self):
        """Checks the settings before anything is trained."""
        super().__post_init__()
        if not self.grids and set(self.shares) - set(ROWS):
            raise invalid(
                "shares", f"some of {list(ROWS)} without --grids", self.shares
            )


def rows(settings):
    """The recipe of each row, by (share, method)."""
    return {
        (_group(share), _method(recipe)): recipe
        for share in settings.shares
        for recipe in (of_grids(settings, share) if settings.grids else of_table(share))
    }


def of_table(share):
    """The recipes of the paper's table: ERM, dropout, mixup, both."""
    dropout, alpha, (joint_alpha, joint_dropout) = ROWS[share]
    return [
        Recipe(corrupted=share),
        Recipe(corrupted=share, dropout=dropout),
        Recipe(corrupted=share, alpha=alpha),
        Recipe(corrupted=share, alpha=joint_alpha, dropout=joint_dropout),
    ]


def of_grids(settings, share):
    """The recipes of the paper's grids."""
    joint = itertools.product(settings.joint_alphas, settings.joint_dropouts)
    return [
        Recipe(corrupted=share),
        *(Recipe(corrupted=share, dropout=p) for p in settings.dropouts),
        *(Recipe(corrupted=share, alpha=a) for a in settings.alphas),
        *(Recipe(corrupted=share, alpha=a, dropout=p) for a, p in joint),
    ]


def paper(settings):
    """The paper's value by cell."""
    return {
        f"{_group(share)}/{_method(recipe)}/{measure}": value
        for share in ROWS
        for recipe, row in zip(of_table(share), PAPER[share], strict=True)
        for measure, value in zip(MEASURES, row, strict=False)
    }


def chosen(result):
    """Of each grid the row of least best test error: what the paper's table shows."""
    if not result["settings"]["grids"]:
        return []
    rows = []
    for group in dict.fromkeys(run["group"] for run in result["runs"]):
        kinds = {}
        for run in result["runs"]:
            if run["group"] == group:
                # The method without its numbers.
                parts = run["method"].split(", ")
                kind = ", ".join(part.split(" ")[0] for part in parts)
                kinds.setdefault(kind, []).append(run["method"])
        for kind, methods in kinds.items():
            means = {
                method: result["summary"][f"{group}/{method}/best_error"]["mean"]
                for method in methods
            }
            rows.append([group, kind, min(means, key=means.get)])
    head = ["Replaced", "Grid", "Chosen by its best test error, an oracle"]
    return [tables.markdown(head, rows)]


def _group(share):
    return f"{100 * share:g} %"


def _method(recipe):
    if not recipe.dropout:
        return recipe.label
    dropout = f"dropout {recipe.dropout:g}"
    return f"{recipe.label}, {dropout}" if recipe.alpha else dropout


EXPERIMENT = classifiers.experiment(
    name="table2_corrupted_labels",
    item="Table 2",
    settings=Settings,
    presets={
        "paper": {"grids": True},
        "cpu": CPU,
        "smoke": {**SMOKE, "shares": (0.5,)},
    },
    rows=rows,
    tables=lambda result: [
        tables.table(result, MEASURES, "Replaced", DIGITS),
        *chosen(result),
    ],
    draw=figures.curves_and_reliability,
    paper=paper,
)
