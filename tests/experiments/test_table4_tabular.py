"""Table 4: what the runs of the paper are, and where they mix."""

import functools

import keras
import numpy as np
import pytest

from experiments.data import sources, uci
from experiments.paper.table4_tabular import EXPERIMENT
from tests.experiments.runs import parse, planned

# Columns and classes of UCI's tables; a sex is three columns.
SIZES = {
    "abalone": (10, 28),
    "arcene": (10_000, 2),
    "arrhythmia": (279, 13),
    "htru2": (8, 2),
    "iris": (4, 3),
    "phishing": (9, 3),
}
ALPHAS = (0.0, 0.1, 0.2, 0.4, 1.0)


parse = functools.partial(parse, EXPERIMENT)


def planned_tables(monkeypatch, *flags):
    """The runs on tables of 40 random rows, and what each gives `fit`."""

    def load_table(name, places):
        columns, classes = SIZES[name]
        generator = np.random.default_rng(0)
        features = generator.normal(size=(40, columns)).astype("float32")
        return features, generator.integers(0, classes, 40, "int32"), classes

    monkeypatch.setattr(uci, "load_table", load_table)
    data = EXPERIMENT.load(parse(*flags))
    return planned(EXPERIMENT, monkeypatch, data, *flags)


def test_the_final_number_is_of_the_last_epoch():
    epochs = [{"test": {"error": error}} for error in (9.0, 3.0, 5.0)]
    assert EXPERIMENT.final(epochs) == {"test_error": 5.0}


def test_the_plan_is_all_tables_with_ten_seeds_and_four_alphas(monkeypatch):
    runs, calls = planned_tables(monkeypatch, "--preset", "paper")
    assert [(run.group, run.seed, run.settings["alpha"]) for run in runs] == [
        (table, seed, alpha)
        for table in SIZES
        for seed in range(10)
        for alpha in ALPHAS
    ]
    assert len({run.folder_name for run in runs}) == len(calls) == 300
    assert {run.examples["all"] for run in runs} == {40}


def test_the_runs_of_the_paper_train_by_adam_on_halves(monkeypatch):
    runs, calls = planned_tables(monkeypatch, "--preset", "paper", "--seeds", 7)
    for run, (make_model, course) in zip(runs, calls, strict=True):
        # Of 40 examples 20 are tested on, and 20 are two mini-batches of up to 16.
        assert (course.epochs, course.steps_per_epoch, course.count) == (10, 2, 20)
        assert [float(course.learning_rate(step)) for step in (0, 1_000)] == (
            pytest.approx([1e-3] * 2)
        )
        if run.settings["alpha"] not in (0, 0.4):
            continue
        model, (columns, classes) = make_model(), SIZES[run.group]
        sizes = [weight.shape for weight in model.network.trainable_variables]
        assert sizes == [
            *[(columns, 128), (128,), (128, 128), (128,)],
            *[(128, classes), (classes,)],
        ]
        # PyTorch's: weights and biases alike within 1 / sqrt(inputs), which Keras's
        # biases are not.
        bias = model.network.trainable_variables[3].numpy()
        assert 0.5 < np.abs(bias).max() * np.sqrt(128) <= 1
        assert (model.mixup.alpha, model.mix_at) == (run.settings["alpha"], ["input"])
        assert (model.mixup.seed, model.mixup.per) == (7, "batch")
        adam = model.optimizer
        assert type(adam) is keras.optimizers.Adam
        assert (adam.beta_1, adam.beta_2, adam.epsilon) == (0.9, 0.999, 1e-8)
        assert (adam.amsgrad, adam.weight_decay) == (False, None)


def test_each_seed_splits_anew_and_each_method_alike(monkeypatch):
    flags = ["--tables", "iris", "--seeds", 0, 1, "--alphas", 1]
    _, calls = planned_tables(monkeypatch, *flags)
    tested = [
        np.concatenate([x for x, _ in course.sets["test"].as_numpy_iterator()])
        for _, course in calls
    ]
    assert [part.shape for part in tested] == [(20, 4)] * 4
    np.testing.assert_array_equal(tested[0], tested[1])
    np.testing.assert_array_equal(tested[2], tested[3])
    assert np.abs(tested[0] - tested[2]).max() > 0.1
    # Scaled to [0, 1] by the other half: 20 examples are 16 and 4.
    batches = list(calls[0][1].batches(0).take(2).as_numpy_iterator())
    assert [len(x) for x, _ in batches] == [16, 4]
    x = np.concatenate([x for x, _ in batches])
    ends = [x.min(axis=0), x.max(axis=0)]
    np.testing.assert_allclose(ends, [[0] * 4, [1] * 4], atol=1e-6)


def test_irises_are_learned_and_mixed_alike_at_both_places(tmp_path):
    flags = ["--preset", "smoke", "--seeds", 0, "--epochs", 4]

    def trained(method, place):
        chosen = parse(*flags, "--methods", method, "--mix_in", place)
        data = EXPERIMENT.load(chosen)
        (run,) = EXPERIMENT.runs(chosen, data)
        folder = tmp_path / f"{method}_{place}"
        folder.mkdir()
        keras.utils.set_random_seed(run.seed)
        epochs, seen = EXPERIMENT.train(run, data, chosen, folder)
        assert seen == 4 * 75
        return epochs

    erm, mixup = (trained(method, "train_step") for method in ("erm", "mixup"))
    piped = trained("mixup", "pipeline")
    for epochs in (erm, mixup, piped):
        assert epochs[-1]["train"]["loss"] < epochs[0]["train"]["loss"]
        # Who always answers one of the three classes errs on two of three.
        assert epochs[-1]["test"]["error"] < 60
    # The same numbers are drawn at each place, and one loss of the mixed target is
    # the two terms.
    for here, there in zip(piped, mixup, strict=True):
        for part in ("train", "test"):
            assert here[part]["loss"] == pytest.approx(there[part]["loss"], rel=1e-3)
    found = piped[-1]["train"]["loss"]
    assert erm[-1]["train"]["loss"] != pytest.approx(found, rel=0.01)


def test_the_calibration_has_its_table_where_it_was_measured():
    cell = {"mean": 5.0, "standard_deviation": None, "paper": None}
    run = {"group": "iris", "method": "ERM", "final": {"test_error": 5.0}}
    summary = {"iris/ERM/test_error": cell, "iris/ERM/calibration_error": cell}
    without = {"runs": [run], "summary": summary}
    first = "| Data set | ERM |\n|---|---|\n| iris | 5.0 |"
    assert EXPERIMENT.tables(without) == [first]
    run["final"]["calibration_error"] = 5.0
    second = first.replace("Data set", "Calibration error (%)")
    assert EXPERIMENT.tables(without) == [first, second]


def test_missing_files_are_named_though_the_first_table_needs_none(tmp_path):
    folder = tmp_path / "data"
    chosen = parse(
        *("--tables", "iris_bundled", "abalone", "--data_dir", folder),
        *("--prepared_dir", tmp_path / "tfds"),
    )
    expected = f"Put abalone.data .*zip.* into {folder}/uci/abalone.*--download"
    with pytest.raises(sources.MissingData, match=expected):
        EXPERIMENT.load(chosen)
    assert list(tmp_path.iterdir()) == []
