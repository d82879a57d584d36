"""Figure 5: its plan of runs, what is refused, its measures, its pictures."""

import functools

import numpy as np
import pytest

from experiments import gan, mixtures
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
            *(("ring, non-saturating", seed) for seed in (0, 1, 2)),
            *(("grid", seed) for seed in (0, 1)),
        }
    rest = [run for run in plan if run[1] not in ("ERM", "mixup 0.2")]
    assert rest == [
        ("ring", "mixup 0.2, objective", 0),
        *(("ring", f"mixup {alpha}", 0) for alpha in (0.1, 0.5, 1)),
        ("ring, non-saturating", "mixup 0.2, objective", 0),
        ("grid", "mixup 0.2, objective", 0),
    ]


def test_flags_choose_among_the_runs():
    flags = ("--mode", "author_code", "--seeds", "0", "--generator_losses", "minimax")
    alphas = [("ring", f"mixup {alpha}", 0) for alpha in (0.1, 0.5, 1)]
    both = [(g, m, 0) for g in ("ring", "grid") for m in ("ERM", "mixup 0.2")]
    assert planned(*flags) == [*both[:2], *alphas, *both[2:]]
    assert planned(*flags, "--further_alphas") == both
    assert planned(*flags, "--methods", "erm") == [both[0], both[2]]
    only = planned("--mode", "objective", "--methods", "mixup", *flags[-2:])
    assert only == [(g, "mixup 0.2, objective", 0) for g in ("ring", "grid")]


def test_the_first_loss_has_the_whole_plan_and_the_other_the_ring_alone():
    of_minimax = planned("--generator_losses", "minimax")
    of_other = planned("--generator_losses", "non_saturating")
    assert of_other == [(f"{g}, non-saturating", m, s) for g, m, s in of_minimax]
    both = planned("--generator_losses", "non_saturating", "minimax")
    assert set(of_other) < set(both)
    assert {run[:2] for run in set(both) - set(of_other)} == {
        ("ring", method) for method in ("ERM", "mixup 0.2", "mixup 0.2, objective")
    }


def test_a_run_of_minimax_is_what_it_was_when_the_loss_was_a_setting():
    settings = parse("--data_sets", "ring", "--seeds", "0")
    run, *_ = EXPERIMENT.runs(settings, None)
    assert run.folder_name == "ring_erm_seed_0"
    claim = engine.claims_of(settings, [run])[run.folder_name]
    assert claim["generator_loss"] == "minimax"
    assert "generator_losses" not in claim


@pytest.mark.parametrize("loss", ["minimax", "non_saturating"])
def test_a_run_trains_by_its_loss(loss, monkeypatch, tmp_path):
    flags = ("--preset", "smoke", "--generator_losses", loss)
    made = []
    monkeypatch.setattr(
        gan, "train", lambda *_, make_gan, **kwargs: made.append(make_gan())
    )
    settings = parse(*flags)
    for run in EXPERIMENT.runs(settings, None):
        EXPERIMENT.train(run, None, settings, tmp_path)
    assert [one.generator_loss for one in made] == [loss, loss]


def test_a_run_says_its_mixture_its_alpha_and_its_mode():
    plan = EXPERIMENT.runs(parse("--seeds", "4", "--data_sets", "ring"), None)
    found = {(run.group, run.method): tuple(run.settings.values()) for run in plan}
    assert list(plan[0].settings) == ["data_set", "alpha", "mode", "generator_loss"]
    assert found == {
        ("ring", "mixup 0.1"): ("ring", 0.1, "author_code", "minimax"),
        ("ring", "mixup 0.5"): ("ring", 0.5, "author_code", "minimax"),
        ("ring", "mixup 1"): ("ring", 1.0, "author_code", "minimax"),
        **{
            (group, method): ("ring", alpha, mode, loss)
            for group, loss in (
                ("ring", "minimax"),
                ("ring, non-saturating", "non_saturating"),
            )
            for method, alpha, mode in (
                ("ERM", 0.0, "author_code"),
                ("mixup 0.2", 0.2, "author_code"),
                ("mixup 0.2, objective", 0.2, "objective"),
            )
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


def test_the_panels_of_another_loss_show_the_points_of_their_own_mixture():
    for mixture in ("ring", "grid"):
        points = gan_figures._real(f"{mixture}, non-saturating")
        np.testing.assert_array_equal(points, gan_figures._real(mixture))
        distances = np.linalg.norm(points[:, None] - mixtures.modes(mixture), axis=-1)
        assert distances.min(axis=1).max() < 0.1
        assert set(distances.argmin(axis=1)) == set(range(len(distances[0])))


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
