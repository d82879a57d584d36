"""The strength of mixing: training error, test error and their gap over alpha.

The claim (section 5, in prose alone, without numbers): with growing alpha the training
error on real data grows and the generalization gap shrinks; on CIFAR-10 the training
error stays low even where only averages of pairs are seen (alpha to infinity), and a
network of more capacity suffers less from a large alpha. This is the curve of it.

    python -m experiments alpha_tradeoff --data_dir DATA                  # two cores
    python -m experiments alpha_tradeoff --data_dir DATA --preset paper   # a GPU

PreAct ResNet-18 at three widths, alpha 0 (ERM), .1, .2, .4, 1, 2, 4, 8, 32 and a
million, whose weights are .5000 ± .0004: the limit of averages. The training error is
of the network in inference mode on clean, unmixed images without augmentation; the gap
is the test error less it.

Not in the paper, and set here: all of it but alpha; section 3.2's training, widths 16,
32 and 64.
"""

import dataclasses

from experiments import classifiers, measures, recipes
from experiments.recipes import AVERAGES, CPU, SMOKE, RecipeSettings
from experiments.report import analysis_figures, figures, tables
from experiments.settings import field, method_name

MEASURES = {
    "error_on_real": "Training error (%)",
    "last_error": "Test error, last epoch (%)",
    "gap": "Gap (points)",
    "calibration_error": "Calibration error (%)",
}


@dataclasses.dataclass(frozen=True)
class Settings(RecipeSettings):
    """Settings of the curve over alpha."""

    # Values of alpha; 0 is ERM, a million the limit of averages.
    alphas: tuple[float, ...] = field(
        (0, 0.1, 0.2, 0.4, 1, 2, 4, 8, 32, AVERAGES), "plan"
    )
    # Channels of the first stage.
    widths: tuple[int, ...] = field((16, 32, 64), "analysis", least=1)


def rows(settings):
    """The recipe of each point, by (width, method)."""
    found = recipes.by_width(settings.alphas, settings)
    return {(f"width {w}", _method(alpha)): one for (w, alpha), one in found.items()}


def final(epochs):
    """The measures of a run, from the numbers of each epoch."""
    errors = measures.of_classifier(epochs)
    return {**errors, "gap": errors["last_error"] - errors["error_on_real"]}


def draw(result, folder):
    """Both errors and their gap over alpha; the reliability of ERM and mixup."""
    curves = folder / "curves.png"
    shown = {name: MEASURES[name] for name in ("error_on_real", "last_error", "gap")}
    alphas = {_method(alpha): alpha for alpha in result["settings"]["alphas"]}
    analysis_figures.over_alpha(result, alphas, shown, AVERAGES, curves)
    return [curves, *figures.reliability_diagrams(result, folder, ("ERM", "mixup 1"))]


def _method(alpha):
    return "averages" if alpha == AVERAGES else method_name(alpha)


EXPERIMENT = classifiers.experiment(
    name="alpha_tradeoff",
    item="Section 5",
    settings=Settings,
    presets={
        "paper": {},
        "cpu": {**CPU, "widths": (4, 8, 16), "seeds": (0,)},
        "smoke": {**SMOKE, "widths": (4,), "alphas": (0.0, 1.0, AVERAGES)},
    },
    rows=rows,
    final=final,
    tables=lambda result: [tables.table(result, MEASURES, "Network")],
    draw=draw,
)
