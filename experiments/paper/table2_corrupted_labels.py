"""Table 2: CIFAR-10 with 20, 50 and 80 % of its training labels replaced.

The claim (section 3.4): ERM learns the wrong labels once the learning rate has dropped,
mixup with a large alpha does not, better than dropout, and both together are best.

    python -m experiments table2_corrupted_labels --data_dir DATA         # two cores
    python -m experiments table2_corrupted_labels --data_dir DATA --preset paper

A label is replaced with that probability by one drawn uniformly from all classes, its
own among them (the protocol of Zhang et al., 2017, which the paper adapts), fixed by
the run's seed. "Corrupted" are the replaced ones: a tenth of them stay right. Dropout
is elementwise, between the two convolutions of each block. Training errors are of the
network in inference mode on clean, unmixed images.

Preset `paper` has section 3.2's training and the whole grids, with a dropout of .1 that
the paper's table has beside its text. The paper shows one model of a grid and does not
say how it was chosen: ours shows all, and names that of the least best test error,
which is an oracle's choice, as its epoch is.
"""

import dataclasses
import itertools

from experiments import classifiers, measures
from experiments.recipes import CPU, SMOKE, Recipe, RecipeSettings
from experiments.report import figures, result_file, tables
from experiments.settings import field, invalid, method_name

MEASURES = {
    "best_error": "Best test error, oracle (%)",
    "last_error": "Last (%)",
    "error_on_real": "Training error, real labels (%)",
    "error_on_corrupted": "Corrupted labels (%)",
    "calibration_error": "Calibration error (%)",
}
# Decimals, where the paper has more than one.
DIGITS = {"error_on_real": 2, "error_on_corrupted": 2}
# The rows of the paper's table by share: alpha and dropout, and the paper's values.
PAPER = {
    0.2: {
        (0.0, 0.0): (12.7, 16.6, 0.05, 0.28),
        (0.0, 0.7): (8.8, 10.4, 5.26, 83.55),
        (8.0, 0.0): (5.9, 6.4, 2.27, 86.32),
        (4.0, 0.1): (6.2, 6.2, 1.92, 85.02),
    },
    0.5: {
        (0.0, 0.0): (18.8, 44.6, 0.26, 0.64),
        (0.0, 0.8): (14.1, 15.5, 12.71, 86.98),
        (32.0, 0.0): (11.3, 12.7, 5.84, 85.71),
        (8.0, 0.3): (10.9, 10.9, 7.56, 87.90),
    },
    0.8: {
        (0.0, 0.0): (36.5, 73.9, 0.62, 0.83),
        (0.0, 0.8): (30.9, 35.1, 29.84, 86.37),
        (32.0, 0.0): (25.3, 30.9, 18.92, 85.44),
        (8.0, 0.3): (24.0, 24.8, 19.70, 87.67),
    },
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
        if not self.grids and set(self.shares) - set(PAPER):
            expected = f"some of {list(PAPER)} without --grids"
            raise invalid("shares", expected, self.shares)


def rows(settings):
    """The recipe of each row, by (share, method)."""
    return {
        (_group(share), _method(alpha, dropout)): Recipe(
            corrupted=share, alpha=alpha, dropout=dropout
        )
        for share in settings.shares
        for alpha, dropout in (of_grids(settings) if settings.grids else PAPER[share])
    }


def of_grids(settings):
    """Alpha and dropout of each row of the paper's grids."""
    return [
        (0.0, 0.0),
        *((0.0, dropout) for dropout in settings.dropouts),
        *((alpha, 0.0) for alpha in settings.alphas),
        *itertools.product(settings.joint_alphas, settings.joint_dropouts),
    ]


def chosen(result):
    """The row of least best test error of each grid: what the paper's table shows."""
    if not result["settings"]["grids"]:
        return []
    rows = []
    for group in result_file.groups(result["runs"]):
        kinds = {}
        for method in result_file.methods(result["runs"], group):
            # The method without its numbers.
            kind = ", ".join(part.split(" ")[0] for part in method.split(", "))
            error = result["summary"][f"{group}/{method}/best_error"]["mean"]
            kinds.setdefault(kind, {})[method] = error
        for kind, errors in kinds.items():
            rows.append([group, kind, min(errors, key=errors.get)])
    head = ["Replaced", "Grid", "Chosen by its best test error, an oracle"]
    return [tables.markdown(head, rows)]


def _group(share):
    return f"{100 * share:g} %"


def _method(alpha, dropout):
    if not dropout:
        return method_name(alpha)
    text = f"dropout {dropout:g}"
    return f"{method_name(alpha)}, {text}" if alpha else text


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
    paper=lambda settings: measures.cells(
        {
            f"{_group(share)}/{_method(*row)}": values
            for share, of_share in PAPER.items()
            for row, values in of_share.items()
        },
        MEASURES,
    ),
)
