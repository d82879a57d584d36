"""Table 3: adversarial examples by FGSM and I-FGSM, white box and black box.

The claim (section 3.5): networks trained with mixup withstand adversarial examples
better, without being trained on any.
The paper has three ResNet-101 on ImageNet (two ERM, one mixup), and epsilon 4 of 255.
Under I-FGSM in the white box mixup's top-5 error is the worse one.

    python -m experiments table3_adversarial --data_dir DATA                  # two cores
    python -m experiments table3_adversarial --data_dir DATA --preset paper   # a GPU
    python -m experiments table3_adversarial --preset smoke                   # a minute

White box: each network is attacked by its own gradients. Black box: the examples are
made with the first ERM network and shown to the second one and to mixup's. FGSM is one
step of epsilon, I-FGSM ten equal steps of epsilon / 10, both along the sign of the
gradient of the cross-entropy against the true label, kept within epsilon of the image
and within [0, 255]; every test image is attacked, the misclassified ones too.

Not in the paper, and set here: the step's size, the images. For each seed the first
ERM network is that of the seed, the second that of the next seed in the list.

Not ImageNet, but the networks of `figure2_between`, PreAct ResNet-18 by ERM and by
mixup with alpha 1, trained once for both, epsilon 1, 2, 4 and 8 of 255. Preset `paper`
is CIFAR-10 by section 3.2's training.
"""

import dataclasses
import functools

import tensorflow as tf

from experiments import classifiers, measures
from experiments.recipes import CPU, SMOKE, RecipeSettings, erm_and_mixup
from experiments.report import analysis_figures, figures, tables
from experiments.settings import field, invalid
from keras_mixup import evaluation

BOXES, ATTACKS, TOPS = ("white", "black"), ("fgsm", "i_fgsm"), ("top_1", "top_5")
HEADINGS = {
    f"{box}_{attack}_{top}": f"{box}, {attack.replace('_', '-').upper()}, "
    f"{top.replace('_', '-')}"
    for top in TOPS
    for box in BOXES
    for attack in ATTACKS
}
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
RATIOS = {
    "white_fgsm_top_1": 2.7,
    "black_fgsm_top_1": 1.25,
    "black_i_fgsm_top_1": 1.4,
}


@dataclasses.dataclass(frozen=True)
class Settings(RecipeSettings):
    """Settings of Table 3."""

    # Largest change of a pixel, of 255.
    epsilons: tuple[float, ...] = field((1.0, 2.0, 4.0, 8.0), "plan")
    # Equal steps of I-FGSM.
    steps: int = field(10, "analysis", least=1)
    # Alpha of the mixup network.
    alpha: float = field(1.0, "analysis", above=0)
    seeds: tuple[int, ...] = field((0, 1, 2))
    checkpoint_every: int = field(1, least=1)

    def __post_init__(self):
        """Checks the settings before anything is trained."""
        super().__post_init__()
        if len(self.seeds) < 2:
            raise invalid(
                "seeds",
                "at least two: the second ERM network is that of another seed",
                self.seeds,
            )


def analyze(records, data, settings):
    """A record for each epsilon and network: the networks attack each other."""
    networks = {(r["method"], r["seed"]): classifiers.network_of(r) for r in records}
    seconds = dict(zip(settings.seeds, [*settings.seeds[1:], settings.seeds[0]]))
    found = []
    for epsilon in settings.epsilons:
        for record in records:
            method, seed = record["method"], record["seed"]
            print(f"Attacking by {epsilon:g} of 255: {method}, seed {seed}", flush=True)
            own = networks[method, seed]
            # The black box: made with the seed's ERM network, shown to another.
            other = networks["ERM", seconds[seed]] if method == "ERM" else own
            errors = attacked(
                own, other, networks["ERM", seed], data.test, epsilon, settings
            )
            epochs = classifiers.with_end(record["epochs"], attacked=errors)
            group = f"epsilon {epsilon:g}"
            found.append({**record, "group": group, "epochs": epochs})
    return found


def attacked(network, shown, source, test, epsilon, settings):
    """Errors (%) of the white and of the black box, by "<box>_<attack>_<top>".

    Args:
        network: The network that is attacked by its own gradients.
        shown: The network that the black box's examples are shown to.
        source: The network that they are made with.
        test: uint8 images and their integer labels.
        epsilon: Largest change of a pixel.
        settings: `Settings`.
    """
    network, shown, source = map(classifiers.of_pixels, (network, shown, source))
    batches = tf.data.Dataset.from_tensor_slices(test).batch(500)
    attacks = {
        "fgsm": functools.partial(evaluation.fgsm, epsilon=epsilon),
        "i_fgsm": functools.partial(
            evaluation.i_fgsm, epsilon=epsilon, steps=settings.steps
        ),
    }
    errors = {}
    for name, attack in attacks.items():
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
    erm, *others = dict.fromkeys(run["method"] for run in result["runs"])
    groups = list(dict.fromkeys(run["group"] for run in result["runs"]))
    rows = []
    for measure, theirs in RATIOS.items():
        cells = []
        for group in groups:
            right = [
                100 - result["summary"][f"{group}/{method}/{measure}"]["mean"]
                for method in (erm, *others)
            ]
            cells.append(f"{right[1] / right[0]:.2f}" if right[0] > 0 else "-")
        rows.append([HEADINGS[measure], *cells, f"{theirs:g}"])
    head = ["Accuracy of mixup over that of ERM, top-1", *groups, "Paper (epsilon 4)"]
    return tables.markdown(head, rows)


def headings(top):
    """The measures of top-1 or top-5 errors, and their headings."""
    return {name: text for name, text in HEADINGS.items() if name.endswith(top)}


def draw(result, folder):
    """Errors over epsilon; the reliability on clean images."""
    curves = folder / "curves.png"
    epsilons = {f"epsilon {e:g}": e for e in result["settings"]["epsilons"]}
    analysis_figures.over_groups(
        result, epsilons, headings("top_1"), r"$\epsilon$ of 255", curves
    )
    # Every epsilon has the same networks, and their reliability without attack.
    first, *_ = epsilons
    runs = [
        {**run, "group": "clean images"}
        for run in result["runs"]
        if run["group"] == first
    ]
    clean = {**result, "runs": runs}
    return [curves, *figures.reliability_diagrams(clean, folder)]


EXPERIMENT = classifiers.experiment(
    name="table3_adversarial",
    item="Table 3",
    settings=Settings,
    presets={
        "paper": {},
        "cpu": CPU,
        "smoke": {**SMOKE, "epsilons": (4.0,), "seeds": (0, 1)},
    },
    rows=erm_and_mixup,
    analyze=analyze,
    final=final,
    tables=lambda result: [
        tables.table(result, {**CLEAN, **headings("top_1")}, "Error (%)"),
        tables.table(result, headings("top_5"), "Error (%)"),
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
