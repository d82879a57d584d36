"""Table 3: which networks are attacked and shown, and the tables by hand."""

import itertools

import numpy as np
import pytest

from experiments.paper import figure2_between, table3_adversarial
from experiments.recipes import Recipe
from keras_mixup import evaluation
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
    means = made_up_runs.normalized(x).T @ np.eye(CLASSES)[y] / len(y)
    kernel = (noise + means).astype("float32")
    return made_up_runs.linear_network(kernel, np.zeros(CLASSES, "float32"), SHAPE)


# In the order of the list of seeds, the last one is followed by the first.
SEEDS, FOLLOWING = (2, 0, 1), {2: 0, 0: 1, 1: 2}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("table3")
    flags = ("--preset", "smoke", "--seeds", *SEEDS, "--epsilons", EPSILON)
    with pytest.MonkeyPatch.context() as patch, made_up_runs.networks(patch, linear):
        return made_up_runs.run(table3_adversarial, patch, folder, *flags)


def test_all_but_the_training_from_end_to_end(made, tmp_path):
    expected = [("epsilon 8", m, seed) for m in METHODS for seed in SEEDS]
    made_up_runs.check_result(table3_adversarial, made, expected)
    made_up_runs.check_pictures(table3_adversarial, made, tmp_path)
    assert table3_adversarial.rows(made.settings) == {
        ("", "ERM"): Recipe(),
        ("", "mixup 1"): Recipe(alpha=1),
    }
    made_up_runs.check_settings_of_the_paper(table3_adversarial)


def kernel_of(method, seed):
    return linear({"method": method, "seed": seed}).get_weights()[0].astype("float64")


def attacked(kernel, x, y, steps=1):
    """(I-)FGSM on pixels: the gradient of a linear network's loss is W (p - y)."""
    found = x.astype("float64")
    for _ in range(steps):
        p = made_up_runs.softmax(made_up_runs.normalized(found) @ kernel)
        signs = np.sign((p - np.eye(CLASSES)[y]) @ kernel.T).reshape(x.shape)
        found = found + EPSILON / steps * signs
        found = np.clip(found, x - EPSILON, x + EPSILON).clip(0, 255)
    return found


def errors(kernel, x, y):
    logits = made_up_runs.normalized(x) @ kernel
    order = np.argsort(-logits, axis=-1)
    return {
        f"top_{k}": 100 * np.mean([c not in row[:k] for row, c in zip(order, y)])
        for k in (1, 5)
    }


def test_the_white_box_is_the_networks_own_and_the_black_box_the_next_seeds(made):
    x, y = made_up_runs.few_images().test
    for run in made.result["runs"]:
        method, seed = run["method"], run["seed"]
        own = kernel_of(method, seed)
        shown = kernel_of("ERM", FOLLOWING[seed]) if method == "ERM" else own
        source = kernel_of("ERM", seed)
        found = run["epochs"][-1]["end"]["attacked"]
        expected = {
            f"{box}_{name}_{top}": error
            for name, steps in (("fgsm", 1), ("i_fgsm", 10))
            for box, target, by in (("white", own, own), ("black", shown, source))
            for top, error in errors(target, attacked(by, x, y, steps), y).items()
        }
        assert found == pytest.approx(expected)
        # Another network in the black box shows in the numbers.
        for other in itertools.product(METHODS, SEEDS):
            kernel = kernel_of(*other)
            if not np.array_equal(kernel, shown):
                seen = errors(kernel, attacked(source, x, y), y)
                assert seen["top_1"] != found["black_fgsm_top_1"]
        # More steps in the same box do not help the network that is attacked.
        assert found["white_i_fgsm_top_1"] >= found["white_fgsm_top_1"]
        assert found["white_fgsm_top_1"] > errors(own, x, y)["top_1"]


def measured(**values):
    """Errors of which those that are not given are 50."""
    names = itertools.product(("white", "black"), ("fgsm", "i_fgsm"), (1, 5))
    return {f"{b}_{a}_top_{k}": 50.0 for b, a, k in names} | values


def test_the_attacks_are_given_epsilon_and_the_steps(monkeypatch):
    calls = []

    def errors_of(model, batches, attack, source=None):
        calls.append((attack.func, attack.keywords))
        return {"top_1": 1.0, "top_5": 0.0}

    monkeypatch.setattr(evaluation, "adversarial_errors", errors_of)
    network = linear({"method": "ERM", "seed": 0})
    settings = runs.parse(table3_adversarial, "--steps", 7)
    test = made_up_runs.few_images().test
    table3_adversarial.attacked(network, network, network, test, 2.0, settings)
    # The white box and the black one, by one step and by several.
    fgsm = evaluation.fgsm, {"epsilon": 2.0}
    i_fgsm = evaluation.i_fgsm, {"epsilon": 2.0, "steps": 7}
    assert calls == [fgsm, fgsm, i_fgsm, i_fgsm]


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    """A run of several epsilons without attacks; and what would be attacked, and how."""
    calls = []

    def attack(network, shown, source, test, epsilon, settings):
        names = (network, shown, source)
        calls.append((*names, test, epsilon, settings.steps))
        return measured(black_fgsm_top_1=10 * epsilon, white_fgsm_top_1=100.0)

    with (
        pytest.MonkeyPatch.context() as patch,
        made_up_runs.networks(patch, lambda record: (record["method"], record["seed"])),
    ):
        patch.setattr(table3_adversarial, "attacked", attack)
        folder = tmp_path_factory.mktemp("several")
        flags = ("--seeds", 5, 3, "--epochs", 12, "--steps", 7)
        return made_up_runs.run(table3_adversarial, patch, folder, *flags), calls


def test_each_epsilon_is_a_group_of_the_same_networks(several):
    made, calls = several
    rows = [(method, seed) for method in METHODS for seed in (5, 3)]
    epsilons = (1, 2, 4, 8)
    expected = [(f"epsilon {e}", *row) for e in epsilons for row in rows]
    made_up_runs.check_result(table3_adversarial, made, expected)
    # Two networks of each method for all of them.
    trained = [(Recipe(**t.run.settings).label, t.run.seed) for t in made.trained]
    assert trained == rows
    following = {5: 3, 3: 5}
    for (network, shown, source, test, epsilon, steps), (e, row) in zip(
        calls, itertools.product(epsilons, rows), strict=True
    ):
        method, seed = row
        assert network == row
        assert shown == (("ERM", following[seed]) if method == "ERM" else row)
        assert source == ("ERM", seed)
        assert (epsilon, steps) == (e, 7)
        np.testing.assert_array_equal(test[1], made_up_runs.few_images().test[1])


def test_the_pictures_show_each_box_over_epsilon(several, monkeypatch, tmp_path):
    made, _ = several
    drawn = made_up_runs.keep_figures(monkeypatch)
    made_up_runs.check_pictures(table3_adversarial, made, tmp_path)
    curves, reliability = drawn
    titles = ["white, FGSM", "white, I-FGSM", "black, FGSM", "black, I-FGSM"]
    assert [axis.get_title() for axis in curves.axes] == [f"{t}, top-1" for t in titles]
    heights = ([100] * 4, [50] * 4, [10, 20, 40, 80], [50] * 4)
    for axis, expected in zip(curves.axes, heights):
        containers = {c.get_label(): c for c in axis.containers}
        assert list(containers) == list(METHODS)
        for container in containers.values():
            line = container.lines[0]
            assert list(line.get_xdata()) == [1, 2, 4, 8]
            assert list(line.get_ydata()) == expected
    # The reliability is of clean images: one panel, not one an epsilon.
    (axis,) = reliability.axes
    assert axis.get_title() == "clean images"
    labels = [text.get_text().split(":")[0] for text in axis.get_legend().texts]
    assert labels == list(METHODS)


def test_the_ratios_have_a_column_an_epsilon(several):
    made, _ = several
    *_, ratios = table3_adversarial.tables(made.result)
    # Where ERM is never right there is no ratio.
    assert ratios.splitlines() == [
        "| Accuracy of mixup over that of ERM, top-1 | epsilon 1 | epsilon 2 | "
        "epsilon 4 | epsilon 8 | Paper (epsilon 4) |",
        "|---|---|---|---|---|---|",
        "| white, FGSM, top-1 | - | - | - | - | 2.7 |",
        "| black, FGSM, top-1 | 1.00 | 1.00 | 1.00 | 1.00 | 1.25 |",
        "| black, I-FGSM, top-1 | 1.00 | 1.00 | 1.00 | 1.00 | 1.4 |",
    ]


@pytest.mark.parametrize("preset", ["cpu", "paper", "smoke"])
def test_the_networks_are_those_of_figure_2(preset):
    settings = runs.parse(table3_adversarial, "--preset", preset)
    of_figure_2 = runs.parse(figure2_between, "--preset", preset)
    plan = table3_adversarial.rows(settings)
    assert plan == figure2_between.rows(of_figure_2)
    assert {recipe.weight_decay for recipe in plan.values()} == {1e-4}


def test_the_settings_of_the_attacks_are_the_papers():
    settings = runs.parse(table3_adversarial, "--preset", "paper")
    found = (settings.alpha, settings.steps, settings.epsilons, settings.seeds)
    assert found == (1.0, 10, (1.0, 2.0, 4.0, 8.0), (0, 1, 2))


def test_the_final_numbers_by_hand():
    under_attack = measured(white_fgsm_top_1=75.0)
    epochs = made_up_runs.epochs_of((30.0, 15.0, 20.0), 1.0, attacked=under_attack)
    assert table3_adversarial.final(epochs) == pytest.approx(
        {
            **under_attack,
            "median_error": 20.0,
            "last_error": 20.0,
            "best_error": 15.0,
            "error_on_real": 1.0,
            "calibration_error": made_up_runs.CALIBRATION_ERROR,
        }
    )


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
    assert top_1.splitlines()[0] == (
        "| Error (%) | Method | Clean test error (%) | Calibration error (%) | "
        "white, FGSM, top-1 | white, I-FGSM, top-1 | black, FGSM, top-1 | "
        "black, I-FGSM, top-1 |"
    )
    assert top_5.splitlines()[0] == (
        "| Error (%) | Method | white, FGSM, top-5 | white, I-FGSM, top-5 | "
        "black, FGSM, top-5 | black, I-FGSM, top-5 |"
    )
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
        (["--steps", "0"], "`steps` or `alpha`. Expected an integer >= 1 and a finite"),
        (["--alpha", "0"], "finite float > 0. Received: 10 and 0.0"),
        (["--alpha", "inf"], "finite float > 0. Received: 10 and inf"),
        (["--epsilons", "-1"], "`epsilons`. Expected a number >= 0"),
        (["--epsilons", "4", "inf"], "`epsilons`. Expected finite numbers >= 0. Rec"),
        (["--epsilons"], "`epsilons`. Expected at least one"),
    ],
)
def test_wrong_settings_are_refused(capsys, flags, message):
    assert message in runs.refusal(table3_adversarial, capsys, *flags)
