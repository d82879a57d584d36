"""The remarks: their recipes, their numbers by hand, and all of it but the training."""

import dataclasses

import pytest

from experiments import classifiers
from experiments.paper import (
    alpha_tradeoff,
    discussion,
    figure2_between,
    table3_adversarial,
    table5_ablation,
)
from experiments.recipes import Recipe
from tests.experiments import made_up_runs, runs

BASELINE = "mixup: pairs of one batch, one lam a batch"
# Section 2, its last paragraphs.
ROWS = {
    "ERM": Recipe(),
    BASELINE: Recipe(
        alpha=1.0, per="batch", pairing="permutation", examples=2, partners="batch"
    ),
    "three examples, Dirichlet(1, 1, 1)": Recipe(alpha=1, examples=3),
    "pairs of equal label only": Recipe(alpha=1, pairing="same_class"),
    "two loaders": Recipe(alpha=1, partners="loader"),
    "one lam an example": Recipe(alpha=1, per="example"),
}
ANALYSES = (
    discussion,
    figure2_between,
    table3_adversarial,
    table5_ablation,
    alpha_tradeoff,
)


@pytest.fixture(scope="module")
def patch():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def made(patch, tmp_path_factory):
    return made_up_runs.run(discussion, patch, tmp_path_factory.mktemp("discussion"))


@pytest.mark.parametrize("preset", ["cpu", "paper", "smoke"])
def test_the_rows_are_the_papers_remarks(preset):
    plan = discussion.rows(runs.parse(discussion, "--preset", preset))
    assert list(plan.items()) == [(("", name), recipe) for name, recipe in ROWS.items()]


def test_the_preset_of_the_paper_is_section_3_2():
    made_up_runs.check_settings_of_the_paper(discussion)
    assert runs.parse(discussion, "--preset", "paper").seeds == (0, 1, 2)
    assert discussion.paper() == {}
    assert {recipe.weight_decay for recipe in ROWS.values()} == {1e-4}


def test_the_final_numbers_by_hand():
    epochs = made_up_runs.epochs_of((30.0, 20.0, 24.0), real=0.25)
    assert discussion.final(epochs) == pytest.approx(
        {
            "median_error": 24.0,
            "last_error": 24.0,
            "best_error": 20.0,
            "error_on_real": 0.25,
            "calibration_error": made_up_runs.CALIBRATION_ERROR,
        }
    )


def result_of(medians):
    """The result of rows of these medians, seed by seed; the last error is 50."""
    records = [
        made_up_runs.record(
            *("", method, seed),
            made_up_runs.epochs_of((median - 1, median, 50.0), real=2.0),
            ROWS[method],
        )
        for method, errors in medians.items()
        for seed, median in enumerate(errors)
    ]
    return made_up_runs.result_of(discussion, records)


def test_the_tables_by_hand():
    result = result_of(
        {
            "ERM": (13.0, 14.0, 15.0),
            BASELINE: (10.0, 12.0, 11.0),
            "two loaders": (9.0, 11.0, 10.0),
        }
    )
    table, differences = discussion.tables(result)
    assert table.splitlines() == [
        "| Method | Test error, median of the last ten epochs (%) | Last (%) | "
        "Training error (%) | Calibration error (%) |",
        "|---|---|---|---|---|",
        "| ERM | 14.0 ± 1.0 | 50.0 ± 0.0 | 2.0 ± 0.0 | 8.0 ± 0.0 |",
        f"| {BASELINE} | 11.0 ± 1.0 | 50.0 ± 0.0 | 2.0 ± 0.0 | 8.0 ± 0.0 |",
        "| two loaders | 10.0 ± 1.0 | 50.0 ± 0.0 | 2.0 ± 0.0 | 8.0 ± 0.0 |",
    ]
    # By seed 3, 2 and 4: a deviation of 1, and 1 / sqrt(3) of the mean.
    assert differences.splitlines() == [
        "| Median test error less that of mixup as in the paper | Points |",
        "|---|---|",
        "| ERM | +3.0 ± 0.6 |",
        "| two loaders | -1.0 ± 0.0 |",
    ]


def test_one_seed_has_no_standard_error():
    result = result_of({"ERM": (13.0,), BASELINE: (10.5,)})
    _, differences = discussion.tables(result)
    assert differences.splitlines()[2:] == ["| ERM | +2.5 |"]


def test_without_the_papers_mixup_there_are_no_differences():
    result = result_of({"ERM": (13.0,), "two loaders": (10.5,)})
    assert len(discussion.tables(result)) == 1


def test_a_run_but_for_the_training(made):
    expected = [("", name, seed) for name in ROWS for seed in (0, 1, 2)]
    made_up_runs.check_result(discussion, made, expected)
    trained = [(Recipe(**t.run.settings), t.run.seed) for t in made.trained]
    assert trained == [(recipe, seed) for recipe in ROWS.values() for seed in (0, 1, 2)]


def test_the_picture_is_made_from_the_file(made, tmp_path):
    made_up_runs.check_pictures(discussion, made, tmp_path)


@pytest.mark.parametrize("preset", ["cpu", "paper", "smoke"])
def test_what_analyses_have_in_common_is_trained_once(monkeypatch, tmp_path, preset):
    data = made_up_runs.few_images()
    found = {}
    with made_up_runs.without_training(monkeypatch, tmp_path) as trained:
        for analysis in ANALYSES:
            flags = ("--preset", preset, "--seeds", 0, 1, "--run_dir", tmp_path)
            settings = runs.parse(analysis, *flags)
            # The made-up epochs cost time as well.
            settings = dataclasses.replace(settings, epochs=2)
            plan = {
                row: recipe
                for row, recipe in analysis.rows(settings).items()
                if recipe in (Recipe(), Recipe(alpha=1))
            }
            records = classifiers.train_all(plan, data, settings)
            assert len(plan) == 2
            for record in records:
                place = Recipe(**record["settings"]), record["seed"]
                found.setdefault(place, []).append(record)
    assert len(trained) == len(found) == 4
    for records in found.values():
        assert len(records) == len(ANALYSES)
        assert len({record["folder"] for record in records}) == 1
        assert all(record["epochs"] == records[0]["epochs"] for record in records)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--rows", "nonsense"], "`rows`. Expected some of ['ERM', 'mixup: pairs of"),
        (["--rows"], "`rows`. Expected at least one"),
        (["--rows", "ERM", "ERM"], "`rows`. Expected at least one, all different"),
        (["--seeds", "1", "1"], "`seeds`. Expected at least one, all different"),
        (["--width", "0"], "`width`. Expected an integer >= 1. Received: 0"),
    ],
)
def test_wrong_settings_are_refused(capsys, flags, message):
    assert message in runs.refusal(discussion, capsys, *flags)
