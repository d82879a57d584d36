"""Figure 2: the pairs, the curves of a linear network, the tables by hand."""

import itertools

import numpy as np
import pytest
import scipy.stats

from experiments.paper import discussion, figure2_between, table5_ablation
from experiments.recipes import Recipe
from tests.experiments import made_up_runs, runs

METHODS = ("ERM", "mixup 1")
SHAPE, CLASSES, PAIRS = (4, 4, 3), 10, 64
# Section 3.1, digitized: ERM and mixup at lam = 0, .05, ..., .5.
PAPER = {
    "miss": (
        (1.3, 1.4, 1.7, 2.4, 3.7, 5.8, 8.4, 11.3, 14.0, 15.5, 16.4),
        (0.8, 0.8, 1.1, 1.4, 2.1, 2.9, 3.9, 4.8, 5.5, 6.1, 6.2),
    ),
    "gradient_norm": (
        (0.004, 0.01, 0.018, 0.029, 0.045, 0.067, 0.094, 0.124, 0.15, 0.17, 0.177),
        (0.012, 0.01, 0.013, 0.017, 0.021, 0.026, 0.03, 0.034, 0.037, 0.039, 0.039),
    ),
}


def linear(record):
    """A linear network that depends on method and seed."""
    seed = record["seed"] + 10 * (record["method"] != "ERM")
    generator = np.random.default_rng(seed)
    kernel = generator.normal(0, 0.2, (np.prod(SHAPE), CLASSES)).astype("float32")
    return made_up_runs.linear_network(kernel, np.zeros(CLASSES, "float32"), SHAPE)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("figure2")
    with pytest.MonkeyPatch.context() as patch, made_up_runs.networks(patch, linear):
        return made_up_runs.run(
            figure2_between, patch, folder, "--preset", "smoke", "--seeds", 0, 1
        )


def test_the_networks_are_erm_and_mixup(made):
    assert figure2_between.rows(made.settings) == {
        ("", "ERM"): Recipe(),
        ("", "mixup 1"): Recipe(alpha=1),
    }
    made_up_runs.check_settings_of_the_paper(figure2_between)
    paper = runs.parse(figure2_between, "--preset", "paper")
    assert (paper.pairs, paper.seeds) == (10_000, (0, 1, 2))


@pytest.mark.parametrize("preset", ["cpu", "paper", "smoke"])
def test_the_networks_are_those_of_other_analyses(preset):
    plan = figure2_between.rows(runs.parse(figure2_between, "--preset", preset))
    remarks = discussion.rows(runs.parse(discussion, "--preset", preset))
    cells = table5_ablation.rows(runs.parse(table5_ablation, "--preset", preset))
    for (_, method), recipe in plan.items():
        in_remarks = {"ERM": "ERM", "mixup 1": discussion.BASELINE}[method]
        in_table_5 = {"ERM": "ERM", "mixup 1": "mixup, AC + RP"}[method]
        others = remarks["", in_remarks], cells["weight decay 0.0001", in_table_5]
        assert others == (recipe, recipe)
        assert {other.title for other in others} == {recipe.title}
        assert recipe.weight_decay == 1e-4


def test_another_alpha_is_another_row():
    plan = figure2_between.rows(runs.parse(figure2_between, "--alpha", "0.4"))
    assert plan == {("", "ERM"): Recipe(), ("", "mixup 0.4"): Recipe(alpha=0.4)}


def test_all_but_the_training_from_end_to_end(made, monkeypatch, tmp_path):
    expected = [("", method, seed) for method in METHODS for seed in (0, 1)]
    made_up_runs.check_result(figure2_between, made, expected)
    for method, seed in itertools.product(METHODS, (0, 1)):
        assert f"Between the examples: {method}, seed {seed}\n" in made.printed
    assert made.printed.count("The paper's are digitized.\n") == 1
    drawn = made_up_runs.keep_figures(monkeypatch)
    made_up_runs.check_pictures(figure2_between, made, tmp_path)
    curves, _ = drawn
    for axis, (measure, paper) in zip(curves.axes, PAPER.items(), strict=True):
        lines = {line.get_label(): line for line in axis.get_lines()}
        assert set(lines) == {*METHODS, *(f"{method}, paper" for method in METHODS)}
        for method, half in zip(METHODS, paper, strict=True):
            ours, theirs = lines[method], lines[f"{method}, paper"]
            of_seeds = [
                run["epochs"][-1]["end"]["between"][measure]
                for run in made.result["runs"]
                if run["method"] == method
            ]
            assert ours.get_ydata() == pytest.approx(np.mean(of_seeds, axis=0))
            assert tuple(theirs.get_ydata()) == (*half, *half[-2::-1])
            assert ours.get_xdata() == pytest.approx(np.linspace(0, 1, 21))
            assert ours.get_color() == theirs.get_color()
            assert (ours.get_linestyle(), theirs.get_linestyle()) == ("-", "--")


def test_pairs_are_of_different_examples_and_uniform():
    count, pairs = 5, 20_000
    i, j = figure2_between.random_pairs(count, pairs, seed=3)
    assert np.all(i != j)
    cells = np.bincount(i * count + j, minlength=count**2).reshape(count, count)
    assert scipy.stats.chisquare(cells[~np.eye(count, dtype=bool)]).pvalue > 1e-3
    again = figure2_between.random_pairs(count, pairs, seed=3)
    np.testing.assert_array_equal((i, j), again)
    assert np.any(figure2_between.random_pairs(count, pairs, seed=4)[0] != i)


def test_the_curves_are_those_of_the_networks(made):
    x, y = made_up_runs.few_images().train
    for run in made.result["runs"]:
        kernel, _ = linear(run).get_weights()
        i, j = figure2_between.random_pairs(len(y), PAIRS, run["seed"])
        curves = run["epochs"][-1]["end"]["between"]
        assert curves["lam"] == pytest.approx(np.linspace(0, 1, 21))
        assert set(curves) == set(between(0, 0))
        for index in (0, 7, 10):
            lam = index / 20
            pixels = made_up_runs.normalized(x)
            logits = (lam * pixels[i] + (1 - lam) * pixels[j]) @ kernel
            p, predicted = made_up_runs.softmax(logits), logits.argmax(-1)
            missed = (predicted != y[i]) & (predicted != y[j])
            assert curves["miss"][index] == pytest.approx(100 * missed.mean())
            rows = np.eye(CLASSES)
            logs, place = np.log(p), np.arange(PAIRS)
            loss = -lam * logs[place, y[i]] - (1 - lam) * logs[place, y[j]]
            assert curves["loss"][index] == pytest.approx(loss.mean(), rel=1e-4)
            for name, target in (
                ("gradient_norm", lam * rows[y[i]] + (1 - lam) * rows[y[j]]),
                ("gradient_norm_predicted", rows[predicted]),
            ):
                norms = np.linalg.norm((p - target) @ kernel.T, axis=-1)
                assert curves[name][index] == pytest.approx(norms.mean(), rel=1e-4)
                if name == "gradient_norm":
                    median = pytest.approx(np.median(norms), rel=1e-4)
                    assert curves["gradient_norm_median"][index] == median


def between(miss, norm):
    """Curves that are flat but for their middle."""
    flat = {"lam": list(np.linspace(0, 1, 21))}
    for name, value in (
        *(("miss", miss), ("gradient_norm", norm), ("loss", 1.5)),
        *(("gradient_norm_median", norm / 2), ("gradient_norm_predicted", 0.25)),
    ):
        flat[name] = [9.0] * 10 + [value] + [9.0] * 10
    return flat


def test_the_final_numbers_by_hand():
    epochs = made_up_runs.epochs_of((30.0, 15.0, 20.0), 1.0, between=between(16.0, 0.2))
    assert figure2_between.final(epochs) == pytest.approx(
        {
            "miss": 16.0,
            "gradient_norm": 0.2,
            "gradient_norm_median": 0.1,
            "gradient_norm_predicted": 0.25,
            "loss": 1.5,
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
            *("", method, seed),
            made_up_runs.epochs_of((20.0,), between=between(miss + seed, norm)),
        )
        for method, miss, norm in (("ERM", 20.0, 3.0), ("mixup 1", 4.5, 0.5))
        for seed in (0, 1)
    ]
    result = made_up_runs.result_of(figure2_between, records)
    table, ratios = figure2_between.tables(result)
    assert table.splitlines()[0] == (
        "| Method | Misses at lam .5 (%) | Gradient norm at lam .5 | Its median over "
        "pairs | Gradient norm, predicted class | Loss at lam .5 | Test error (%) | "
        "Calibration error (%) |"
    )
    assert ratios.splitlines()[0] == "| ERM over mixup, at lam .5 | Ours | Paper |"
    # The deviation of 20 and 21 is .707.
    assert table.splitlines()[2:] == [
        "| ERM | 20.5 ± 0.7 (16.4) | 3.000 ± 0.000 (0.177) | 1.500 ± 0.000 | "
        "0.250 ± 0.000 | 1.50 ± 0.00 | 20.0 ± 0.0 | 8.0 ± 0.0 |",
        "| mixup 1 | 5.0 ± 0.7 (6.2) | 0.500 ± 0.000 (0.039) | 0.250 ± 0.000 | "
        "0.250 ± 0.000 | 1.50 ± 0.00 | 20.0 ± 0.0 | 8.0 ± 0.0 |",
    ]
    # 20.5 / 5 and 3 / .5; the paper's 16.4 / 6.2 and .177 / .039.
    assert [line.split(" | ")[1:] for line in ratios.splitlines()[2:]] == [
        ["4.1", "2.6 |"],
        ["6.0", "4.5 |"],
        ["6.0", " |"],
    ]


def test_no_misses_of_mixup_have_no_ratio():
    records = [
        made_up_runs.record(
            *("", method, 0),
            made_up_runs.epochs_of((20.0,), between=between(miss, 1.0)),
        )
        for method, miss in (("ERM", 20.0), ("mixup 1", 0.0))
    ]
    result = made_up_runs.result_of(figure2_between, records)
    _, ratios = figure2_between.tables(result)
    assert ratios.splitlines()[2] == "| Misses at lam .5 (%) | - | 2.6 |"


def test_the_digitized_curves_are_symmetric_and_those_of_the_reference():
    curves = figure2_between.symmetric(figure2_between.PAPER)
    for of_method in curves.values():
        for values in of_method.values():
            assert len(values) == 21
            assert values == values[::-1]
    for place, method in enumerate(METHODS):
        halves = {name: values[:11] for name, values in curves[method].items()}
        assert halves == {name: of_both[place] for name, of_both in PAPER.items()}
    assert curves["ERM"]["miss"][10] == max(curves["ERM"]["miss"]) == 16.4
    assert curves["mixup 1"]["gradient_norm"][0] == 0.012
    assert figure2_between.paper() == {
        "ERM/miss": 16.4,
        "ERM/gradient_norm": 0.177,
        "mixup 1/miss": 6.2,
        "mixup 1/gradient_norm": 0.039,
    }


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--pairs", "0"], "`pairs` or `alpha`. Expected an integer >= 1 and a finite"),
        (["--pairs", "-3"], "`pairs`. Expected a number >= 0"),
        (["--alpha", "0"], "finite float > 0. Received: 2000 and 0.0"),
        (["--alpha", "inf"], "finite float > 0. Received: 2000 and inf"),
        (["--alpha", "nan"], "`alpha`. Expected a number >= 0"),
    ],
)
def test_wrong_settings_are_refused(capsys, flags, message):
    assert message in runs.refusal(figure2_between, capsys, *flags)
