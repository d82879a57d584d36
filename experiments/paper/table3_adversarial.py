"""Table 3: adversarial examples by FGSM and I-FGSM, white box and black box.

The claim (section 3.5): networks trained with mixup withstand adversarial examples
better, without being trained on any. The paper has three ResNet-101 on ImageNet (two
ERM, one mixup); here they are the networks of `figure2_between`, trained once for both.

    python -m experiments table3_adversarial --data_dir DATA --preset unaugmented
    python -m experiments table3_adversarial --data_dir DATA
    python -m experiments table3_adversarial --data_dir DATA --preset paper

The first two are for two cores: 10,000 images of CIFAR-10, of whose networks `capacity`
trains the same, or 1,000 small ones of Fashion-MNIST. The last is for a GPU.

White box: each network is attacked by its own gradients. Black box: the examples are
made with the first ERM network, that of the seed, and shown to the second one, that of
the next seed in the list, and to mixup's. FGSM is one step of epsilon, I-FGSM ten equal
steps of epsilon / 10, both along the sign of the gradient of the cross-entropy against
the true label, kept within epsilon of the image and within [0, 255]; every test image
is attacked. Not in the paper: the size of the step, which seeds, and which images.
"""

import dataclasses
import functools
import itertools

import tensorflow as tf

from experiments import classifiers, measures
from experiments.recipes import CPU, SMOKE, UNAUGMENTED, PairSettings, erm_and_mixup
from experiments.report import analysis_figures, figures, result_file, tables
from experiments.settings import field, invalid
from keras_mixup import evaluation

# The measures of top-1 and of top-5 errors, and their headings.
TOP_1, TOP_5 = (
    {
        f"{box}_{attack}_{top}": f"{box}, {name}, {top.replace('_', '-')}"
        for box in ("white", "black")
        for attack, name in (("fgsm", "FGSM"), ("i_fgsm", "I-FGSM"))
    }
    for top in ("top_1", "top_5")
)
CLEAN = {
    "last_error": "Clean test error (%)",
    "calibration_error": "Calibration error (%)",
}
# Errors (%) of ERM and mixup, at epsilon 4.
PAPER = {
    "white_fgsm_top_1": (90.7, 75.2),
    "white_i_fgsm_top_1": (99.9, 99.6),
    "white_fgsm_top_5": (63.1, 49.1),
    "white_i_fgsm_top_5": (93.4, 95.8),
    "black_fgsm_top_1": (57.0, 46.0),
    "black_i_fgsm_top_1": (57.3, 40.9),
    "black_fgsm_top_5": (24.8, 17.4),
    "black_i_fgsm_top_5": (18.1, 11.8),
}
# Accuracy of mixup over that of ERM, as the paper's text has it.
RATIOS = {"white_fgsm_top_1": 2.7, "black_fgsm_top_1": 1.25, "black_i_fgsm_top_1": 1.4}


@dataclasses.dataclass(frozen=True)
class Settings(PairSettings):
    """Settings of Table 3."""

    # Largest change of a pixel, of 255.
    epsilons: tuple[float, ...] = field((1.0, 2.0, 4.0, 8.0), "plan")
    # Equal steps of I-FGSM.
    steps: int = field(10, "analysis", least=1)

    def __post_init__(self):
        """Checks the settings before anything is trained."""
        super().__post_init__()
        if len(self.seeds) < 2:
            expected = "at least two: the second ERM network is that of another seed"
            raise invalid("seeds", expected, self.seeds)


def analyze(records, data, settings):
    """A record for each epsilon and network: the networks attack each other."""
    networks = {(r["method"], r["seed"]): classifiers.network_of(r) for r in records}
    seconds = dict(zip(settings.seeds, [*settings.seeds[1:], settings.seeds[0]]))
    found = []
    for epsilon, record in itertools.product(settings.epsilons, records):
        method, seed = record["method"], record["seed"]
        print(f"Attacking by {epsilon:g} of 255: {method}, seed {seed}", flush=True)
        own = networks[method, seed]
        # The black box: made with the seed's ERM network, shown to another.
        other = networks["ERM", seconds[seed]] if method == "ERM" else own
        errors = attacked(
            own, other, networks["ERM", seed], data.test, epsilon, settings
        )
        epochs = classifiers.with_end(record["epochs"], attacked=errors)
        found.append({**record, "group": f"epsilon {epsilon:g}", "epochs": epochs})
    return found


def attacked(network, shown, source, test, epsilon, settings):
    """Errors (%) on uint8 images, by "<box>_<attack>_<top>".

    In the white box `network` is attacked by its own gradients; in the black box
    `shown` by those of `source`.
    """
    network, shown, source = map(classifiers.of_pixels, (network, shown, source))
    batches = tf.data.Dataset.from_tensor_slices(test).batch(500)
    i_fgsm = functools.partial(evaluation.i_fgsm, steps=settings.steps)
    errors = {}
    for name, attack in (("fgsm", evaluation.fgsm), ("i_fgsm", i_fgsm)):
        attack = functools.partial(attack, epsilon=epsilon)
        white = evaluation.adversarial_errors(network, batches, attack)
        black = evaluation.adversarial_errors(shown, batches, attack, source)
        for box, found in (("white", white), ("black", black)):
            errors |= {f"{box}_{name}_{top}": value for top, value in found.items()}
    return errors


def final(epochs):
    """The errors under attack, and those of the classifier."""
    return {**epochs[-1]["end"]["attacked"], **measures.of_classifier(epochs)}


def ratios(result):
    """Accuracy of mixup over ERM's, mean over seeds each, by epsilon, as Markdown."""
    groups, rows = result_file.groups(result["runs"]), []
    for measure, theirs in RATIOS.items():
        cells = []
        for group in groups:
            erm, mixup = (
                100 - result["summary"][f"{group}/{method}/{measure}"]["mean"]
                for method in result_file.methods(result["runs"])
            )
            cells.append(f"{mixup / erm:.2f}" if erm > 0 else "-")
        rows.append([TOP_1[measure], *cells, f"{theirs:g}"])
    head = ["Accuracy of mixup over that of ERM, top-1", *groups, "Paper (epsilon 4)"]
    return tables.markdown(head, rows)


def draw(result, folder):
    """Errors over epsilon; the reliability on clean images."""
    curves, runs = folder / "curves.png", result["runs"]
    epsilons = {f"epsilon {e:g}": e for e in result["settings"]["epsilons"]}
    analysis_figures.over_groups(result, epsilons, TOP_1, r"$\epsilon$ of 255", curves)
    # Every epsilon has the same networks, and their reliability without attack.
    first, *_ = epsilons
    runs = [{**run, "group": "clean images"} for run in runs if run["group"] == first]
    return [curves, *figures.reliability_diagrams({**result, "runs": runs}, folder)]


EXPERIMENT = classifiers.experiment(
    name="table3_adversarial",
    item="Table 3",
    settings=Settings,
    presets={
        "paper": {},
        "cpu": CPU,
        "unaugmented": {**UNAUGMENTED, "epsilons": (4.0,)},
        "smoke": {**SMOKE, "epsilons": (4.0,), "seeds": (0, 1)},
    },
    rows=erm_and_mixup,
    analyze=analyze,
    final=final,
    tables=lambda result: [
        tables.table(result, {**CLEAN, **TOP_1}, "Error (%)"),
        tables.table(result, TOP_5, "Error (%)"),
        ratios(result),
    ],
    draw=draw,
    # ImageNet, ResNet-101.
    paper=lambda settings: {
        f"epsilon 4/{method}/{measure}": value
        for measure, values in PAPER.items()
        for method, value in zip(("ERM", "mixup 1"), values, strict=True)
    },
)
