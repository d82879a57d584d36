"""Figure 2: what networks predict between training examples, ERM and mixup.

The claim (section 3.1): at `x = lam x_i + (1 - lam) x_j` between random training
examples, a network trained with mixup more rarely predicts a class that is neither y_i
nor y_j (2a), and its loss has smaller gradients there (2b). The paper has two curves
each, digitized here (± .4 points and ± .005).

    python -m experiments figure2_between --data_dir DATA --preset unaugmented
    python -m experiments figure2_between --data_dir DATA
    python -m experiments figure2_between --data_dir DATA --preset paper

The first two are for two cores: 10,000 images of CIFAR-10, of whose networks `capacity`
trains the same, or 1,000 small ones of Fashion-MNIST. The last is for a GPU.

Not in the paper, and set here: PreAct ResNet-18 with alpha 1 and weight decay 1e-4,
10,000 pairs of different examples, unaugmented, the same for both networks of a seed;
inference mode; the loss is the cross-entropy against `lam y_i + (1 - lam) y_j`, its
gradient that of each example alone with respect to the normalized input, its norm
Euclidean, the mean over pairs. The tables also have the median over pairs, and the
gradient of the loss against the predicted class.
"""

import dataclasses

import numpy as np

from experiments import classifiers, measures
from experiments.data import image_batches
from experiments.experiment import LEGEND
from experiments.recipes import CPU, SMOKE, UNAUGMENTED, PairSettings, erm_and_mixup
from experiments.report import analysis_figures, figures, result_file, tables
from experiments.settings import field
from keras_mixup import evaluation

LAMS = tuple(round(0.05 * i, 2) for i in range(21))
MEASURES = {
    "miss": "Misses at lam .5 (%)",
    "gradient_norm": "Gradient norm at lam .5",
    "gradient_norm_median": "Its median over pairs",
    "gradient_norm_predicted": "Gradient norm, predicted class",
    "loss": "Loss at lam .5",
    "last_error": "Test error (%)",
    "calibration_error": "Calibration error (%)",
}
NORMS = ("gradient_norm", "gradient_norm_median", "gradient_norm_predicted")
# Decimals, where there are more than one.
DIGITS = {**dict.fromkeys(NORMS, 3), "loss": 2}
# Digitized at lam 0, .05, ..., .5; the curves are symmetric.
PAPER = {
    "ERM": {
        "miss": (1.3, 1.4, 1.7, 2.4, 3.7, 5.8, 8.4, 11.3, 14.0, 15.5, 16.4),
        "gradient_norm": (
            *(0.004, 0.010, 0.018, 0.029, 0.045, 0.067),
            *(0.094, 0.124, 0.150, 0.170, 0.177),
        ),
    },
    "mixup 1": {
        "miss": (0.8, 0.8, 1.1, 1.4, 2.1, 2.9, 3.9, 4.8, 5.5, 6.1, 6.2),
        "gradient_norm": (
            *(0.012, 0.010, 0.013, 0.017, 0.021, 0.026),
            *(0.030, 0.034, 0.037, 0.039, 0.039),
        ),
    },
}


@dataclasses.dataclass(frozen=True)
class Settings(PairSettings):
    """Settings of Figure 2; the defaults are the paper's, or ours where it has none."""

    # Random pairs of training examples.
    pairs: int = field(10_000, "analysis", least=1)


def analyze(records, data, settings):
    """The records with what each network predicts between the examples."""
    for record in records:
        print(f"Between the examples: {record['method']}, seed {record['seed']}")
        network = classifiers.network_of(record)
        measured = curves(network, data.train, record["seed"], settings)
        record["epochs"] = classifiers.with_end(record["epochs"], between=measured)
    return records


def curves(network, examples, seed, settings):
    """The curves of a network of normalized images: 21 numbers each, by measure."""
    x, y = examples
    i, j = random_pairs(len(y), settings.pairs, seed)
    x_i, x_j = (image_batches.normalize(x[k]).numpy() for k in (i, j))
    mixed, predicted = (
        evaluation.between(
            *(network, x_i, y[i], x_j, y[j]),
            lams=LAMS,
            target=target,
            progress=settings.progress != "none",
        )
        for target in ("mixed", "predicted")
    )
    found = {**mixed, "gradient_norm_predicted": predicted["gradient_norm"]}
    return {name: curve.tolist() for name, curve in found.items()}


def random_pairs(count, pairs, seed):
    """Indices i and j of random pairs, i != j, each uniform over all such."""
    generator = np.random.default_rng(seed)
    i = generator.integers(count, size=pairs)
    return i, (i + generator.integers(1, count, size=pairs)) % count


def final(epochs):
    """The measures at lam = 1/2, and those of the classifier."""
    middle, between = LAMS.index(0.5), epochs[-1]["end"]["between"]
    found = {name: between[name][middle] for name in MEASURES if name in between}
    return {**found, **measures.of_classifier(epochs)}


def ratios(result):
    """The ratios of ERM to mixup at lam = 1/2, as Markdown."""
    methods, rows = result_file.methods(result["runs"]), []
    for measure in ("miss", "gradient_norm", "gradient_norm_median"):
        erm, mixup = (result["summary"][f"{m}/{measure}"] for m in methods)
        ratio = f"{erm['mean'] / mixup['mean']:.1f}" if mixup["mean"] else "-"
        known = None not in (erm["paper"], mixup["paper"])
        theirs = f"{erm['paper'] / mixup['paper']:.1f}" if known else ""
        rows.append([MEASURES[measure], ratio, theirs])
    return tables.markdown(["ERM over mixup, at lam .5", "Ours", "Paper"], rows)


def draw(result, folder):
    """Both curves, with the paper's dashed; the reliability."""
    path = folder / "curves.png"
    shown = {"miss": "misses (%)", "gradient_norm": "norm of the loss's gradient"}
    analysis_figures.between_curves(result, shown, symmetric(PAPER), path)
    return [path, *figures.reliability_diagrams(result, folder)]


def symmetric(digitized):
    """Curves over all of lam from their halves."""
    return {
        method: {name: (*half, *half[-2::-1]) for name, half in of_method.items()}
        for method, of_method in digitized.items()
    }


EXPERIMENT = classifiers.experiment(
    name="figure2_between",
    item="Figure 2",
    settings=Settings,
    presets={
        "paper": {},
        "cpu": {**CPU, "pairs": 2000},
        "unaugmented": {**UNAUGMENTED, "pairs": 2000},
        "smoke": {**SMOKE, "pairs": 64, "seeds": (0,)},
    },
    rows=erm_and_mixup,
    analyze=analyze,
    final=final,
    tables=lambda result: [
        tables.table(result, MEASURES, digits=DIGITS),
        ratios(result),
    ],
    draw=draw,
    paper=lambda settings: {
        f"{method}/{measure}": values[-1]
        for method, of_method in PAPER.items()
        for measure, values in of_method.items()
    },
    legend=f"{LEGEND} The paper's are digitized.",
)
