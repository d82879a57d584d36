"""Table 4: the smoke preset from end to end, the paper's settings, its six tables."""

import pathlib

import keras
import numpy as np
import pytest

from experiments import configuration
from experiments.data import pipeline, sources, uci
from experiments.paper import table4_tabular
from tests.experiments import runs

ROWS = [(m, s) for s in (0, 1) for m in ("ERM", "mixup 1")]
# Section 3.6, Table 4: ERM and mixup.
PAPER = {
    "abalone": (74.0, 73.6),
    "arcene": (57.6, 48.0),
    "arrhythmia": (56.6, 46.3),
    "htru2": (2.0, 2.0),
    "iris": (21.3, 17.3),
    "phishing": (16.3, 15.2),
}
# Columns and classes of UCI's tables; a sex is three columns.
SIZES = {
    "abalone": (10, 28),
    "arcene": (10_000, 2),
    "arrhythmia": (279, 13),
    "htru2": (8, 2),
    "iris": (4, 3),
    "phishing": (9, 3),
}


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    """Settings, result and what was printed."""
    folder = tmp_path_factory.mktemp("runs")
    settings = runs.parse(table4_tabular, "--preset", "smoke", "--run_dir", folder)
    return settings, *runs.recorded(table4_tabular, settings)


def made_up_tables(monkeypatch, examples=40):
    """Tables of random numbers, of the real number of columns and classes."""

    def load_table(name, places):
        columns, classes = SIZES[name]
        generator = np.random.default_rng(0)
        features = generator.normal(size=(examples, columns)).astype("float32")
        return features, generator.integers(0, classes, examples, "int32"), classes

    monkeypatch.setattr(uci, "load_table", load_table)


def test_the_result_of_the_smoke_preset_has_the_schema(smoke):
    settings, result, printed = smoke
    runs.check_result(
        table4_tabular,
        settings,
        result,
        runs=[("iris_bundled", method, seed) for method, seed in ROWS],
        sets=("test",),
        errors=("error",),
        examples=75,
        rates=[1e-3] * 10,
    )
    assert set(result["paired"]) == {
        f"iris_bundled/mixup 1/{measure}"
        for measure in ("test_error", "calibration_error")
    }
    folder = pathlib.Path(settings.run_dir) / "table4_tabular"
    assert f"Wrote {folder / 'smoke.json'}\n" in printed


def test_the_printed_cells_are_mean_and_deviation_over_seeds(smoke):
    _, result, printed = smoke
    cells = []
    for method in ("ERM", "mixup 1"):
        errors = [
            run["epochs"][-1]["test"]["error"]
            for run in result["runs"]
            if run["method"] == method
        ]
        assert len(errors) == 2
        cells.append(f"{np.mean(errors):.1f} ± {np.std(errors, ddof=1):.1f}")
    lines = printed.splitlines()
    start = lines.index("| Data set | ERM | mixup 1 |")
    assert lines[start + 2] == f"| iris_bundled | {' | '.join(cells)} |"


def test_irises_are_learned(smoke):
    _, result, _ = smoke
    for run in result["runs"]:
        first, *_, last = run["epochs"]
        assert last["train"]["loss"] < first["train"]["loss"]
        # Who always answers one of the three classes errs on two of three.
        assert last["test"]["error"] < 50


def test_a_second_run_takes_up_the_records(smoke, monkeypatch):
    settings, result, _ = smoke
    runs.check_reused(table4_tabular, settings, result, monkeypatch)


def test_another_seed_trains_only_the_new_runs(smoke, monkeypatch, tmp_path):
    _, before, _ = smoke
    (result, printed), calls = runs.added(
        table4_tabular, smoke[0], monkeypatch, tmp_path, "--seeds", 5, 0
    )
    names = [f"iris_bundled_{method}_seed_5" for method in ("erm", "mixup_1")]
    assert [call.folder.name for call in calls] == names
    assert result["runs"][2:] == before["runs"][:2]
    assert [run["seed"] for run in result["runs"]] == [5, 5, 0, 0]
    assert printed.count(": done before") == 2


def test_mixing_in_the_pipeline_trains_as_mixing_in_the_train_step(smoke, tmp_path):
    _, before, _ = smoke
    settings = runs.parse(
        table4_tabular, "--preset", "smoke", "--mix_in", "pipeline", "--seeds", 0,
        "--methods", "mixup", "--epochs", 4, "--run_dir", tmp_path,
    )  # fmt: skip
    result, _ = runs.recorded(table4_tabular, settings)
    erm, mixup = (run["epochs"][:4] for run in before["runs"][:2])
    # The same numbers are drawn at each place, and one loss of the mixed target is
    # the two terms.
    (run,) = result["runs"]
    for here, there in zip(run["epochs"], mixup, strict=True):
        for part in ("train", "test"):
            loss = pytest.approx(there[part]["loss"], rel=1e-3)
            assert here[part]["loss"] == loss
        # One of the 75 may fall differently.
        error = pytest.approx(there["test"]["error"], abs=100 / 75 + 0.01)
        assert here["test"]["error"] == error
    assert erm[-1]["train"]["loss"] != pytest.approx(here["train"]["loss"], rel=0.01)


def test_other_settings_do_not_take_up_the_records(smoke, monkeypatch):
    settings, _, _ = smoke
    calls = runs.without_training(monkeypatch)
    flags = ["--preset", "smoke", "--run_dir", settings.run_dir, "--mix_in", "pipeline"]
    with pytest.raises(
        configuration.Refusal, match="'train_step' there, 'pipeline' now"
    ):
        runs.recorded(table4_tabular, runs.parse(table4_tabular, *flags))
    assert calls == []


def test_the_final_number_is_of_the_last_epoch():
    epochs = [{"test": {"error": error}} for error in (9.0, 3.0, 5.0)]
    assert table4_tabular.final(epochs) == {"test_error": 5.0}


def test_the_papers_numbers_are_those_of_table_4():
    assert table4_tabular.paper() == {
        f"{table}/{method}/test_error": error
        for table, errors in PAPER.items()
        for method, error in zip(("ERM", "mixup 1"), errors)
    }


@pytest.mark.parametrize("preset", ["paper", "cpu"])
def test_the_preset_of_the_paper_is_section_3_6(preset):
    settings = runs.parse(table4_tabular, "--preset", preset)
    expected = {
        "tables": tuple(PAPER),
        "seeds": (0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
        "methods": ("erm", "mixup"),
        "alphas": (0.1, 0.2, 0.4, 1.0),
        "epochs": 10,
        "batch_size": 16,
        "width": 128,
        "learning_rate": 1e-3,
        "test_share": 0.5,
        "scaling": "min_max",
        "initial_values": "torch",
        "max_steps": 0,
        "mix_in": "train_step",
        "precision": "float32",
    }
    assert {name: getattr(settings, name) for name in expected} == expected


def test_the_runs_of_the_paper_train_by_adam_on_halves(monkeypatch, tmp_path):
    made_up_tables(monkeypatch)
    calls, built = runs.without_training(monkeypatch), runs.tiny_networks(monkeypatch)
    evaluated = []
    monkeypatch.setattr(
        pipeline, "evaluation_batches", lambda data, *_, **__: evaluated.append(data)
    )
    flags = ["--preset", "paper", "--seeds", 0, 9, "--run_dir", tmp_path]
    settings = runs.parse(table4_tabular, *flags)
    result, printed = runs.recorded(table4_tabular, settings)
    alphas = (0.0, 0.1, 0.2, 0.4, 1.0)
    plan = [(table, s, a) for table in PAPER for s in (0, 9) for a in alphas]
    found = [
        (run["group"], run["seed"], run["settings"]["alpha"]) for run in result["runs"]
    ]
    assert found == plan
    assert len(calls) == len(evaluated) == 60
    # Of 40 examples 20 are tested on, and 20 are two mini-batches of up to 16.
    assert {call.data.steps_per_epoch for call in calls} == {2}
    assert {int(data.cardinality()) for data in evaluated} == {20}
    assert {call.epochs for call in calls} == {10}
    for call in calls[:5]:
        assert [call.rate_at(step) for step in (0, 1_000)] == pytest.approx([1e-3] * 2)
    for (table, _, alpha), call in list(zip(plan, calls, strict=True))[::7]:
        model = call.make_model()
        columns, classes = SIZES[table]
        assert built[-1] == {
            "name": "mlp",
            "input_shape": (columns,),
            "num_classes": classes,
            "width": 128,
            "initial_values": "torch",
        }
        assert model.mixup.alpha == alpha
        assert model.mix_at == ["input"]
        adam = model.optimizer
        assert type(adam) is keras.optimizers.Adam
        assert (adam.beta_1, adam.beta_2, adam.epsilon) == (0.9, 0.999, 1e-8)
        assert (adam.amsgrad, adam.weight_decay) == (False, None)
    for table, (erm, mixup) in PAPER.items():
        others = " | ".join(["12.0 ± 0.0"] * 3)
        row = f"| {table} | 12.0 ± 0.0 ({erm:g}) | {others} | 12.0 ± 0.0 ({mixup:g}) |"
        assert row in printed.splitlines()


def test_each_seed_splits_anew_and_each_method_alike(monkeypatch, tmp_path):
    made_up_tables(monkeypatch)
    calls = runs.without_training(monkeypatch)
    settings = runs.parse(
        table4_tabular, "--tables", "iris", "--seeds", 0, 1, "--alphas", 1, "--run_dir",
        tmp_path,
    )  # fmt: skip
    runs.recorded(table4_tabular, settings)
    tested = [
        np.concatenate([x for x, _ in call.data.sets["test"].as_numpy_iterator()])
        for call in calls
    ]
    assert [part.shape for part in tested] == [(20, 4)] * 4
    np.testing.assert_array_equal(tested[0], tested[1])
    np.testing.assert_array_equal(tested[2], tested[3])
    assert np.abs(tested[0] - tested[2]).max() > 0.1
    # Scaled to [0, 1] by the other half: 20 examples are 16 and 4.
    batches = call_batches(calls[0], 2)
    assert [len(x) for x, _ in batches] == [16, 4]
    x = np.concatenate([x for x, _ in batches])
    np.testing.assert_allclose(
        [x.min(axis=0), x.max(axis=0)], [[0] * 4, [1] * 4], atol=1e-6
    )


def call_batches(call, count):
    return list(call.data.batches(0).take(count).as_numpy_iterator())


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--tables", "iris", "wine"], "'iris_bundled']. Received: ['iris', 'wine']"),
        (["--tables"], "`tables`"),
        (["--test_share", "1"], "`test_share`. Expected a share in (0, 1)"),
        (["--test_share", "0"], "`test_share`. Expected a share in (0, 1)"),
        (["--scaling", "log"], "invalid choice: 'log'"),
        (["--initial_values", "zeros"], "invalid choice: 'zeros'"),
        (["--alphas", "1", "-1"], "`alphas`. Expected different numbers above 0"),
        (["--mix_in", "network"], "invalid choice: 'network'"),
        (["--methods", "dropout"], "['erm', 'mixup'] value: 'dropout'"),
        (["--epochs", "0"], "`epochs`. Expected a number >= 1"),
        (["--seeds"], "`seeds`. Expected at least one"),
    ],
)
def test_wrong_settings_are_refused(capsys, flags, message):
    assert message in runs.refusal(table4_tabular, capsys, *flags)


def test_what_is_missing_is_said_before_anything_is_trained(monkeypatch, tmp_path):
    calls = runs.without_training(monkeypatch)
    folder = tmp_path / "data"
    places = ["--data_dir", folder, "--prepared_dir", tmp_path / "tfds"]
    flags = ["--tables", "iris_bundled", "abalone", "--run_dir", tmp_path, *places]
    expected = f"Put abalone.data .*zip.* into {folder}/uci/abalone.*--download"
    with pytest.raises(sources.MissingData, match=expected):
        table4_tabular.run(runs.parse(table4_tabular, *flags))
    assert calls == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("table", PAPER)
def test_the_preset_of_the_paper_trains_on_its_tables(table, monkeypatch, tmp_path):
    made_up_tables(monkeypatch, examples=8)
    models = runs.keep_model(monkeypatch)
    settings = runs.parse(
        table4_tabular, "--preset", "paper", "--tables", table, "--methods", "mixup",
        "--alphas", 1, "--seeds", 0, "--batch_size", 2, "--max_steps", 2, "--run_dir",
        tmp_path,
    )  # fmt: skip
    result, _ = runs.recorded(table4_tabular, settings)
    columns, classes = SIZES[table]
    parameters = (columns + 1) * 128 + 129 * 128 + 129 * classes
    runs.check_two_steps(result, models[0], parameters, rate=1e-3)
