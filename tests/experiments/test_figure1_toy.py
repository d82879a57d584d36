"""Figure 1b: what its runs are, and what is kept of them."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from experiments import classifier, settings
from experiments.engine import fit
from experiments.paper import surfaces
from experiments.paper.figure1_toy import EXPERIMENT


def parse(*flags):
    flags = [str(flag) for flag in flags]
    return settings.parse(EXPERIMENT.settings, EXPERIMENT.presets, flags, "prog")


def planned(monkeypatch, *flags):
    """The runs, and what each gives `fit`, which trains nothing."""
    calls = []

    def without_training(make_model, course, settings, folder):
        calls.append((make_model, course))
        return []

    monkeypatch.setattr(fit, "fit", without_training)
    chosen = parse(*flags)
    runs = EXPERIMENT.runs(chosen, None)
    for run in runs:
        EXPERIMENT.train(run, None, chosen, None)
    return runs, calls


def smoke(folder, method, place="train_step"):
    """The record of a run of the smoke preset."""
    chosen = parse("--preset", "smoke", "--methods", method, "--mix_in", place)
    (run,) = EXPERIMENT.runs(chosen, None)
    keras.utils.set_random_seed(run.seed)
    epochs, seen = EXPERIMENT.train(run, None, chosen, folder)
    assert seen == 60 * 128
    return epochs


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The records of ERM and of mixup."""
    return [smoke(tmp_path_factory.mktemp("run"), name) for name in ("erm", "mixup")]


def test_circles_are_learned(trained):
    for first, last in trained:
        assert last["test"]["loss"] < first["test"]["loss"] < math.log(2)
        # Half of the points are of each class.
        assert last["test"]["error"] < 45
        # Class 1 is at lam = 1.
        assert last["end"]["curve"][-1] > last["end"]["curve"][0] + 0.05
        assert 0 < last["end"]["gradient_mean"] < last["end"]["gradient_max"]


def test_both_methods_are_given_the_same_points(trained):
    erm, mixup = (epochs[-1]["end"]["surface"] for epochs in trained)
    assert erm["class_0"] == mixup["class_0"]
    assert erm["extent"] == mixup["extent"]
    assert erm["p"] != mixup["p"]
    points, _ = surfaces.draw_points("circles", 300, 200, 0.1, seed=0)
    inside = points[0][points[1][:, 0] == 1]
    np.testing.assert_allclose(surfaces.as_rows(erm["class_1"]).T, inside, atol=5.1e-4)


@pytest.mark.slow
def test_mixing_in_the_pipeline_trains_as_in_the_train_step(trained, tmp_path):
    (erm, mixup), piped = trained, smoke(tmp_path, "mixup", "pipeline")
    for here, there in zip(piped, mixup, strict=True):
        for part in ("train", "test"):
            assert here[part]["loss"] == pytest.approx(there[part]["loss"], rel=1e-4)
    found = piped[-1]["train"]["loss"]
    assert erm[-1]["train"]["loss"] != pytest.approx(found, rel=0.01)


def test_the_final_numbers_are_of_the_last_epoch_in_per_cent():
    end = {"r_squared": -0.5, "curve_r_squared": 0.25, "gradient_mean": 0.75}
    epochs = [
        {"test": {"error": 9.0}},
        {"test": {"error": 5.0}, "end": {**end, "gradient_max": 2.0, "curve": [0, 1]}},
    ]
    assert EXPERIMENT.final(epochs) == {
        "test_error": 5.0,
        "r_squared": -50.0,
        "curve_r_squared": 25.0,
        "gradient_mean": 75.0,
        "gradient_max": 200.0,
    }


def test_the_surface_kept_is_that_of_whatever_seed_is_first():
    records = [
        {"seed": seed, "epochs": [{}, {"end": {"surface": "text", "curve": [0, 1]}}]}
        for seed in (0, 5, 0, 5)
    ]
    found = EXPERIMENT.analyze(records, None, parse("--seeds", 5, 0))
    ends = [record["epochs"][-1]["end"] for record in found]
    assert ["surface" in end for end in ends] == [False, True, False, True]
    assert all("curve" in end for end in ends)


def test_the_runs_are_of_both_shapes_and_train_by_adam(monkeypatch):
    runs, calls = planned(monkeypatch, "--preset", "paper")
    assert [(run.group, run.seed, run.method) for run in runs] == [
        (shape, seed, method)
        for shape in ("circles", "moons")
        for seed in (0, 1, 2)
        for method in ("ERM", "mixup 1")
    ]
    for _, course in calls:
        assert (course.epochs, course.steps_per_epoch) == (10, 200)
        assert course.examples_seen == 2_000 * 128
        for step in (0, 1_999):
            assert float(course.learning_rate(step)) == pytest.approx(1e-3)
    models = [make_model() for make_model, _ in calls[2:4]]
    for model, alpha in zip(models, (0, 1), strict=True):
        sizes = [weight.shape for weight in model.network.trainable_variables]
        assert sizes == [
            *[(2, 512), (512,), (512, 512), (512,), (512, 512), (512,)],
            *[(512, 1), (1,)],
        ]
        mixup = model.mixup
        assert (mixup.alpha, mixup.per, mixup.seed) == (alpha, "batch", 1)
        assert type(model.optimizer) is keras.optimizers.Adam
        assert isinstance(model.loss, keras.losses.BinaryCrossentropy)


def test_batches_run_through_the_points_and_over_the_ends_of_passes(monkeypatch):
    flags = ["--preset", "smoke", "--steps_per_epoch", 3]
    _, ((_, course), _) = planned(monkeypatch, *flags)
    batches = list(course.batches(0).take(75).as_numpy_iterator())
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
    (resumed,) = course.batches(4).take(1).as_numpy_iterator()
    np.testing.assert_array_equal(resumed[0], batches[12][0])


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


def test_a_hit_is_of_the_heavier_part_of_the_label():
    y, logits = [[0.0], [1.0], [0.7], [0.7], [0.3]], [[-1.0], [-1.0], [2], [-2], [-2]]
    found = classifier.hits(tf.constant(y), tf.constant(logits, tf.float32))
    assert found.numpy().tolist() == [1, 0, 1, 0, 1]


def test_steps_that_are_no_whole_epochs_are_refused(capsys):
    with pytest.raises(SystemExit):
        parse("--steps", 250)
    assert "a multiple of `steps_per_epoch` (200). Received: 250" in (
        capsys.readouterr().err
    )
