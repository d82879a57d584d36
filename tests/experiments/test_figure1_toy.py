"""Figure 1b: the smoke preset from end to end, what is measured by hand, its picture."""

import json
import math
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from experiments import configuration, surfaces
from experiments.engine import training
from experiments.paper import figure1_toy
from experiments.report import result_file
from tests.experiments import runs

METHODS = ("ERM", "mixup 1")
END = {"r_squared", "curve_r_squared", "gradient_mean", "gradient_max", "curve"}


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    """Settings, result and what was printed."""
    folder = tmp_path_factory.mktemp("runs")
    settings = runs.parse(figure1_toy, "--preset", "smoke", "--run_dir", folder)
    return settings, *runs.recorded(figure1_toy, settings)


def without_training(monkeypatch):
    """Replaces training by made-up records, with what is measured at the end."""
    calls = runs.without_training(monkeypatch)
    made_up = training.fit

    def fit(*arguments, at_end):
        record = made_up(*arguments)
        record[-1]["end"] = at_end(linear([1.0, 0.0], 0.0))
        return record

    monkeypatch.setattr(training, "fit", fit)
    return calls


def linear(weights, bias):
    """A network whose logit is linear in the point."""
    weights = tf.constant(weights, tf.float32)[:, tf.newaxis]
    return lambda x: x @ weights + bias


def test_the_result_of_the_smoke_preset_has_the_schema(smoke):
    settings, result, printed = smoke
    folder = pathlib.Path(settings.run_dir) / "figure1_toy"
    stored = result_file.read(folder / "smoke.json")
    assert stored == json.loads(json.dumps(result))
    assert set(stored) == runs.KEYS
    assert (stored["experiment"], stored["item"]) == ("figure1_toy", "Figure 1b")
    assert stored["settings"] == json.loads(json.dumps(vars(settings)))
    assert stored["paper"] == figure1_toy.paper() == {}
    assert f"Wrote {folder / 'smoke.json'}\n" in printed
    found = [(run["group"], run["method"], run["seed"]) for run in stored["runs"]]
    assert found == [("circles", method, 0) for method in METHODS]
    for run in stored["runs"]:
        assert set(run) == runs.OF_A_RUN
        assert run["settings"]["alpha"] == (0 if run["method"] == "ERM" else 1)
        assert run["images_seen"] == 60 * 128
        assert run["final"] == figure1_toy.final(run["epochs"])
        first, last = run["epochs"]
        assert (first["epoch"], last["epoch"]) == (1, 2)
        for epoch in (first, last):
            assert epoch["learning_rate"] == pytest.approx(1e-3)
            for part in ("train", "test"):
                assert set(epoch[part]) == {"loss", "error"}
                assert math.isfinite(epoch[part]["loss"])
                assert 0 <= epoch[part]["error"] <= 100
        assert "end" not in first
        assert set(last["end"]) - {"reliability"} == END | {"surface"}
        assert len(last["end"]["curve"]) == 21
        assert 0 < last["end"]["gradient_mean"] < last["end"]["gradient_max"]


def test_circles_are_learned(smoke):
    _, result, _ = smoke
    for run in result["runs"]:
        first, last = run["epochs"]
        assert last["test"]["loss"] < first["test"]["loss"] < math.log(2)
        # Half of the points are of each class.
        assert last["test"]["error"] < 45
        # Class 1 is at lam = 1.
        assert last["end"]["curve"][-1] > last["end"]["curve"][0] + 0.05


def test_both_methods_are_given_the_same_points(smoke):
    _, result, _ = smoke
    erm, mixup = (run["epochs"][-1]["end"]["surface"] for run in result["runs"])
    assert erm["class_0"] == mixup["class_0"]
    assert erm["extent"] == mixup["extent"]
    assert erm["p"] != mixup["p"]
    points, _ = surfaces.draw_points("circles", 300, 200, 0.1, seed=0)
    inside = points[0][points[1][:, 0] == 1]
    np.testing.assert_allclose(surfaces.as_rows(erm["class_1"]).T, inside, atol=5.1e-4)


def test_the_printed_cells_are_what_was_measured_in_per_cent(smoke):
    _, result, printed = smoke
    head = "| Shape | Method | Test error (%) | R² of p against lam (%) | "
    lines = printed.splitlines()
    (start,) = (i for i, line in enumerate(lines) if line.startswith(head))
    for line, run in zip(lines[start + 2 :], result["runs"], strict=False):
        last = run["epochs"][-1]
        cells = [f"{last['test']['error']:.1f}"]
        for name in ("r_squared", "curve_r_squared", "gradient_mean", "gradient_max"):
            cells.append(f"{100 * last['end'][name]:.1f}")
        cells.append(f"{run['final']['calibration_error']:.1f}")
        assert line == f"| circles | {run['method']} | {' | '.join(cells)} |"


def test_the_final_numbers_are_of_the_last_epoch_in_per_cent():
    end = {"r_squared": -0.5, "curve_r_squared": 0.25, "gradient_mean": 0.75}
    epochs = [
        {"test": {"error": 9.0}},
        {"test": {"error": 5.0}, "end": {**end, "gradient_max": 2.0, "curve": [0, 1]}},
    ]
    assert figure1_toy.final(epochs) == {
        "test_error": 5.0,
        "r_squared": -50.0,
        "curve_r_squared": 25.0,
        "gradient_mean": 75.0,
        "gradient_max": 200.0,
    }


def test_the_picture_is_made_from_the_result_file_alone(smoke, tmp_path):
    settings, _, _ = smoke
    folder = pathlib.Path(settings.run_dir) / "figure1_toy"
    runs.check_picture(folder / "surfaces.png")
    drawn = figure1_toy.draw(result_file.read(folder / "smoke.json"), tmp_path)
    assert [path.name for path in drawn] == ["surfaces.png", "reliability.png"]
    for path in drawn:
        assert path.read_bytes() == (folder / path.name).read_bytes()


def test_a_second_run_takes_up_the_records(smoke, monkeypatch):
    settings, result, _ = smoke
    runs.check_reused(figure1_toy, settings, result, monkeypatch)


def test_the_surface_kept_is_that_of_whatever_seed_is_first(
    smoke, monkeypatch, tmp_path
):
    calls = without_training(monkeypatch)
    monkeypatch.setattr(runs, "without_training", lambda monkeypatch: calls)
    (result, printed), _ = runs.added(
        figure1_toy, smoke[0], monkeypatch, tmp_path, "--seeds", 5, 0
    )
    assert printed.count(": done before") == 2
    assert [call.folder.name[-1] for call in calls] == ["5", "5"]
    kept = ["surface" in run["epochs"][-1]["end"] for run in result["runs"]]
    assert kept == [True, True, False, False]


@pytest.mark.parametrize("preset", ["paper", "cpu"])
def test_the_presets_are_those_of_the_specification(preset):
    settings = runs.parse(figure1_toy, "--preset", preset)
    expected = {
        "shapes": ("circles", "moons"),
        "seeds": (0, 1, 2),
        "methods": ("erm", "mixup"),
        "alphas": (1.0,),
        "points": 300,
        "noise": 0.1,
        "steps": 2000,
        "batch_size": 128,
        "width": 512,
        "learning_rate": 1e-3,
        "pairs": 500,
        "max_steps": 0,
        "mix_in": "train_step",
        "precision": "float32",
    }
    assert {name: getattr(settings, name) for name in expected} == expected


def test_the_runs_of_the_paper_train_an_mlp_by_adam(monkeypatch, tmp_path):
    calls, built = without_training(monkeypatch), runs.tiny_networks(monkeypatch)
    flags = ["--preset", "paper", "--seeds", 0, "--run_dir", tmp_path]
    result, printed = runs.recorded(figure1_toy, runs.parse(figure1_toy, *flags))
    assert len(calls) == len(result["runs"]) == 4
    for call in calls:
        assert call.epochs * call.data.steps_per_epoch == 2000
        assert [call.rate_at(step) for step in (0, 1999)] == pytest.approx([1e-3] * 2)
    erm, mixup = (call.make_model() for call in calls[:2])
    network = {"input_shape": (2,), "num_classes": 1, "width": 512, "depth": 3}
    assert built == [{"name": "mlp", **network}] * 2
    assert (erm.mixup.alpha, mixup.mixup.alpha) == (0, 1)
    assert (mixup.mixup.per, mixup.mixup.seed) == ("batch", 0)
    assert type(mixup.optimizer) is keras.optimizers.Adam
    assert "| moons | mixup 1 | 12.0 | " in printed
    # Shades everywhere: no surface takes more of the result file.
    for run in result["runs"]:
        surface = run["epochs"][-1]["end"]["surface"]
        assert len(surface["p"]) == 61
        assert len(json.dumps(surface, indent=1)) < 28_000
    runs.check_picture(tmp_path / "figure1_toy" / "surfaces.png")


def test_batches_run_through_the_points_and_over_the_ends_of_passes(
    monkeypatch, tmp_path
):
    calls = without_training(monkeypatch)
    flags = ["--preset", "smoke", "--steps_per_epoch", 3, "--run_dir", tmp_path]
    runs.recorded(figure1_toy, runs.parse(figure1_toy, *flags))
    batches = list(calls[0].data.batches(0).take(75).as_numpy_iterator())
    assert {(x.shape, y.shape) for x, y in batches} == {((128, 2), (128, 1))}
    # 75 batches are 32 passes over the 300 points.
    passes = np.concatenate([x for x, _ in batches]).reshape(32, 300, 2)
    (x, y), _ = surfaces.draw_points("circles", 300, 200, 0.1, seed=0)
    for one in passes:
        np.testing.assert_array_equal(sorted(map(tuple, one)), sorted(map(tuple, x)))
    assert not np.array_equal(passes[0], passes[1])
    labels = dict(zip(map(tuple, x), y[:, 0], strict=True))
    assert [labels[tuple(point)] for point in batches[0][0]] == [*batches[0][1][:, 0]]
    # A resumed run sees what it would have seen.
    (resumed,) = calls[0].data.batches(4).take(1).as_numpy_iterator()
    np.testing.assert_array_equal(resumed[0], batches[12][0])


@pytest.mark.slow
def test_mixing_in_the_pipeline_trains_as_mixing_in_the_train_step(smoke, tmp_path):
    _, before, _ = smoke
    settings = runs.parse(
        figure1_toy, "--preset", "smoke", "--mix_in", "pipeline", "--methods", "mixup",
        "--run_dir", tmp_path,
    )  # fmt: skip
    result, _ = runs.recorded(figure1_toy, settings)
    (run,) = result["runs"]
    erm, mixup = (run["epochs"] for run in before["runs"])
    for here, there in zip(run["epochs"], mixup, strict=True):
        for part in ("train", "test"):
            loss = pytest.approx(there[part]["loss"], rel=1e-4)
            assert here[part]["loss"] == loss
    assert erm[-1]["train"]["loss"] != pytest.approx(here["train"]["loss"], rel=0.01)


def test_the_loss_is_the_cross_entropy_of_the_mixed_label():
    # The first step's loss, before its update, is that of the points mixed outside.
    (x, y), _ = surfaces.draw_points("moons", 8, 2, 0.1, seed=0)
    mixup = keras_mixup.MixUp(1.0, seed=3, jit_compile=False)
    mixed_x, mixed_y = mixup.at_step(0, (x, y))
    assert 0 < float(tf.reduce_min(tf.abs(mixed_y - 0.5))) < 0.5
    network = keras_mixup.models.build("mlp", input_shape=(2,), num_classes=1, width=4)
    model = keras_mixup.MixUpModel(network, mixup)
    model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True))
    logit = network(mixed_x).numpy().astype("float64")
    expected = np.log1p(np.exp(logit)) - mixed_y.numpy() * logit
    found = model.train_on_batch(x, y)
    assert float(np.ravel(found)[0]) == pytest.approx(expected.mean(), rel=1e-5)


@pytest.mark.parametrize(
    ("shape", "law"),
    [
        # The radius is 1 and 1/2; class 1 is the inner one.
        ("circles", lambda x, y: np.hypot(*x.T) - np.where(y == 1, 0.5, 1)),
        # Half circles about (0, 0) and (1, 1/2).
        ("moons", lambda x, y: np.hypot(*(x - y[:, np.newaxis] * [1, 0.5]).T) - 1),
    ],
)
def test_points_are_of_the_law_of_their_shape(shape, law):
    (x, y), (test_x, test_y) = surfaces.draw_points(shape, 300, 5000, 0.1, seed=0)
    assert (x.shape, y.shape, test_x.shape) == ((300, 2), (300, 1), (5000, 2))
    assert (x.dtype, y.dtype) == ("float32", "float32")
    for part, labels in ((x, y), (test_x, test_y)):
        assert labels.mean() == 0.5
        distance = law(part, labels[:, 0])
        # Noise of .1 in both directions: a tenth along the radius, and a little out.
        assert np.std(distance) == pytest.approx(0.1, abs=0.015)
        assert np.mean(distance) == pytest.approx(0, abs=0.03)
    assert not set(map(tuple, x)) & set(map(tuple, test_x))
    (again, _), _ = surfaces.draw_points(shape, 300, 5000, 0.1, seed=0)
    np.testing.assert_array_equal(x, again)
    (other, _), _ = surfaces.draw_points(shape, 300, 5000, 0.1, seed=1)
    assert np.abs(x - other).max() > 0.1


def test_the_gradient_of_a_linear_logit_is_known_in_closed_form():
    points = np.array([[0, 0], [1, 0], [0, 2], [-1, 1]], "float32")
    p, norms = surfaces.with_gradient_norms(linear([3.0, -4.0], 0.5), points)
    expected = 1 / (1 + np.exp(-(points @ [3.0, -4.0] + 0.5)))
    np.testing.assert_allclose(p, expected, rtol=1e-4)
    # p (1 - p) times the norm of the weights.
    np.testing.assert_allclose(norms, expected * (1 - expected) * 5, rtol=1e-3)


def test_segments_go_from_class_0_at_lam_0_to_class_1_at_lam_1():
    zeros, ones = np.array([[-2, 7], [0, 0]]), np.array([[2, 9], [1, 0]])
    p = surfaces.on_segments(linear([1.0, 0.0], 0.0), zeros, ones, [0, 0.5, 1])
    expected = 1 / (1 + np.exp([[2, 0, -2], [0, -0.5, -1]]))
    np.testing.assert_allclose(p, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("p", "expected"),
    [
        ([[0, 0.5, 1]], 1),
        ([[0.5, 0.5, 0.5]], 0),
        # A step: .25 of .5 is left.
        ([[0, 0, 1]], 0.5),
        # The wrong way round: 2 of .5.
        ([[1, 0.5, 0]], -3),
        # Over both: 2 of 1. The mean curve is 1/2.
        ([[0, 0.5, 1], [1, 0.5, 0]], -1),
    ],
)
def test_r_squared_by_hand(p, expected):
    assert surfaces.r_squared(p, np.array([0, 0.5, 1])) == pytest.approx(expected)


def test_what_is_measured_of_a_linear_logit():
    # One point of each class: every pair is they, and lam is the first coordinate.
    x, y = np.array([[0, 0], [1, 0.5]], "float32"), np.array([[0], [1]], "float32")
    found = surfaces.measure(linear([2.0, 0.0], -1.0), x, y, pairs=3, grid=4, seed=0)
    lam = np.linspace(0, 1, 21)
    curve = 1 / (1 + np.exp(1 - 2 * lam))
    np.testing.assert_allclose(found["curve"], curve, atol=1e-4)
    left = ((curve - lam) ** 2).sum() / ((lam - 0.5) ** 2).sum()
    assert found["r_squared"] == pytest.approx(1 - left, abs=1e-5)
    assert found["curve_r_squared"] == pytest.approx(1 - left, abs=1e-5)
    # The grid is from -1/4 to 5/4, and p is of the first coordinate alone.
    across = 1 / (1 + np.exp(1 - 2 * np.array([-0.25, 0.25, 0.75, 1.25])))
    norms = 2 * across * (1 - across)
    assert found["gradient_mean"] == pytest.approx(norms.mean(), rel=1e-4)
    assert found["gradient_max"] == pytest.approx(norms.max(), rel=1e-4)
    surface = found["surface"]
    assert surface["extent"] == [-0.25, 1.25, -0.25, 0.75]
    p = surfaces.as_rows(surface["p"])
    np.testing.assert_allclose(p, [across] * 4, atol=6e-4)
    assert (surface["class_0"], surface["class_1"]) == (["0", "0"], ["1", "0.5"])


def test_pairs_depend_on_the_seed_alone():
    (x, y), _ = surfaces.draw_points("moons", 40, 2, 0.1, seed=0)
    network = linear([1.0, -1.0], 0.0)
    first, again, other = (
        surfaces.measure(network, x, y, 5, 2, seed)["r_squared"] for seed in (0, 0, 1)
    )
    assert first == again != other


def test_the_rows_of_a_surface_begin_below():
    x, y = np.array([[0, 0], [1, 1]], "float32"), np.array([[0], [1]], "float32")
    surface = surfaces.measure(linear([0.0, 2.0], 0.0), x, y, 1, 3, 0)["surface"]
    p = surfaces.as_rows(surface["p"])
    expected = 1 / (1 + np.exp(-2 * np.array([-0.25, 0.5, 1.25])))
    np.testing.assert_allclose(p, np.tile(expected, (3, 1)).T, atol=6e-4)


def test_numbers_are_kept_as_text_of_three_decimals():
    rows = np.array([[0.0, 1.0, 0.12345], [-0.0001, 1e-5, -1.5]])
    text = surfaces.as_text(rows)
    assert text == ["0 1 0.123", "0 0 -1.5"]
    np.testing.assert_allclose(surfaces.as_rows(text), rows, atol=5e-4)


def test_a_hit_is_of_the_heavier_part_of_the_label():
    y, logits = [[0.0], [1.0], [0.7], [0.7], [0.3]], [[-1.0], [-1.0], [2], [-2], [-2]]
    found = figure1_toy.hits(tf.constant(y), tf.constant(logits, tf.float32))
    assert found.numpy().tolist() == [1, 0, 1, 0, 1]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--shapes", "spirals"], "['circles', 'moons']. Received: ['spirals']"),
        (["--shapes"], "`shapes`"),
        (["--steps", "250"], "a multiple of `steps_per_epoch` (200). Received: 250"),
        (["--steps", "0"], "`steps`. Expected a number >= 1"),
        (["--steps_per_epoch", "0"], "`steps_per_epoch`. Expected a number >= 1"),
        (["--points", "1"], "`points`. Expected a number >= 2"),
        (["--test_points", "1"], "`test_points`. Expected a number >= 2"),
        (["--pairs", "0"], "`pairs`. Expected a number >= 1"),
        (["--width", "0"], "`width`. Expected a number >= 1"),
        (["--grid", "1"], "`grid`. Expected a number >= 2"),
        (["--grid", "62"], "`grid`. Expected at most 61"),
        (["--noise", "-1"], "`noise`. Expected a number >= 0"),
        (["--alphas", "0"], "`alphas`. Expected different numbers above 0"),
        (["--learning_rate", "0"], "`learning_rate`. Expected a number > 0"),
    ],
)
def test_wrong_settings_are_refused(capsys, flags, message):
    assert message in runs.refusal(figure1_toy, capsys, *flags)


def test_other_settings_do_not_take_up_the_records(smoke, monkeypatch):
    settings, _, _ = smoke
    calls = without_training(monkeypatch)
    flags = ["--preset", "smoke", "--run_dir", settings.run_dir, "--noise", "0.2"]
    with pytest.raises(configuration.Refusal, match=r"noise: 0.1 there, 0.2 now"):
        runs.recorded(figure1_toy, runs.parse(figure1_toy, *flags))
    assert calls == []
