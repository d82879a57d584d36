"""Made-up runs of classifiers: what the analyses of a pool are given to work on."""

import contextlib
import io
import json
import pathlib
import types
import zlib

import keras
import numpy as np

from experiments import classifiers
from experiments.recipes import Recipe
from experiments.report import figures, result_file
from tests.experiments import runs

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)
# Of 10 predictions 2 are .1 too sure, and 3 .2 too unsure: an error of .08.
BINS = {
    "count": [0, 2, 5, 3],
    "accuracy": [None, 0.5, 0.7, 1.0],
    "confidence": [None, 0.6, 0.7, 0.8],
}
CALIBRATION_ERROR = 8.0
ERM = Recipe()


def epochs_of(errors, real=0.0, corrupted=None, bins=BINS, **measured):
    """Epochs of these test errors; the end of the last holds what was measured."""
    epochs = [
        {
            "epoch": number,
            "learning_rate": 0.1,
            "train": {"loss": 1.0, "error": 50.0},
            "test": {"loss": 1.0, "error": error},
            "seconds": float(number),
        }
        for number, error in enumerate(errors, start=1)
    ]
    epochs[-1]["end"] = {
        "train": {"error_on_real": real, "error_on_corrupted": corrupted},
        "reliability": {"test": bins},
        **measured,
    }
    return epochs


def record(group, method, seed, epochs, recipe=ERM):
    """A record as `classifiers.train_all` gives it."""
    return {
        "group": group,
        "method": method,
        "seed": seed,
        "settings": vars(recipe),
        "epochs": epochs,
        "images_seen": 10 * len(epochs),
        "seconds": float(len(epochs)),
        "revision": "made up",
        "folder": f"runs/{method} {seed}",
    }


def result_of(experiment, records, *flags):
    """The result of records, as it is read from its file."""
    settings = vars(runs.parse(experiment, *flags))
    made = [{k: v for k, v in run.items() if k != "folder"} for run in records]
    result = result_file.make_result(
        runs.name_of(experiment),
        experiment.ITEM,
        settings,
        experiment.paper(),
        made,
        experiment.final,
    )
    return json.loads(json.dumps(result))


def plausible(recipe, seed, length, **measured):
    """Epochs that look like those of such a training."""
    generator = np.random.default_rng([seed, zlib.crc32(recipe.title.encode())])
    learnt = recipe.corrupted / (1 + recipe.alpha / 4 + 5 * recipe.dropout)
    level = 14 - 3 * (recipe.alpha > 0) + 15 * recipe.corrupted
    passed = np.arange(1, length + 1) / length
    falling = 50 * np.exp(-6 * passed) - 4 * (passed > 0.5)
    rising = 70 * learnt * np.clip(2 * passed - 1, 0, None)
    errors = level + falling + rising + generator.normal(0, 0.7, length)
    confidence = (np.arange(15) + 0.5) / 15
    surer = 0.12 if not recipe.alpha else -0.05 * min(recipe.alpha, 3)
    accuracy = np.clip(confidence - surer + generator.normal(0, 0.02, 15), 0, 1)
    count = (300 * confidence**2).astype(int)
    bins = {
        "count": [0, *count[1:].tolist()],
        "accuracy": [None, *accuracy[1:].tolist()],
        "confidence": [None, *confidence[1:].tolist()],
    }
    real = 0.1 + 2 * min(recipe.alpha, 10) + 8 * recipe.dropout
    corrupted = max(0.3, 87 - 110 * learnt) if recipe.corrupted else None
    return epochs_of(errors.tolist(), real, corrupted, bins, **measured)


@contextlib.contextmanager
def without_training(monkeypatch, published, images=None):
    """Replaces data and training by made-up ones, and the folder of what is published.

    Gives the runs that would be trained.
    """
    trained = []

    def train(run, folder, data, settings):
        trained.append(types.SimpleNamespace(run=run, folder=folder, settings=settings))
        epochs = plausible(Recipe(**run.settings), run.seed, settings.epochs)
        return epochs, 7 * settings.epochs

    with monkeypatch.context() as patched:
        patched.setattr(classifiers, "load", lambda settings: images or few_images())
        patched.setattr(classifiers, "train", train)
        patched.setattr(result_file, "RESULTS", published)
        patched.setattr(result_file, "revision", lambda: "made up")
        yield trained


def few_images(shape=(4, 4, 3), train=50, test=50, classes=10):
    """Random images, some of them black or white in places, and random labels."""
    generator = np.random.default_rng(0)
    parts = []
    for count in (train, test):
        pixels = generator.integers(-40, 296, size=(count, *shape)).clip(0, 255)
        labels = generator.integers(classes, size=count)
        parts.append((pixels.astype("uint8"), labels))
    return classifiers.ImageArrays(*parts, tuple(map(str, range(classes))))


def run(experiment, monkeypatch, folder, *flags, images=None):
    """An experiment from end to end, published, but for data and training."""
    settings = runs.parse(experiment, "--run_dir", folder / "runs", "--publish", *flags)
    printed = io.StringIO()
    with (
        without_training(monkeypatch, folder / "results", images) as trained,
        contextlib.redirect_stdout(printed),
    ):
        result = experiment.run(settings)
    return types.SimpleNamespace(
        settings=settings,
        result=result,
        printed=printed.getvalue(),
        trained=trained,
        published=folder / "results" / runs.name_of(experiment),
    )


def check_result(experiment, made, expected):
    """The result file of runs (group, method, seed), what was printed and published."""
    name, preset = runs.name_of(experiment), made.settings.preset
    folder = pathlib.Path(made.settings.run_dir) / name
    stored = result_file.read(folder / f"{preset}.json")
    assert stored == made.result
    assert set(stored) == runs.KEYS
    assert (stored["experiment"], stored["item"]) == (name, experiment.ITEM)
    assert (stored["preset"], stored["paper"]) == (preset, experiment.paper())
    assert stored["settings"] == json.loads(json.dumps(vars(made.settings)))
    found = [(run["group"], run["method"], run["seed"]) for run in stored["runs"]]
    assert found == expected
    recipes = experiment.rows(made.settings)
    for run in stored["runs"]:
        assert set(run) == runs.OF_A_RUN
        assert run["final"] == experiment.final(run["epochs"])
        assert len(run["epochs"]) == made.settings.epochs
        assert run["images_seen"] == 7 * made.settings.epochs
        # Below several groups there may be one recipe.
        recipe = recipes.get((run["group"], run["method"]))
        recipe = recipe or recipes["", run["method"]]
        assert Recipe(**run["settings"]) == recipe
    for table in experiment.tables(stored):
        assert f"\n\n{table}\n\n" in made.printed
    assert f"Wrote {folder / f'{preset}.json'}\n" in made.printed
    pictures = {path.name for path in folder.glob("*.png")}
    assert pictures
    assert {path.name for path in made.published.iterdir()} == {
        f"{preset}.json",
        *pictures,
    }
    assert result_file.read(made.published / f"{preset}.json") == stored


def keep_figures(monkeypatch):
    """The figures that are made, as matplotlib has them."""
    kept, figure = [], figures.figure

    def keep(*size):
        kept.append(figure(*size))
        return kept[-1]

    monkeypatch.setattr(figures, "figure", keep)
    return kept


def check_pictures(experiment, made, folder):
    """The pictures are made from the file alone."""
    place = made.published / f"{made.settings.preset}.json"
    paths = experiment.draw(result_file.read(place), folder)
    assert sorted(folder.iterdir()) == sorted(paths)
    for path in paths:
        runs.check_picture(path)


def check_settings_of_the_paper(experiment):
    """Section 3.2's training of PreAct ResNet-18."""
    settings = runs.parse(experiment, "--preset", "paper")
    expected = {
        "dataset": "cifar10",
        "train_split": "train",
        "test_split": "test",
        "image_size": 0,
        "width": 64,
        "augment": True,
        "epochs": 200,
        "batch_size": 128,
        "learning_rate": 0.1,
        "momentum": 0.9,
        "max_steps": 0,
        "mix_in": "train_step",
        "precision": "float32",
    }
    assert {name: getattr(settings, name) for name in expected} == expected


@contextlib.contextmanager
def networks(monkeypatch, made):
    """Replaces trained networks by those of a function of a record."""
    with monkeypatch.context() as patched:
        patched.setattr(classifiers, "trained_network", made)
        yield


def linear_network(kernel, bias, shape):
    """A network of normalized images whose logits are linear."""
    network = keras.Sequential(
        [keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(len(bias))]
    )
    network.set_weights([kernel, bias])
    return network


def normalized(pixels):
    """Rows of normalized images."""
    images = (np.asarray(pixels, "float64") / 255 - MEAN) / STD
    return images.reshape(len(images), -1)


def softmax(logits):
    """Of each row."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)
