"""The curve over alpha: its points, its numbers by hand, all of it but the training."""

import pytest

from experiments import classifiers
from experiments.paper import alpha_tradeoff
from experiments.recipes import Recipe
from tests.experiments import made_up_runs, runs

# Section 5 names 0 and infinity: weights that are all one half.
METHODS = {
    "ERM": 0,
    "mixup 0.1": 0.1,
    "mixup 0.2": 0.2,
    "mixup 0.4": 0.4,
    "mixup 1": 1,
    "mixup 2": 2,
    "mixup 4": 4,
    "mixup 8": 8,
    "mixup 32": 32,
    "averages": 1_000_000,
}


@pytest.fixture(scope="module")
def patch():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def made(patch, tmp_path_factory):
    folder = tmp_path_factory.mktemp("alpha")
    return made_up_runs.run(alpha_tradeoff, patch, folder, "--epochs", "20")


def points(widths, own):
    """The settings' own width is 0: these networks are those of other analyses."""
    return {
        (f"width {width}", method): Recipe(
            alpha=alpha, width=0 if width == own else width
        )
        for width in widths
        for method, alpha in METHODS.items()
    }


@pytest.mark.parametrize(
    ("preset", "widths", "own"),
    [("cpu", (4, 8, 16), 8), ("paper", (16, 32, 64), 64)],
)
def test_the_points_are_ten_alphas_at_three_widths(preset, widths, own):
    settings = runs.parse(alpha_tradeoff, "--preset", preset)
    assert settings.width == own
    plan = alpha_tradeoff.rows(settings)
    assert list(plan.items()) == list(points(widths, own).items())
    assert len(plan) == len(set(plan.values())) == 30


def test_each_width_is_that_of_its_network(monkeypatch):
    built = runs.tiny_networks(monkeypatch)
    settings = runs.parse(alpha_tradeoff, "--alphas", "1")
    for (group, _), recipe in alpha_tradeoff.rows(settings).items():
        classifiers.make_network(recipe, (8, 8, 3), 10, settings)
        assert f"width {built[-1]['width']}" == group


def test_with_another_width_of_the_settings_the_groups_stay():
    settings = runs.parse(alpha_tradeoff, "--width", "16", "--alphas", "1")
    assert alpha_tradeoff.rows(settings) == {
        ("width 4", "mixup 1"): Recipe(alpha=1, width=4),
        ("width 8", "mixup 1"): Recipe(alpha=1, width=8),
        ("width 16", "mixup 1"): Recipe(alpha=1, width=0),
    }


def test_the_preset_of_the_paper_is_section_3_2():
    made_up_runs.check_settings_of_the_paper(alpha_tradeoff)
    assert alpha_tradeoff.paper() == {}


def test_the_final_numbers_by_hand():
    epochs = made_up_runs.epochs_of((30.0, 20.0, 24.0), real=3.5)
    assert alpha_tradeoff.final(epochs) == pytest.approx(
        {
            "median_error": 24.0,
            "last_error": 24.0,
            "best_error": 20.0,
            "error_on_real": 3.5,
            "calibration_error": made_up_runs.CALIBRATION_ERROR,
            # Test less training, both after the last epoch.
            "gap": 20.5,
        }
    )


def test_the_table_by_hand():
    records = [
        made_up_runs.record(
            *("width 4", method, seed),
            made_up_runs.epochs_of((9.0, test + 2 * seed), real=real),
        )
        for method, test, real in (("ERM", 10.0, 1.0), ("averages", 8.0, 9.5))
        for seed in (0, 1)
    ]
    result = made_up_runs.result_of(alpha_tradeoff, records)
    (table,) = alpha_tradeoff.tables(result)
    assert table.splitlines() == [
        "| Network | Method | Training error (%) | Test error, last epoch (%) | "
        "Gap (points) | Calibration error (%) |",
        "|---|---|---|---|---|---|",
        "| width 4 | ERM | 1.0 ± 0.0 | 11.0 ± 1.4 | 10.0 ± 1.4 | 8.0 ± 0.0 |",
        "| width 4 | averages | 9.5 ± 0.0 | 9.0 ± 1.4 | -0.5 ± 1.4 | 8.0 ± 0.0 |",
    ]


def test_a_run_but_for_the_training(made):
    plan = points((4, 8, 16), own=8)
    made_up_runs.check_result(alpha_tradeoff, made, [(*row, 0) for row in plan])
    assert [Recipe(**t.run.settings) for t in made.trained] == list(plan.values())


def test_the_pictures_are_made_from_the_file(made, monkeypatch, tmp_path):
    drawn = made_up_runs.keep_figures(monkeypatch)
    made_up_runs.check_pictures(alpha_tradeoff, made, tmp_path)
    curves, reliability = drawn
    titles = ["Training error (%)", "Test error, last epoch (%)", "Gap (points)"]
    assert [axis.get_title() for axis in curves.axes] == titles
    summary = made.result["summary"]
    for axis, measure in zip(curves.axes, ("error_on_real", "last_error", "gap")):
        ticks = [text.get_text() for text in axis.get_xticklabels()]
        assert ticks == ["0", "0.1", "0.2", "0.4", "1", "2", "4", "8", "32", "∞"]
        low, high = axis.get_ylim()
        for line, group in zip(axis.get_lines(), ("width 4", "width 8", "width 16")):
            assert line.get_label() == group
            heights = [summary[f"{group}/{m}/{measure}"]["mean"] for m in METHODS]
            assert list(line.get_ydata()) == heights
            # Gaps may be below zero.
            assert low <= min(heights) <= max(heights) <= high
        assert low <= 0
    for axis in reliability.axes:
        labels = [text.get_text().split(":")[0] for text in axis.get_legend().texts]
        assert labels == ["ERM", "mixup 1"]


def test_without_erm_the_reliability_is_of_what_there_is(monkeypatch, tmp_path):
    flags = ("--alphas", "0.1", "--widths", "4", "--epochs", "3")
    drawn = made_up_runs.keep_figures(monkeypatch)
    made_up_runs.run(alpha_tradeoff, monkeypatch, tmp_path, *flags)
    (axis,) = drawn[1].axes
    labels = [text.get_text().split(":")[0] for text in axis.get_legend().texts]
    assert labels == ["mixup 0.1"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--widths", "0"], "`widths`. Expected integers >= 1. Received: [0]"),
        (["--widths", "4", "-4"], "`widths`. Expected a number >= 0"),
        (["--widths", "4", "4"], "`widths`. Expected at least one, all different"),
        (["--widths"], "`widths`. Expected at least one"),
        (["--alphas", "-1"], "`alphas`. Expected a number >= 0"),
        (["--alphas", "1", "inf"], "`alphas`. Expected finite numbers >= 0, of which"),
        (["--alphas", "nan"], "`alphas`. Expected a number >= 0"),
        (["--alphas"], "`alphas`. Expected at least one"),
        (["--width", "0"], "`width`. Expected an integer >= 1. Received: 0"),
    ],
)
def test_wrong_settings_are_refused(capsys, flags, message):
    assert message in runs.refusal(alpha_tradeoff, capsys, *flags)
