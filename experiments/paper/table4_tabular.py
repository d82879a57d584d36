"""Our reading of Table 4: six tables of the UCI repository.

The claim (section 3.6): mixup helps on tables too, "on four out of the six data sets".

    python -m experiments table4_tabular --data_dir DATA           # our reading of it
    python -m experiments table4_tabular --preset smoke            # seconds, no data
    python -m experiments table4_tabular --initial_values keras --run_dir runs/keras

From the paper: two hidden layers of 128 ReLU units, Adam with its defaults (1e-3,
.9, .999, 1e-8), 10 epochs, mini-batches of 16, the average test error.

The paper does not give alpha, the split, the scaling, the initial values, what stands
for missing values, nor which "Phishing" it is. Set here: alpha (1, and .1, .2, .4
beside it) and missing values (the training half's mean).

Chosen by looking at ERM's test errors, as what comes nearest to the paper's ERM column:
the split (half and half at random, anew for each of 10 runs: the paper's decimals allow
no other simple one for Iris and Arcene), scaling to [0, 1] on the training half, and
Website Phishing. The initial values were Keras's in a first run, and became PyTorch's,
as in the authors' published code, when ERM ended far from the paper's on Iris. So that
ERM's errors agree with the paper's is no finding. It was no choice between methods.
"""

import dataclasses
from typing import Literal

import keras
import tensorflow as tf

import keras_mixup
from experiments import classifier, measures
from experiments.data import uci
from experiments.data.sources import places_of
from experiments.experiment import Experiment, plan
from experiments.report import figures, tables
from experiments.settings import field

# Test errors (%), ERM and mixup, whose alpha is not known, and taken to be 1.
PAPER = {
    "abalone": (74.0, 73.6),
    "arcene": (57.6, 48.0),
    "arrhythmia": (56.6, 46.3),
    "htru2": (2.0, 2.0),
    "iris": (21.3, 17.3),
    "phishing": (16.3, 15.2),
}


@dataclasses.dataclass(frozen=True)
class Settings(classifier.MLPSettings):
    """Settings of Table 4; the defaults are our reading of the paper's."""

    # Tables to run: abalone, arcene, arrhythmia, htru2, iris, phishing, or
    # iris_bundled (scikit-learn's copy, which needs no files).
    tables: tuple[str, ...] = field(
        tuple(PAPER), "plan", among=(*PAPER, "iris_bundled")
    )
    seeds: tuple[int, ...] = tuple(range(10))
    alphas: tuple[float, ...] = (0.1, 0.2, 0.4, 1.0)
    # Passes over the training part.
    epochs: int = field(10, least=1)
    batch_size: int = 16
    # Initial values of the network, as Keras or as PyTorch has them.
    initial_values: Literal["keras", "torch"] = "torch"
    # Share of the examples that are tested on.
    test_share: float = field(0.5, above=0, below=1)
    # Scaling of each column, fitted to the training part.
    scaling: Literal["min_max", "standard", "none"] = "min_max"


def load(settings):
    """The tables by name: features, labels and number of classes."""
    places = places_of(settings)
    return {name: uci.load_table(name, places) for name in settings.tables}


def runs(settings, data):
    """Each table with each seed and method."""
    tables = {
        name: ({"table": name}, {"all": len(labels)})
        for name, (_, labels, _) in data.items()
    }
    return plan(settings, tables)


def train(run, data, settings, folder):
    """One run: the record of its epochs, and the examples seen."""
    features, labels, num_classes = data[run.settings["table"]]
    parts = uci.split_and_scale(
        features, labels, run.seed, settings.test_share, settings.scaling
    )
    examples, test = map(tf.data.Dataset.from_tensor_slices, parts)
    mixing = classifier.Mixing(run.settings["alpha"], run.seed, num_classes, settings)
    return classifier.train(
        folder,
        mixing,
        **classifier.of_examples(
            *(examples, len(examples), {"test": test}), mixing, evaluated=1024
        ),
        network=lambda: keras_mixup.models.build(
            "mlp",
            input_shape=features.shape[1:],
            num_classes=num_classes,
            width=settings.width,
            initial_values=settings.initial_values,
        ),
        optimizer=lambda rate: keras.optimizers.Adam(rate, epsilon=1e-8),
        epochs=settings.epochs,
    )


def final(epochs):
    """The cell of the table, from the numbers of each epoch."""
    return {
        "test_error": epochs[-1]["test"]["error"],
        **measures.calibration_at_the_end(epochs),
    }


def tables_of(result):
    """The table in the paper's layout, and that of the calibration, if it is there."""
    headings = {"test_error": "Data set", "calibration_error": "Calibration error (%)"}
    return [
        tables.table_by_method(result, measure, headings[measure])
        for measure in result["runs"][0]["final"]
    ]


EXPERIMENT = Experiment(
    name="table4_tabular",
    item="Table 4",
    settings=Settings,
    presets={
        "paper": {},
        "cpu": {},
        "smoke": {"tables": ("iris_bundled",), "seeds": (0, 1), "alphas": (1.0,)},
    },
    load=load,
    runs=runs,
    train=train,
    final=final,
    tables=tables_of,
    draw=figures.reliability_diagrams,
    paper=lambda settings: measures.cells(PAPER, ["test_error"], ("ERM", "mixup 1")),
    legend="Test error after the last epoch (%), mean ± standard deviation of the "
    "runs; in brackets the paper's, which gives no alpha, split, scaling or initial "
    "values: those are ours.",
)
