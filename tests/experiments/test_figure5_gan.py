"""Figure 5: the smoke preset from end to end, its plan, its table, its pictures."""

import json
import pathlib

import pytest

from experiments import gan_training
from experiments.paper import figure5_gan
from experiments.report import gan_figures, result_file
from tests.experiments import runs

FINAL = {"modes_covered", "high_quality", "three_sigma", "sliced_wasserstein"}
FINAL |= {f"late_{name}" for name in FINAL - {"three_sigma"}}


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    """Settings, result and what was printed; without XLA, which takes 20 seconds."""
    folder = tmp_path_factory.mktemp("runs")
    settings = runs.parse(
        *(figure5_gan, "--preset", "smoke", "--run_dir", folder),
        *("--jit_compile", "False"),
    )
    return settings, *runs.recorded(figure5_gan, settings)


def test_the_result_of_the_smoke_preset_has_the_schema(smoke):
    settings, result, printed = smoke
    stored = result_file.read(
        pathlib.Path(settings.run_dir) / "figure5_gan" / "smoke.json"
    )
    assert stored == json.loads(json.dumps(result))
    assert set(stored) == runs.KEYS
    assert (stored["item"], stored["paper"]) == ("Figure 5", {})
    found = [(run["group"], run["method"], run["seed"]) for run in stored["runs"]]
    assert found == [("ring", "ERM", 0), ("ring", "mixup 0.2", 0)]
    for run, batches in zip(stored["runs"], (1, 2), strict=True):
        assert set(run) == runs.OF_A_RUN
        assert run["images_seen"] == 40 * 5 * 128 * batches
        assert [entry["iteration"] for entry in run["epochs"]] == [10, 20, 40]
        assert set(run["final"]) == FINAL
        kept = [entry["iteration"] for entry in run["epochs"] if "samples" in entry]
        assert kept == [10, 40]
        assert len(gan_figures.read_points(run["epochs"][0]["samples"])) == 200
    assert "| ring | mixup 0.2 |" in printed


def test_a_generator_moves_toward_the_data(smoke):
    _, result, _ = smoke
    for run in result["runs"]:
        distances = [entry["test"]["sliced_wasserstein"] for entry in run["epochs"]]
        assert distances[-1] < distances[0]


def test_the_same_command_trains_nothing(smoke, monkeypatch):
    settings, result, _ = smoke
    monkeypatch.setattr(gan_training, "fit", None)
    again, printed = runs.recorded(figure5_gan, settings)
    assert again["runs"] == result["runs"]
    assert printed.count(": done before") == 2


def planned(*flags):
    plan = figure5_gan.plan(runs.parse(figure5_gan, *flags))
    return [(run.group, run.method, run.seed) for run in plan]


def test_the_papers_preset_has_the_runs_of_the_issue():
    plan = planned("--preset", "paper")
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
    flags = ("--preset", "paper", "--mode", "author_code", "--seeds", "0")
    alphas = [("ring", f"mixup {alpha}", 0) for alpha in (0.1, 0.5, 1)]
    both = [(g, m, 0) for g in ("ring", "grid") for m in ("ERM", "mixup 0.2")]
    assert planned(*flags) == [*both[:2], *alphas, *both[2:]]
    assert planned(*flags, "--further_alphas") == both
    assert planned(*flags, "--methods", "erm") == [both[0], both[2]]
    only = planned("--preset", "paper", "--mode", "objective", "--methods", "mixup")
    assert only == [(g, "mixup 0.2, objective", 0) for g in ("ring", "grid")]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--mode", "paper"], "Invalid value received for `mode`. Expected some of"),
        (["--data_sets", "spiral"], "`data_sets`. Expected some of ['ring', 'grid']"),
        (["--alphas", "2"], "`alphas`. Expected numbers in (0, 1] in mode author_code"),
        (["--further_alphas", "0"], "Expected numbers in (0, 1]"),
        (["--snapshots", "10", "30000"], "`snapshots`. Expected iterations from 1 to"),
        (["--mix_in", "pipeline"], "`mix_in`. Expected train_step"),
        (["--checkpoint_steps", "5"], "`checkpoint_steps`. Expected 0: a GAN is saved"),
        (["--data_service", "grpc://localhost:1"], "`data_service`. Expected none"),
        (["--every", "0"], "`every`. Expected a number >= 1. Received: 0"),
        (["--grid_seeds", "0"], "`grid_seeds`. Expected a number >= 1. Received: 0"),
    ],
)
def test_flags_that_do_not_fit_are_refused(flags, message, capsys):
    assert message in runs.refusal(figure5_gan, capsys, *flags)


def test_alphas_above_1_are_fine_for_the_formula():
    flags = ("--mode", "objective", "--alphas", "2", "--further_alphas")
    assert runs.parse(figure5_gan, *flags).alphas == (2.0,)


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
    assert figure5_gan.final(epochs) == pytest.approx(
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


def test_pictures_are_made_from_the_result_alone(smoke, tmp_path):
    _, result, _ = smoke
    drawn = figure5_gan.draw(json.loads(json.dumps(result)), tmp_path)
    assert [path.name for path in drawn] == ["samples.png", "curves.png"]
    for path in drawn:
        assert path.stat().st_size > 10_000
    for run in result["runs"]:
        for entry in run["epochs"]:
            entry.pop("samples", None)
    kept = gan_figures.kept_samples(result)
    assert gan_figures.samples(kept, tmp_path / "none.png") == []


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
    gan_figures.draw({"settings": {"alphas": [0.2]}, "runs": runs}, tmp_path)
    for name, methods in (("samples.png", papers), ("other_samples.png", others)):
        assert list(drawn[name]) == [(g, m) for g in ("ring", "grid") for m in methods]
    # Without a row of the paper there is one picture.
    runs = [run for run in runs if run["method"] in others]
    gan_figures.draw({"settings": {"alphas": [0.2]}, "runs": runs}, tmp_path)
    assert len(drawn["samples.png"]) == 4
    assert drawn["other_samples.png"] == {}
