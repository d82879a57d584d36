"""Figure 2 and Table 3: what is measured of trained networks, against NumPy."""

import itertools

import keras
import numpy as np
import pytest
import scipy.stats

from experiments import classifiers
from experiments.paper import figure2_between, table3_adversarial
from tests.experiments import runs

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)
SHAPE, CLASSES, METHODS = (4, 4, 3), 10, ("ERM", "mixup 1")


def images(count):
    """Random images, some of them black or white in places, and random labels."""
    generator = np.random.default_rng(0)
    pixels = generator.integers(-40, 296, size=(count, *SHAPE)).clip(0, 255)
    return pixels.astype("uint8"), generator.integers(CLASSES, size=count)


DATA = classifiers.ImageArrays(images(50), images(200), tuple("0123456789"))


def kernel_of(method, seed):
    """The weights of a linear network that gets about half of the test set right."""
    x, y = DATA.test
    generator = np.random.default_rng([seed, method == "ERM"])
    noise = generator.normal(0, 0.3, (np.prod(SHAPE), CLASSES))
    means = normalized(x).T @ np.eye(CLASSES)[y] / len(y)
    return (noise + 3 * means).astype("float32")


def network_of(record):
    """A linear network of normalized images, by method and seed."""
    network = keras.Sequential(
        [keras.Input(SHAPE), keras.layers.Flatten(), keras.layers.Dense(CLASSES)]
    )
    kernel = kernel_of(record["method"], record["seed"])
    network.set_weights([kernel, np.zeros(CLASSES)])
    return network


def records(seeds):
    rows = itertools.product(METHODS, seeds)
    end = {"train": {"error_on_real": 1.0}}
    return [
        {"group": "", "method": m, "seed": seed, "epochs": runs.made_up(2, **end)}
        for m, seed in rows
    ]


def normalized(pixels):
    """Rows of normalized images."""
    found = (np.asarray(pixels, "float64") / 255 - MEAN) / STD
    return found.reshape(len(found), -1)


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def test_pairs_are_of_different_examples_and_uniform():
    count, pairs = 5, 20_000
    i, j = figure2_between.random_pairs(count, pairs, seed=3)
    assert np.all(i != j)
    cells = np.bincount(i * count + j, minlength=count**2).reshape(count, count)
    assert scipy.stats.chisquare(cells[~np.eye(count, dtype=bool)]).pvalue > 1e-3
    again = figure2_between.random_pairs(count, pairs, seed=3)
    np.testing.assert_array_equal((i, j), again)
    assert np.any(figure2_between.random_pairs(count, pairs, seed=4)[0] != i)


def test_the_curves_are_those_of_the_networks(monkeypatch, capsys):
    monkeypatch.setattr(classifiers, "network_of", network_of)
    experiment = figure2_between.EXPERIMENT
    settings = runs.parse(experiment, "--preset", "smoke", "--pairs", 64)
    x, y = DATA.train
    rows, place = np.eye(CLASSES), np.arange(64)
    found = experiment.analyze(records((0, 1)), DATA, settings)
    printed = capsys.readouterr().out
    for run in found:
        method, seed = run["method"], run["seed"]
        assert f"Between the examples: {method}, seed {seed}\n" in printed
        kernel = kernel_of(method, seed)
        i, j = figure2_between.random_pairs(len(y), 64, seed)
        assert run["epochs"][-1]["end"]["train"] == {"error_on_real": 1.0}
        curves = run["epochs"][-1]["end"]["between"]
        assert curves["lam"] == pytest.approx(np.linspace(0, 1, 21))
        assert {len(curve) for curve in curves.values()} == {21}
        for index in (0, 7, 10):
            lam, pixels = index / 20, normalized(x)
            logits = (lam * pixels[i] + (1 - lam) * pixels[j]) @ kernel
            p, predicted = softmax(logits), logits.argmax(-1)
            mixed = lam * rows[y[i]] + (1 - lam) * rows[y[j]]
            norms, of_predicted = (
                np.linalg.norm((p - target) @ kernel.T, axis=-1)
                for target in (mixed, rows[predicted])
            )
            logs = np.log(p)
            loss = -lam * logs[place, y[i]] - (1 - lam) * logs[place, y[j]]
            missed = (predicted != y[i]) & (predicted != y[j])
            expected = {
                "lam": lam,
                "miss": 100 * missed.mean(),
                "loss": loss.mean(),
                "gradient_norm": norms.mean(),
                "gradient_norm_median": np.median(norms),
                "gradient_norm_predicted": of_predicted.mean(),
            }
            found = {name: curve[index] for name, curve in curves.items()}
            assert found == pytest.approx(expected, rel=1e-4)


def adversarial(kernel, x, y, epsilon, steps=1):
    """(I-)FGSM on pixels: the gradient of a linear network's loss is W (p - y)."""
    found = x.astype("float64")
    for _ in range(steps):
        p = softmax(normalized(found) @ kernel)
        signs = np.sign((p - np.eye(CLASSES)[y]) @ kernel.T).reshape(x.shape)
        found = found + epsilon / steps * signs
        found = np.clip(found, x - epsilon, x + epsilon).clip(0, 255)
    return found


def errors(kernel, x, y):
    """Top-1 and top-5 error (%)."""
    order = np.argsort(-(normalized(x) @ kernel), axis=-1)
    return [100 * np.mean(np.all(order[:, :k] != y[:, None], axis=-1)) for k in (1, 5)]


def test_the_errors_under_attack():
    own, shown, source = ("mixup 1", 0), ("ERM", 1), ("ERM", 0)
    (x, y), epsilon = DATA.test, 32.0
    networks = [network_of({"method": m, "seed": s}) for m, s in (own, shown, source)]

    def expected(steps):
        found = {}
        for name, count in (("fgsm", 1), ("i_fgsm", steps)):
            for box, target, by in (("white", own, own), ("black", shown, source)):
                examples = adversarial(kernel_of(*by), x, y, epsilon, count)
                for k, error in zip((1, 5), errors(kernel_of(*target), examples, y)):
                    found[f"{box}_{name}_top_{k}"] = error
        return found

    settings = runs.parse(table3_adversarial.EXPERIMENT, "--steps", 3)
    found = table3_adversarial.attacked(*networks, DATA.test, epsilon, settings)
    assert found == pytest.approx(expected(3))
    # The numbers tell apart how many steps there were.
    assert expected(3) != expected(10)
    assert expected(3) != expected(1)
    # More steps in the same box do not help the network that is attacked.
    assert found["white_i_fgsm_top_1"] >= found["white_fgsm_top_1"]
    assert found["white_fgsm_top_1"] > errors(kernel_of(*own), x, y)[0]


def test_the_white_box_is_the_networks_own_and_the_black_box_the_next_seeds(
    monkeypatch,
):
    def network(record):
        return record["method"], record["seed"]

    def attacked(network, shown, source, test, epsilon, settings):
        assert test is DATA.test
        return [network, shown, source, epsilon, settings.steps]

    monkeypatch.setattr(classifiers, "network_of", network)
    monkeypatch.setattr(table3_adversarial, "attacked", attacked)
    experiment = table3_adversarial.EXPERIMENT
    flags = ("--seeds", 2, 0, 1, "--epsilons", 1, 4, "--steps", 7)
    settings = runs.parse(experiment, *flags)
    found = experiment.analyze(records((2, 0, 1)), DATA, settings)
    # In the order of the list of seeds, the last one is followed by the first.
    following, expected = {2: 0, 0: 1, 1: 2}, []
    for epsilon, method, seed in itertools.product((1, 4), METHODS, (2, 0, 1)):
        shown = ("ERM", following[seed]) if method == "ERM" else (method, seed)
        by = [(method, seed), shown, ("ERM", seed), epsilon, 7]
        expected.append((f"epsilon {epsilon}", method, seed, by))
    assert expected == [
        (run["group"], run["method"], run["seed"], run["epochs"][-1]["end"]["attacked"])
        for run in found
    ]
