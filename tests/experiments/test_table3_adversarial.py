"""Table 3: which networks are attacked and shown, and the tables by hand."""

import itertools

import numpy as np
import pytest

from experiments import table3_adversarial
from experiments.recipes import Recipe
from tests.experiments import made_up_runs, runs

METHODS = ("ERM", "mixup 1")
SHAPE, CLASSES, EPSILON = (4, 4, 3), 10, 8.0
# Section 3.5's Table 3: white, then black box; ERM, mixup.
PAPER = {
    "fgsm_top_1": ((90.7, 75.2), (57.0, 46.0)),
    "i_fgsm_top_1": ((99.9, 99.6), (57.3, 40.9)),
    "fgsm_top_5": ((63.1, 49.1), (24.8, 17.4)),
    "i_fgsm_top_5": ((93.4, 95.8), (18.1, 11.8)),
}


def linear(record):
    """A linear network that depends on method and seed, and gets half right."""
    x, y = made_up_runs.few_images().test
    generator = np.random.default_rng([record["seed"], record["method"] == "ERM"])
    noise = generator.normal(0, 0.3, (np.prod(SHAPE), CLASSES))
    means = made_up_runs.normalised(x).T @ np.eye(CLASSES)[y] / len(y)
    kernel = (noise + means).astype("float32")
    return made_up_runs.linear_network(kernel, np.zeros(CLASSES, "float32"), SHAPE)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("table3")
    flags = ("--preset", "smoke", "--seeds", 0, 1, 2, "--epsilons", EPSILON)
    with pytest.MonkeyPatch.context() as patch, made_up_runs.networks(patch, linear):
        return made_up_runs.run(table3_adversarial, patch, folder, *flags)


def test_all_but_the_training_from_end_to_end(made, tmp_path):
    expected = [("epsilon 8", m, seed) for m in METHODS for seed in (0, 1, 2)]
    made_up_runs.check_result(table3_adversarial, made, expected)
    made_up_runs.check_pictures(table3_adversarial, made, tmp_path)
    assert table3_adversarial.rows(made.settings) == {
        ("", "ERM"): Recipe(),
        ("", "mixup 1"): Recipe(alpha=1),
    }
    made_up_runs.check_settings_of_the_paper(table3_adversarial)


def kernel_of(method, seed):
    return linear({"method": method, "seed": seed}).get_weights()[0].astype("float64")


def attacked(kernel, x, y):
    """FGSM on pixels by hand: the gradient of a linear network's loss is W (p - y)."""
    p = made_up_runs.softmax(made_up_runs.normalised(x) @ kernel)
    signs = np.sign((p - np.eye(CLASSES)[y]) @ kernel.T).reshape(x.shape)
    return np.clip(x + EPSILON * signs, 0, 255)


def errors(kernel, x, y):
    logits = made_up_runs.normalised(x) @ kernel
    order = np.argsort(-logits, axis=-1)
    return {
        f"top_{k}": 100 * np.mean([c not in row[:k] for row, c in zip(order, y)])
        for k in (1, 5)
    }


def test_the_white_box_is_the_networks_own_and_the_black_box_the_next_seeds(made):
    x, y = made_up_runs.few_images().test
    following = {0: 1, 1: 2, 2: 0}
    for run in made.result["runs"]:
        method, seed = run["method"], run["seed"]
        own = kernel_of(method, seed)
        shown = kernel_of("ERM", following[seed]) if method == "ERM" else own
        source = kernel_of("ERM", seed)
        found = run["epochs"][-1]["end"]["attacked"]
        for box, target, by in (("white", own, own), ("black", shown, source)):
            for top, error in errors(target, attacked(by, x, y), y).items():
                assert found[f"{box}_fgsm_{top}"] == pytest.approx(error)
        # More steps in the same box do not help the network that is attacked.
        assert found["white_i_fgsm_top_1"] >= found["white_fgsm_top_1"]
        assert found["white_fgsm_top_1"] > errors(own, x, y)["top_1"]


def measured(**values):
    """Errors of which those that are not given are 50."""
    names = itertools.product(("white", "black"), ("fgsm", "i_fgsm"), (1, 5))
    return {f"{b}_{a}_top_{k}": 50.0 for b, a, k in names} | values


def test_the_tables_by_hand():
    records = [
        made_up_runs.record(
            *("epsilon 4", method, seed),
            made_up_runs.epochs_of(
                (20.0,), attacked=measured(white_fgsm_top_1=white + seed)
            ),
        )
        for method, white in (("ERM", 89.0), ("mixup 1", 74.0))
        for seed in (0, 2)
    ]
    result = made_up_runs.result_of(table3_adversarial, records)
    top_1, top_5, ratios = table3_adversarial.tables(result)
    # The deviation of 89 and 91 is 1.414.
    assert top_1.splitlines()[2] == (
        "| epsilon 4 | ERM | 20.0 ± 0.0 | 8.0 ± 0.0 | 90.0 ± 1.4 (90.7) | "
        "50.0 ± 0.0 (99.9) | 50.0 ± 0.0 (57) | 50.0 ± 0.0 (57.3) |"
    )
    assert top_5.splitlines()[3] == (
        "| epsilon 4 | mixup 1 | 50.0 ± 0.0 (49.1) | 50.0 ± 0.0 (95.8) | "
        "50.0 ± 0.0 (17.4) | 50.0 ± 0.0 (11.8) |"
    )
    # (100 - 75) / (100 - 90), and one half over one half.
    assert [line.split(" | ")[1:] for line in ratios.splitlines()[2:]] == [
        ["2.50", "2.7 |"],
        ["1.00", "1.25 |"],
        ["1.00", "1.4 |"],
    ]


def test_the_papers_numbers_are_those_of_its_table():
    assert table3_adversarial.paper() == {
        f"epsilon 4/{method}/{box}_{name}": value
        for name, boxes in PAPER.items()
        for box, values in zip(("white", "black"), boxes)
        for method, value in zip(METHODS, values)
    }


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--seeds", "0"], "`seeds`. Expected at least two"),
        (["--steps", "0"], "`steps`"),
        (["--alpha", "0"], "`alpha`"),
        (["--epsilons", "-1"], "`epsilons`. Expected a number >= 0"),
    ],
)
def test_wrong_settings_are_refused(capsys, flags, message):
    assert message in runs.refusal(table3_adversarial, capsys, *flags)
