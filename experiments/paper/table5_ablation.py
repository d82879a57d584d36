"""Table 5: the ablation of mixup on CIFAR-10, 22 rows at two weight decays.

The claim (section 3.8): of all ways to interpolate, mixing the inputs of random pairs
and their labels is best; label smoothing with mixed inputs comes next; more weight
decay helps ERM and mixing of higher layers, and hurts mixup; SMOTE gains nothing.

    python -m experiments table5_ablation --data_dir DATA                  # two cores
    python -m experiments table5_ablation --data_dir DATA --preset paper   # a GPU

AC mixes between all classes, SC within each; RP pairs at random, by a permutation of
the batch (SC: within each class of the batch; the only one of its class is its own
partner); KNN draws the partner from the 200 nearest neighbors (Euclidean, of
normalized pixels without augmentation, over the whole training set, the example itself
left out), which is augmented as an example of its own. Layer 1 to 4 is before a
residual stage, layer 5 before the average pool. "Inputs only" takes the label of the
closer example; with same-class neighbors that is SMOTE. Noise is on normalized inputs.
The paper does not say how many models a cell has; here it is one, as its lam is one a
batch (differences below .15 are noise).
"""

import dataclasses

from experiments import classifiers
from experiments.recipes import CPU, SMOKE, Recipe, RecipeSettings
from experiments.report import analysis_figures, figures, result_file, tables
from experiments.settings import field

DECAYS = (1e-4, 5e-4)
ROWS = {
    "ERM": Recipe(),
    "mixup, AC + RP": Recipe(alpha=1),
    "mixup, AC + KNN": Recipe(alpha=1, partners="neighbors"),
    "layer 1": Recipe(alpha=1, mix_at="stem"),
    "layer 2": Recipe(alpha=1, mix_at="stage_1"),
    "layer 3": Recipe(alpha=1, mix_at="stage_2"),
    "layer 4": Recipe(alpha=1, mix_at="stage_3"),
    "layer 5": Recipe(alpha=1, mix_at="stage_4"),
    "inputs only, SC + KNN": Recipe(
        alpha=1, targets="closer", partners="class_neighbors"
    ),
    "inputs only, AC + KNN": Recipe(alpha=1, targets="closer", partners="neighbors"),
    "inputs only, SC + RP": Recipe(alpha=1, targets="closer", pairing="same_class"),
    "inputs only, AC + RP": Recipe(alpha=1, targets="closer"),
    **{f"smoothing {s:g}": Recipe(label_smoothing=s) for s in (0.05, 0.1, 0.2)},
    **{
        f"inputs, smoothing {s:g}": Recipe(alpha=1, targets="closer", label_smoothing=s)
        for s in (0.05, 0.1, 0.2, 0.4)
    },
    **{f"noise {s:g}": Recipe(gaussian_noise=s) for s in (0.05, 0.1, 0.2)},
}
# At weight decay 1e-4 and 5e-4.
PAPER = {
    "ERM": (5.53, 5.18),
    "mixup, AC + RP": (4.24, 4.68),
    "mixup, AC + KNN": (4.98, 5.26),
    "layer 1": (4.44, 4.51),
    "layer 2": (4.56, 4.61),
    "layer 3": (5.39, 5.55),
    "layer 4": (5.95, 5.43),
    "layer 5": (5.39, 5.15),
    "inputs only, SC + KNN": (5.45, 5.52),
    "inputs only, AC + KNN": (5.43, 5.48),
    "inputs only, SC + RP": (5.23, 5.55),
    "inputs only, AC + RP": (5.17, 5.72),
    "smoothing 0.05": (5.25, 5.02),
    "smoothing 0.1": (5.33, 5.17),
    "smoothing 0.2": (5.34, 5.06),
    "inputs, smoothing 0.05": (5.02, 5.40),
    "inputs, smoothing 0.1": (5.08, 5.09),
    "inputs, smoothing 0.2": (4.98, 5.06),
    "inputs, smoothing 0.4": (5.25, 5.39),
    "noise 0.05": (5.53, 5.04),
    "noise 0.1": (6.41, 5.86),
    "noise 0.2": (7.16, 7.24),
}


@dataclasses.dataclass(frozen=True)
class Settings(RecipeSettings):
    """Settings of Table 5; the defaults are the paper's."""

    # Rows to run, by their names in the table; all of them by default.
    rows: tuple[str, ...] = field(tuple(ROWS), "plan", among=ROWS)
    # PyTorch's weight decays.
    weight_decays: tuple[float, ...] = field(DECAYS, "plan")


def rows(settings):
    """The recipe of each cell, by (weight decay, method)."""
    return {
        (_group(decay), method): dataclasses.replace(ROWS[method], weight_decay=decay)
        for decay in settings.weight_decays
        for method in settings.rows
    }


def draw(result, folder):
    """The errors of all cells, and the reliability of ERM and mixup."""
    dots = folder / "errors.png"
    analysis_figures.dots_by_method(
        result, "median_error", "Test error, median of the last ten epochs (%)", dots
    )
    methods = ("ERM", "mixup, AC + RP")
    return [dots, *figures.reliability_diagrams(result, folder, methods)]


def change_by_decay(result):
    """What the larger weight decay changes in each row, ours and the paper's."""
    if len(result["settings"]["weight_decays"]) != 2:
        return []
    low, high = (_group(decay) for decay in sorted(result["settings"]["weight_decays"]))
    rows = []
    for method in result_file.methods(result["runs"]):
        start, end = (
            result["summary"][f"{group}/{method}/median_error"] for group in (low, high)
        )
        known = None not in (start["paper"], end["paper"])
        theirs = f"{end['paper'] - start['paper']:+.2f}" if known else ""
        rows.append([method, f"{end['mean'] - start['mean']:+.2f}", theirs])
    head = [f"From {low} to {high}: change of the error (points)", "Ours", "Paper"]
    return [tables.markdown(head, rows)]


def _group(decay):
    return f"weight decay {decay:g}"


EXPERIMENT = classifiers.experiment(
    name="table5_ablation",
    item="Table 5",
    settings=Settings,
    presets={
        "paper": {},
        "cpu": {**CPU, "seeds": (0,)},
        "smoke": {**SMOKE, "weight_decays": (1e-4,)},
    },
    rows=rows,
    tables=lambda result: [
        tables.table_by_group(result, "median_error", "Median test error (%)", 2),
        *change_by_decay(result),
        tables.table_by_group(
            result, "calibration_error", "Calibration error, last epoch (%)"
        ),
    ],
    draw=draw,
    paper=lambda settings: {
        f"{_group(decay)}/{method}/median_error": value
        for method, values in PAPER.items()
        for decay, value in zip(DECAYS, values, strict=True)
    },
)
