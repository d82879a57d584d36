"""Policies side by side: mixup, CutMix, ResizeMix, FMix, and a choice of two of them.

mixup averages whole images; the others paste regions of one into the other. Here are
all of them with one network, one recipe and the same images: the error on the test set,
on the training images, the calibration error, and the errors where a part of each test
image is hidden.

    python -m experiments policies --data_dir DATA                        # two cores
    python -m experiments policies --data_dir DATA --preset unaugmented   # two cores
    python -m experiments policies --data_dir DATA --preset paper         # a GPU

Not in the paper, and set here. Alpha is 1 in all rows, as Zhang et al. (2018), Yun et
al. (2019) and Harris et al. (2020) have it on CIFAR-10; ResizeMix has none (Qin et al.,
2020, scale 0.1 to 0.8). One draw a batch for all of them. The last row draws one of two
policies for each batch, with equal probabilities. The training is that of `capacity`:
ERM and mixup are its runs of width 16, trained once for both.

Occlusion: a square of the mean color lies on each test image, with a quarter or half of
the side of the image, in the middle or at a random place. The places are drawn once,
from `places_seed`, and are the same for all networks.
"""

import dataclasses
import itertools

import numpy as np

from experiments import classifiers, measures
from experiments.data.image_batches import normalize
from experiments.recipes import CIFAR, SMOKE, UNAUGMENTED, Recipe, RecipeSettings
from experiments.report import analysis_figures, figures, tables
from experiments.settings import field
from keras_mixup import evaluation

ROWS = {
    "ERM": Recipe(),
    "mixup 1": Recipe(alpha=1),
    "CutMix 1": Recipe(alpha=1, policy="cutmix"),
    "ResizeMix": Recipe(policy="resizemix"),
    "FMix 1": Recipe(alpha=1, policy="fmix"),
    "mixup 1 or CutMix 1": Recipe(alpha=1, policy="mixup_or_cutmix"),
}
MEASURES = {
    "median_error": "Test error, median of the last ten epochs (%)",
    "last_error": "Last (%)",
    "best_error": "Best, oracle (%)",
    "error_on_real": "Training error, clean images (%)",
    "calibration_error": "Calibration error (%)",
}
SHARES, PLACES = {"quarter": 0.25, "half": 0.5}, ("center", "random")
OCCLUDED = {
    f"{share}_{place}": f"{share} of the side, {place}"
    for share, place in itertools.product(SHARES, PLACES)
}


@dataclasses.dataclass(frozen=True)
class Settings(RecipeSettings):
    """Settings of the policies; the defaults are the paper's training."""

    # Rows to run, by their names in the table; all of them by default.
    rows: tuple[str, ...] = field(tuple(ROWS), "plan", among=ROWS)
    seeds: tuple[int, ...] = field((0, 1, 2))
    # Seed of the random places of the squares that hide parts of the test images.
    places_seed: int = field(0, "analysis")


def analyze(records, data, settings):
    """The records, with the errors of each network on images that are partly hidden."""
    found = []
    for record in records:
        network = classifiers.network_of(record)
        print(f"Hiding: {record['method']}, seed {record['seed']}", flush=True)
        errors = under_occlusion(network, data.test, settings.places_seed)
        epochs = classifiers.with_end(record["epochs"], occluded=errors)
        found.append({**record, "epochs": epochs})
    return found


def under_occlusion(network, test, seed):
    """The errors (%) of a network on uint8 images behind squares, by `OCCLUDED`."""
    images, labels = test
    clean, errors = np.asarray(normalize(images)), {}
    for share, place in itertools.product(SHARES, PLACES):
        chosen = seed if place == "random" else None
        square = squares(images.shape, SHARES[share], chosen)
        # Zero is the mean color.
        scores = network.predict(np.where(square, 0, clean), batch_size=500, verbose=0)
        top_1 = evaluation.top_k_errors(scores, labels, (1,))["top_1"]
        errors[f"{share}_{place}"] = top_1
    return errors


def squares(shape, share, seed=None):
    """Which pixels a square hides, boolean (count, height, width, 1).

    Args:
        shape: (count, height, width, channels) of images.
        share: Side of the square, as a share of the shorter side of the images.
        seed: Seed of the places, which are uniform; None for the middle, rounded up
            and to the left.
    """
    count, *sizes, _ = shape
    side, inside = max(1, round(share * min(sizes))), []
    generator = np.random.default_rng(seed)
    for size in sizes:
        first = np.full(count, (size - side) // 2)
        if seed is not None:
            first = generator.integers(size - side + 1, size=count)
        behind = np.arange(size) - first[:, np.newaxis]
        inside.append((behind >= 0) & (behind < side))
    rows, columns = inside
    return (rows[:, :, np.newaxis] & columns[:, np.newaxis])[..., np.newaxis]


def final(epochs):
    """The measures of a classifier, and its errors under occlusion."""
    return {**measures.of_classifier(epochs), **epochs[-1]["end"]["occluded"]}


def draw(result, folder):
    """Test error over epochs, reliability, and the errors behind a large square."""
    dots = folder / "occluded.png"
    title = f"Error (%) behind a square of {OCCLUDED['half_random']}"
    analysis_figures.dots_by_method(result, "half_random", title, dots)
    return [*figures.curves_and_reliability(result, folder), dots]


EXPERIMENT = classifiers.experiment(
    name="policies",
    item="Policies",
    settings=Settings,
    presets={
        "paper": {},
        "cpu": CIFAR,
        "unaugmented": UNAUGMENTED,
        "smoke": {**SMOKE, "seeds": (0,)},
    },
    rows=lambda settings: {("", method): ROWS[method] for method in settings.rows},
    analyze=analyze,
    final=final,
    tables=lambda result: [
        tables.table(result, MEASURES),
        tables.table(result, OCCLUDED),
    ],
    draw=draw,
)
