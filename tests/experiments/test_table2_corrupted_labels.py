"""Table 2: its rows and grids, its numbers by hand, and all of it but the training."""

import dataclasses
import itertools
import re

import pytest

from experiments.paper import table2_corrupted_labels
from experiments.recipes import Recipe
from tests.experiments import made_up_runs, runs

# Section 3.4: best and last test error, training error on real and corrupted labels.
PAPER = {
    ("20 %", "ERM"): (12.7, 16.6, 0.05, 0.28),
    ("20 %", "dropout 0.7"): (8.8, 10.4, 5.26, 83.55),
    ("20 %", "mixup 8"): (5.9, 6.4, 2.27, 86.32),
    ("20 %", "mixup 4, dropout 0.1"): (6.2, 6.2, 1.92, 85.02),
    ("50 %", "ERM"): (18.8, 44.6, 0.26, 0.64),
    ("50 %", "dropout 0.8"): (14.1, 15.5, 12.71, 86.98),
    ("50 %", "mixup 32"): (11.3, 12.7, 5.84, 85.71),
    ("50 %", "mixup 8, dropout 0.3"): (10.9, 10.9, 7.56, 87.90),
    ("80 %", "ERM"): (36.5, 73.9, 0.62, 0.83),
    ("80 %", "dropout 0.8"): (30.9, 35.1, 29.84, 86.37),
    ("80 %", "mixup 32"): (25.3, 30.9, 18.92, 85.44),
    ("80 %", "mixup 8, dropout 0.3"): (24.0, 24.8, 19.70, 87.67),
}
ROWS = {
    ("20 %", "ERM"): Recipe(corrupted=0.2),
    ("20 %", "dropout 0.7"): Recipe(corrupted=0.2, dropout=0.7),
    ("20 %", "mixup 8"): Recipe(corrupted=0.2, alpha=8),
    ("20 %", "mixup 4, dropout 0.1"): Recipe(corrupted=0.2, alpha=4, dropout=0.1),
    ("50 %", "ERM"): Recipe(corrupted=0.5),
    ("50 %", "dropout 0.8"): Recipe(corrupted=0.5, dropout=0.8),
    ("50 %", "mixup 32"): Recipe(corrupted=0.5, alpha=32),
    ("50 %", "mixup 8, dropout 0.3"): Recipe(corrupted=0.5, alpha=8, dropout=0.3),
    ("80 %", "ERM"): Recipe(corrupted=0.8),
    ("80 %", "dropout 0.8"): Recipe(corrupted=0.8, dropout=0.8),
    ("80 %", "mixup 32"): Recipe(corrupted=0.8, alpha=32),
    ("80 %", "mixup 8, dropout 0.3"): Recipe(corrupted=0.8, alpha=8, dropout=0.3),
}


@pytest.fixture(scope="module")
def patch():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def made(patch, tmp_path_factory):
    folder = tmp_path_factory.mktemp("table2")
    return made_up_runs.run(table2_corrupted_labels, patch, folder)


def rows(*flags):
    return table2_corrupted_labels.rows(runs.parse(table2_corrupted_labels, *flags))


def test_the_rows_of_two_cores_are_those_of_the_papers_table():
    assert list(rows().items()) == list(ROWS.items())
    half = {row: recipe for row, recipe in ROWS.items() if row[0] == "50 %"}
    assert rows("--preset", "smoke") == half


def test_the_rows_of_the_paper_are_its_whole_grids():
    plan = rows("--preset", "paper")
    expected = set()
    for share in (0.2, 0.5, 0.8):
        expected.add(Recipe(corrupted=share))
        for dropout in (0.5, 0.7, 0.8, 0.9):
            expected.add(Recipe(corrupted=share, dropout=dropout))
        for alpha in (1, 2, 8, 32):
            expected.add(Recipe(corrupted=share, alpha=alpha))
        for alpha, dropout in itertools.product((1, 2, 4, 8), (0.1, 0.3, 0.5, 0.7)):
            expected.add(Recipe(corrupted=share, alpha=alpha, dropout=dropout))
    assert len(plan) == len(expected) == 3 * (1 + 4 + 4 + 4 * 4)
    assert set(plan.values()) == expected
    assert len({recipe.title for recipe in plan.values()}) == len(plan)
    for row, recipe in ROWS.items():
        assert plan[row] == recipe


def test_the_papers_numbers_are_those_of_table_2():
    measures = ("best_error", "last_error", "error_on_real", "error_on_corrupted")
    assert table2_corrupted_labels.paper() == {
        f"{group}/{method}/{measure}": value
        for (group, method), values in PAPER.items()
        for measure, value in zip(measures, values)
    }


def test_the_preset_of_the_paper_is_section_3_2():
    made_up_runs.check_settings_of_the_paper(table2_corrupted_labels)
    for recipe in rows("--preset", "paper").values():
        rest = dataclasses.replace(recipe, alpha=0.0, dropout=0.0, corrupted=0.0)
        assert rest == Recipe()
        assert recipe.weight_decay == 1e-4


def test_the_final_numbers_by_hand():
    epochs = made_up_runs.epochs_of((30.0, 20.0, 25.0), real=1.5, corrupted=80.0)
    expected = {
        "median_error": 25.0,
        "last_error": 25.0,
        "best_error": 20.0,
        "error_on_real": 1.5,
        "error_on_corrupted": 80.0,
        "calibration_error": made_up_runs.CALIBRATION_ERROR,
    }
    assert table2_corrupted_labels.final(epochs) == pytest.approx(expected)
    # Without replaced labels there is no error on them.
    clean = made_up_runs.epochs_of((30.0, 20.0, 25.0), real=1.5)
    del expected["error_on_corrupted"]
    assert table2_corrupted_labels.final(clean) == pytest.approx(expected)


def test_the_median_is_of_the_last_ten_epochs():
    errors = (99.0, 98.0, 10.0, 1.0, 9.0, 2.0, 8.0, 3.0, 7.0, 4.0, 6.0, 5.5)
    final = table2_corrupted_labels.final(made_up_runs.epochs_of(errors))
    assert (final["median_error"], final["last_error"]) == (5.75, 5.5)
    assert final["best_error"] == 1.0


def some_records(recipes_of_rows):
    """Two seeds a row; each row is better than the one before by one point."""
    return [
        made_up_runs.record(
            *(group, method, seed),
            made_up_runs.epochs_of(
                (14.0 - row + 2 * seed, 12.0 - row + 2 * seed, 18.0 + 2 * seed),
                real=0.04 * (1 + seed),
                corrupted=2.0 * (1 + seed),
            ),
            recipe,
        )
        for row, ((group, method), recipe) in enumerate(recipes_of_rows.items())
        for seed in (0, 1)
    ]


def test_the_table_by_hand():
    some = {row: ROWS[row] for row in (("20 %", "ERM"), ("20 %", "mixup 8"))}
    result = made_up_runs.result_of(table2_corrupted_labels, some_records(some))
    (table,) = table2_corrupted_labels.tables(result)
    # Two values v and v + d have a deviation of d / sqrt(2).
    assert table.splitlines() == [
        "| Replaced | Method | Best test error, oracle (%) | Last (%) | Training error, "
        "real labels (%) | Corrupted labels (%) | Calibration error (%) |",
        "|---|---|---|---|---|---|---|",
        "| 20 % | ERM | 13.0 ± 1.4 (12.7) | 19.0 ± 1.4 (16.6) | 0.06 ± 0.03 (0.05) | "
        "3.00 ± 1.41 (0.28) | 8.0 ± 0.0 |",
        "| 20 % | mixup 8 | 12.0 ± 1.4 (5.9) | 19.0 ± 1.4 (6.4) | 0.06 ± 0.03 (2.27) | "
        "3.00 ± 1.41 (86.32) | 8.0 ± 0.0 |",
    ]


def test_of_each_grid_the_row_of_least_best_error_is_named():
    plan = rows("--preset", "paper", "--shares", "0.5")
    records = some_records(plan)
    for record in records:
        # By the mean over seeds: neither the first, nor the last, nor by one seed.
        if record["method"] in ("dropout 0.7", "mixup 2", "mixup 4, dropout 0.1"):
            record["epochs"][0]["test"]["error"] = -50.0
        if record["method"] in ("dropout 0.9", "mixup 32") and record["seed"] == 0:
            record["epochs"][0]["test"]["error"] = -60.0
    result = made_up_runs.result_of(
        table2_corrupted_labels, records, "--preset", "paper", "--shares", "0.5"
    )
    whole, chosen = table2_corrupted_labels.tables(result)
    assert len(whole.splitlines()) == 2 + 25
    assert chosen.splitlines() == [
        "| Replaced | Grid | Chosen by its best test error, an oracle |",
        "|---|---|---|",
        "| 50 % | ERM | ERM |",
        "| 50 % | dropout | dropout 0.7 |",
        "| 50 % | mixup | mixup 2 |",
        "| 50 % | mixup, dropout | mixup 4, dropout 0.1 |",
    ]


def test_a_run_but_for_the_training(made):
    expected = [(*row, seed) for row in ROWS for seed in (0, 1, 2)]
    made_up_runs.check_result(table2_corrupted_labels, made, expected)
    trained = [(Recipe(**t.run.settings), t.run.seed) for t in made.trained]
    assert trained == [(recipe, seed) for recipe in ROWS.values() for seed in (0, 1, 2)]
    assert set(made.result["paired"]) == {
        f"{group}/{method}/{measure}"
        for group, method in ROWS
        if method != "ERM"
        for measure in made.result["runs"][0]["final"]
    }


def methods_in(legend):
    return [text.get_text().partition(":")[0] for text in legend.get_texts()]


def check_legends(drawn, expected):
    """Each panel's legend says what is in it, within the picture and off the panels."""
    whole = drawn.bbox
    panels = {axis.get_title(): axis for axis in drawn.axes}
    assert list(panels) == list(expected)
    for group, axis in panels.items():
        legend = axis.get_legend()
        assert methods_in(legend) == expected[group]
        handles, _ = axis.get_legend_handles_labels()
        looks = {(str(h.get_color()), h.get_linestyle()) for h in handles}
        assert len(looks) == len(expected[group])
        box = legend.get_window_extent()
        assert not any(box.overlaps(a.get_window_extent()) for a in panels.values())
        assert box.x0 >= 0
        assert box.x1 <= whole.x1
        assert box.y0 >= 0
    others = [a.get_window_extent() for a in panels.values()]
    assert not any(a.overlaps(b) for a, b in itertools.combinations(others, 2))


def test_the_pictures_are_made_from_the_file(made, monkeypatch, tmp_path):
    drawn = made_up_runs.keep_figures(monkeypatch)
    made_up_runs.check_pictures(table2_corrupted_labels, made, tmp_path)
    # The rows of the shares differ: each panel has a legend of its own.
    expected = {}
    for group, method in ROWS:
        expected.setdefault(group, []).append(method)
    for picture in drawn:
        check_legends(picture, expected)


def test_the_legends_of_whole_grids_cover_nothing(monkeypatch, tmp_path):
    drawn = made_up_runs.keep_figures(monkeypatch)
    flags = ("--preset", "paper", "--shares", "0.2", "0.8", "--epochs", "12")
    grids = made_up_runs.run(table2_corrupted_labels, monkeypatch, tmp_path, *flags)
    assert len(grids.result["runs"]) == 50
    for path in grids.published.glob("*.png"):
        runs.check_picture(path)
    methods = [method for group, method in rows("--preset", "paper") if group == "20 %"]
    curves, reliability = drawn
    check_legends(reliability, dict.fromkeys(("20 %", "80 %"), methods))
    # All panels have the same rows: one legend for them.
    (legend,) = curves.legends
    assert methods_in(legend) == methods
    box = legend.get_window_extent()
    assert not any(box.overlaps(axis.get_window_extent()) for axis in curves.axes)
    assert 0 <= box.x0 <= box.x1 <= curves.bbox.x1
    assert box.y0 >= 0


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--shares", "0.3"], "`shares`. Expected some of [0.2, 0.5, 0.8]. Received:"),
        (["--shares"], "`shares`"),
        (["--grids", "--shares", "1"], "`shares`. Expected numbers in (0, 1). Rec"),
        (["--shares", "0.2", "0.2"], "`shares`. Expected at least one, all different"),
        (
            ["--dropouts", "0.5", "1"],
            "`dropouts`. Expected numbers in (0, 1). Received",
        ),
        (["--joint_dropouts", "0"], "`joint_dropouts`. Expected numbers in (0, 1). "),
        (["--alphas", "0"], "`alphas`. Expected numbers in (0, inf). Received: [0.0]"),
        (["--alphas", "inf"], "`alphas`. Expected numbers in (0, inf)"),
        (["--joint_alphas", "0", "1"], "`joint_alphas`. Expected numbers in (0, inf)"),
        (["--width", "0"], "`width`. Expected an integer >= 1. Received: 0"),
        (["--neighbors", "0"], "`neighbors`. Expected an integer >= 1"),
        (["--epochs", "0"], "`epochs`. Expected a number >= 1"),
        (["--learning_rate", "0"], "`learning_rate`. Expected a number > 0"),
    ],
)
def test_wrong_settings_are_refused(capsys, flags, message):
    assert message in runs.refusal(table2_corrupted_labels, capsys, *flags)


def test_any_shares_have_grids():
    plan = rows("--grids", "--shares", "0.3")
    assert {group for group, _ in plan} == {"30 %"}
    assert {recipe.corrupted for recipe in plan.values()} == {0.3}


def test_the_help_says_what_the_settings_are(capsys):
    with pytest.raises(SystemExit) as end:
        runs.parse(table2_corrupted_labels, "--help")
    assert end.value.code == 0
    printed = re.sub(r"\s+", " ", capsys.readouterr().out)
    for flag, comment in {
        "shares": "Probabilities with which a training label is replaced.",
        "grids": "Run the paper's whole grids instead of the rows of its table;",
        "alphas": "Of the grids: alphas alone, drop probabilities alone, and both",
        "width": "Channels of the first stage of PreAct ResNet-18. (default: 8)",
        "augment": "Random crops, padded by an eighth of the size, and flips.",
        "run_dir": "Folder for runs, which are not committed.",
    }.items():
        assert re.search(rf"--{flag} .{{0,60}}{re.escape(comment)}", printed), flag
    for field in dataclasses.fields(table2_corrupted_labels.Settings):
        assert f"--{field.name} " in printed
