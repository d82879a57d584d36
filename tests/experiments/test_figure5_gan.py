"""Figure 5: its plan of runs, what is refused, its measures, its pictures."""

import functools

import pytest

from experiments.engine import run as engine
from experiments.paper.figure5_gan import EXPERIMENT
from experiments.report import gan_figures
from tests.experiments.runs import parse

parse = functools.partial(parse, EXPERIMENT)


def planned(*flags):
    plan = EXPERIMENT.runs(parse("--preset", "paper", *flags), None)
    return [(run.group, run.method, run.seed) for run in plan]


def test_the_papers_preset_has_three_seeds_on_the_ring_and_two_on_the_grid():
    plan = planned()
    assert len(plan) == len(set(plan))
    for method in ("ERM", "mixup 0.2"):
        assert {(g, s) for g, m, s in plan if m == method} == {
            *(("ring", seed) for seed in (0, 1, 2)),
            *(("grid", seed) for seed in (0, 1)),
        }
    rest = [run for run in plan if run[1] not in ("ERM", "mixup 0.2")]
    assert rest == [
        ("ring", "mixup 0.2, objective", 0),
        *(("ring", f"mixup {alpha}", 0) for alpha in (0.1, 0.5, 1)),
        ("grid", "mixup 0.2, objective", 0),
    ]


def test_flags_choose_among_the_runs():
    flags = ("--mode", "author_code", "--seeds", "0")
    alphas = [("ring", f"mixup {alpha}", 0) for alpha in (0.1, 0.5, 1)]
    both = [(g, m, 0) for g in ("ring", "grid") for m in ("ERM", "mixup 0.2")]
    assert planned(*flags) == [*both[:2], *alphas, *both[2:]]
    assert planned(*flags, "--further_alphas") == both
    assert planned(*flags, "--methods", "erm") == [both[0], both[2]]
    only = planned("--mode", "objective", "--methods", "mixup")
    assert only == [(g, "mixup 0.2, objective", 0) for g in ("ring", "grid")]


def test_a_run_says_its_mixture_its_alpha_and_its_mode():
    plan = EXPERIMENT.runs(parse("--seeds", "4", "--data_sets", "ring"), None)
    found = {run.method: tuple(run.settings.values()) for run in plan}
    assert list(plan[0].settings) == ["data_set", "alpha", "mode"]
    assert found == {
        "ERM": ("ring", 0.0, "author_code"),
        "mixup 0.2, objective": ("ring", 0.2, "objective"),
        **{
            f"mixup {alpha:g}": ("ring", alpha, "author_code")
            for alpha in (0.2, 0.1, 0.5, 1.0)
        },
    }


@pytest.mark.slow
def test_a_generator_moves_toward_the_data_and_snapshots_are_kept(tmp_path):
    # Without XLA, which takes 20 seconds.
    flags = ("--preset", "smoke", "--run_dir", str(tmp_path), "--jit_compile", "False")
    result = engine.run(EXPERIMENT, parse(*flags))
    for run, batches in zip(result["runs"], (1, 2), strict=True):
        # Five steps of the discriminator on 128 points, or on two such batches.
        assert run["images_seen"] == 40 * 5 * 128 * batches
        assert [entry["iteration"] for entry in run["epochs"]] == [10, 20, 40]
        distances = [entry["test"]["sliced_wasserstein"] for entry in run["epochs"]]
        assert distances[-1] < distances[0]
        kept = {e["iteration"]: e["samples"] for e in run["epochs"] if "samples" in e}
        assert list(kept) == [10, 40]
        assert gan_figures.read_points(kept[10]).shape == (200, 2)


def test_without_samples_there_are_no_panels(tmp_path):
    runs = [{"group": "ring", "method": "ERM", "epochs": [{"iteration": 10}]}]
    assert gan_figures.kept_samples({"runs": runs}) == {}
    assert gan_figures.samples({}, tmp_path / "samples.png") == []
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--alphas", "2"], "`alphas`. Expected numbers in (0, 1] in mode author_code"),
        (["--further_alphas", "2"], "`further_alphas`. Expected numbers in (0, 1]"),
        (["--data_service", "grpc://localhost:1"], "`data_service`. Expected none"),
    ],
)
def test_flags_that_do_not_fit_are_refused(flags, message, capsys):
    with pytest.raises(SystemExit):
        parse(*flags)
    assert message in capsys.readouterr().err


def test_alphas_above_1_are_fine_for_the_formula():
    assert parse("--mode", "objective", "--alphas", "2").alphas == (2.0,)


def test_only_the_first_seed_of_a_command_keeps_its_samples_in_the_result():
    records = [
        {"seed": seed, "epochs": [{"iteration": 1, "samples": "0,0"}, {"iteration": 2}]}
        for seed in (5, 3, 5)
    ]
    kept = EXPERIMENT.analyze(records, None, parse("--seeds", "5", "3"))
    assert [record["seed"] for record in kept] == [5, 3, 5]
    assert [["samples" in e for e in record["epochs"]] for record in kept] == [
        *([True, False], [False, False], [True, False])
    ]


def test_final_is_the_end_and_the_mean_over_the_second_half():
    epochs = [
        {
            "iteration": iteration,
            "test": {
                "modes_covered": covered,
                "high_quality": 10.0 * covered,
                "three_sigma": 1.0 * covered,
                "sliced_wasserstein": 0.1 * covered,
            },
        }
        for iteration, covered in [(10, 0), (50, 4), (75, 8), (100, 3)]
    ]
    assert EXPERIMENT.final(epochs) == pytest.approx(
        {
            "modes_covered": 3,
            "late_modes_covered": 5,
            "high_quality": 30,
            "late_high_quality": 50,
            "three_sigma": 3,
            "sliced_wasserstein": 0.3,
            "late_sliced_wasserstein": 0.5,
        }
    )


def test_the_papers_panels_are_apart_from_those_of_other_methods(monkeypatch, tmp_path):
    drawn = {}
    monkeypatch.setattr(gan_figures, "curves", lambda result, path: [])
    monkeypatch.setattr(
        gan_figures, "samples", lambda rows, path: drawn.update({path.name: rows}) or []
    )
    papers, others = ["ERM", "mixup 0.2"], ["mixup 0.2, objective", "mixup 0.5"]
    runs = [
        {
            "group": group,
            "method": method,
            "epochs": [{"iteration": 10, "samples": "0,0"}],
        }
        for group in ("ring", "grid")
        for method in papers + others
    ]
    EXPERIMENT.draw({"settings": {"alphas": [0.2]}, "runs": runs}, tmp_path)
    for name, methods in (("samples.png", papers), ("other_samples.png", others)):
        assert list(drawn[name]) == [(g, m) for g in ("ring", "grid") for m in methods]
    # Without a row of the paper there is one picture.
    runs = [run for run in runs if run["method"] in others]
    EXPERIMENT.draw({"settings": {"alphas": [0.2]}, "runs": runs}, tmp_path)
    assert len(drawn["samples.png"]) == 4
    assert drawn["other_samples.png"] == {}
