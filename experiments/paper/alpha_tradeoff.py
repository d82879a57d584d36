"""The strength of mixing: training error, test error and their gap over alpha.

The claim (section 5, in prose alone, without numbers): with growing alpha the training
error on real data grows and the generalization gap shrinks; on CIFAR-10 the training
error stays low even where only averages of pairs are seen (alpha to infinity), and a
network of more capacity suffers less from a large alpha. This is the curve of it.

    python -m experiments alpha_tradeoff --data_dir DATA                  # two cores
    python -m experiments alpha_tradeoff --data_dir DATA --preset paper   # a GPU
    python -m experiments alpha_tradeoff --preset smoke                   # a minute

PreAct ResNet-18 at three widths, alpha 0 (ERM), .1, .2, .4, 1, 2, 4, 8, 32 and a
million, whose weights are .5000 ± .0004: the limit of averages. The training error is
of the network in inference mode on clean, unmixed images without augmentation; the gap
is the test error less it.

Not in the paper, and set here: all of it but alpha; section 3.2's training, widths 16,
32 and 64. Deviations of preset `cpu`: one seed; 1,000 images of Fashion-MNIST scaled
to 12 x 12, widths 4, 8 and 16, batches of 64, 40 epochs without augmentation. 30 runs.
"""

import dataclasses

from experiments import recipes
from experiments.recipes import AVERAGES, Recipe
from experiments.report import result_file

ITEM = "Section 5"
MEASURES = {
    "error_on_real": "Training error (%)",
    "last_error": "Test error, last epoch (%)",
    "gap": "Gap (points)",
    "calibration_error": "Calibration error (%)",
}
PRESETS = {
    "paper": {},
    "cpu": {**recipes.CPU, "widths": (4, 8, 16), "seeds": (0,)},
    "smoke": {**recipes.SMOKE, "widths": (4,), "alphas": (0.0, 1.0, AVERAGES)},
}


@dataclasses.dataclass(frozen=True)
class Settings(recipes.ClassifierConfiguration):
    """Settings of the curve over alpha."""

    # Values of alpha; 0 is ERM, a million the limit of averages.
    alphas: tuple[float, ...] = (0, 0.1, 0.2, 0.4, 1, 2, 4, 8, 32, AVERAGES)
    # Channels of the first stage.
    widths: tuple[int, ...] = (16, 32, 64)

    def __post_init__(self):
        """Checks the settings before anything is trained."""
        super().__post_init__()
        if max(self.alphas) == float("inf"):
            raise ValueError(
                "Invalid value received for `alphas`. Expected finite numbers >= 0, of "
                f"which {AVERAGES:g} is the limit of averages. Received: "
                f"{list(self.alphas)}"
            )
        if min(self.widths) < 1:
            raise ValueError(
                "Invalid value received for `widths`. Expected integers >= 1. "
                f"Received: {list(self.widths)}"
            )


def rows(settings):
    """The recipe of each point, by (width, method)."""
    return {
        (f"width {width}", _method(alpha)): Recipe(
            alpha=alpha, width=0 if width == settings.width else width
        )
        for width in settings.widths
        for alpha in settings.alphas
    }


def run(settings):
    """Trains at each alpha and width, prints the table and gives the result."""
    import sys

    from experiments import classifiers
    from experiments.engine import running

    data = classifiers.load(settings)
    records = classifiers.train_all(rows(settings), data, settings)
    return running.conclude(sys.modules[__name__], settings, records)


def final(epochs):
    """The measures of a run, from the numbers of each epoch."""
    errors = recipes.errors(epochs)
    return {**errors, "gap": errors["last_error"] - errors["error_on_real"]}


def tables(result):
    """The table of widths and alphas, as Markdown."""
    return [result_file.table(result, MEASURES, "Network")]


def draw(result, folder):
    """Training error, test error and gap over alpha; the reliability of ERM and mixup."""
    from experiments.report import analysis_figures, figures

    curves = folder / "curves.png"
    measures = {name: MEASURES[name] for name in ("error_on_real", "last_error", "gap")}
    alphas = {_method(alpha): alpha for alpha in result["settings"]["alphas"]}
    analysis_figures.over_alpha(result, alphas, measures, AVERAGES, curves)
    return [curves, *figures.reliability_diagrams(result, folder, ("ERM", "mixup 1"))]


def paper():
    """The paper has no numbers for this."""
    return {}


def _method(alpha):
    return "averages" if alpha == AVERAGES else Recipe(alpha=alpha).label
