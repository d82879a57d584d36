"""A set of runs: what is kept, what is refused, what is published."""

import dataclasses
import gc
import json
import pathlib

import keras
import numpy as np
import pytest

from experiments.__main__ import main
from experiments.engine import run as engine
from experiments.engine import run_folder
from experiments.experiment import Experiment, Run
from experiments.report import result_file
from experiments.settings import MethodSettings, Refusal, field


@pytest.fixture(autouse=True)
def _nothing_to_collect(monkeypatch):
    """No network is made here: to look for garbage before each run takes the time."""
    monkeypatch.setattr(gc, "collect", lambda: 0)


@dataclasses.dataclass(frozen=True)
class Settings(MethodSettings):
    """Settings of an experiment that does not exist."""

    tables: tuple[str, ...] = field(("a", "b"), "plan")
    width: int = 4
    epochs: int = field(200, least=1)
    pairs: int = field(10, "analysis")


def settings_for(folder, **changed):
    changed = {"seeds": (0, 1, 2), "preset": "smoke", **changed}
    return Settings(run_dir=str(folder), **changed)


def plan(settings, data=None):
    return [
        Run(table, method, seed, {"table": table, "alpha": alpha})
        for table in settings.tables
        for seed in settings.seeds
        for method, alpha in settings.method_alphas().items()
    ]


class Trainer:
    """Stands for training: remembers what it was asked for."""

    def __init__(self, break_at=None):
        self.asked, self.break_at = [], break_at

    def __call__(self, run, data, settings, folder):
        self.asked.append((run.group, run.method, run.seed))
        if len(self.asked) == self.break_at:
            raise KeyboardInterrupt
        error = 10.0 * run.seed + run.settings["alpha"]
        return [{"epoch": 1, "test": {"error": error}, "seconds": 2.0}], 30


def made(trainer, **changed):
    """An experiment that is trained by this function."""
    return Experiment(
        **{
            "name": "made",
            "item": "Made up",
            "settings": Settings,
            "presets": {},
            "runs": plan,
            "train": trainer,
            "final": lambda epochs: {"error": epochs[-1]["test"]["error"]},
            "tables": lambda result: ["| a table |"],
            "draw": lambda result, folder: [],
            **changed,
        }
    )


def train_all(settings, trainer, runs=None):
    runs = plan(settings) if runs is None else runs
    return engine.train_all(made(trainer), settings, runs, None)


def test_every_run_gives_its_record_in_the_order_of_the_plan(tmp_path):
    settings = settings_for(tmp_path, seeds=(3, 1))
    trainer = Trainer()
    records = train_all(settings, trainer)
    expected = [
        (table, method, seed)
        for table in "ab"
        for seed in (3, 1)
        for method in ("ERM", "mixup 1")
    ]
    assert trainer.asked == expected
    assert [(r["group"], r["method"], r["seed"]) for r in records] == expected
    assert records[1] == {
        "group": "a",
        "method": "mixup 1",
        "seed": 3,
        "settings": {"table": "a", "alpha": 1.0},
        "epochs": [{"epoch": 1, "test": {"error": 31.0}, "seconds": 2.0}],
        "images_seen": 30,
        "seconds": 2.0,
        "revision": result_file.revision(),
        "folder": str(tmp_path / "made/smoke/a_mixup_1_seed_3"),
    }


def test_the_same_command_goes_on_where_it_was_stopped(tmp_path, capsys):
    settings = settings_for(tmp_path, seeds=(0,))
    stopped, again = Trainer(break_at=3), Trainer()
    with pytest.raises(KeyboardInterrupt):
        train_all(settings, stopped)
    records = train_all(settings, again)
    assert again.asked == [("b", "ERM", 0), ("b", "mixup 1", 0)]
    assert len(records) == 4
    assert "[2/4] a, mixup 1, seed 0: done before" in capsys.readouterr().out


def test_more_seeds_methods_and_groups_are_added_to_what_is_there(tmp_path):
    train_all(settings_for(tmp_path, seeds=(0,), tables=("a",)), Trainer())
    trainer = Trainer()
    train_all(settings_for(tmp_path, seeds=(0, 1), tables=("a",), alphas=(2,)), trainer)
    assert trainer.asked == [
        ("a", "mixup 2", 0),
        ("a", "ERM", 1),
        ("a", "mixup 2", 1),
    ]


def test_what_does_not_change_the_numbers_may_change(tmp_path):
    train_all(settings_for(tmp_path), Trainer())
    trainer = Trainer()
    changed = {"publish": True, "data_dir": "elsewhere", "progress": "line"}
    train_all(settings_for(tmp_path, **changed), trainer)
    assert trainer.asked == []


@pytest.mark.parametrize(
    ("changed", "difference"),
    [
        ({"epochs": 7}, "epochs: 200 there, 7 now"),
        ({"width": 8}, "width: 4 there, 8 now"),
        ({"precision": "mixed_float16"}, "precision: 'float32' there, 'mixed_float16'"),
        ({"deterministic": True}, "deterministic: False there, True now"),
        ({"mix_in": "pipeline"}, "mix_in: 'train_step' there, 'pipeline' now"),
    ],
)
def test_a_folder_of_another_configuration_is_refused(tmp_path, changed, difference):
    train_all(settings_for(tmp_path, seeds=(0,)), Trainer())
    trainer = Trainer()
    with pytest.raises(
        run_folder.OtherSettings, match="Give another --run_dir"
    ) as error:
        train_all(settings_for(tmp_path, seeds=(1, 0), **changed), trainer)
    assert f"({difference}" in str(error.value)
    assert isinstance(error.value, Refusal)
    # Before any other run is trained.
    assert trainer.asked == []


def test_names_that_would_share_a_folder_are_refused(tmp_path):
    trainer = Trainer()
    with pytest.raises(Refusal, match=r"share a folder.*'cats_erm_seed_0'"):
        train_all(settings_for(tmp_path, tables=("Cats", "cats")), trainer)
    assert trainer.asked == []


def test_a_record_that_another_process_left_meanwhile_is_compared_too(tmp_path):
    class Other(Trainer):
        """While the first run is trained, the second is done with other settings."""

        def __call__(self, run, data, settings, folder):
            if not self.asked:
                train_all(settings_for(tmp_path, seeds=(1,), epochs=3), Trainer())
            return super().__call__(run, data, settings, folder)

    with pytest.raises(run_folder.OtherSettings, match="epochs: 3 there, 200 now"):
        train_all(settings_for(tmp_path, seeds=(0, 1)), Other())


def test_a_folder_that_lacks_a_setting_is_refused(tmp_path):
    settings = settings_for(tmp_path, seeds=(0,))
    train_all(settings, Trainer())
    for place in tmp_path.rglob("settings.json"):
        stored = json.loads(place.read_text())
        del stored["width"]
        place.write_text(json.dumps(stored))
    with pytest.raises(run_folder.OtherSettings, match="width: 'nothing' there, 4 now"):
        train_all(settings, Trainer())


def test_a_record_that_does_not_say_whose_it_is_is_refused(tmp_path):
    settings = settings_for(tmp_path, seeds=(0,))
    train_all(settings, Trainer())
    (place,) = tmp_path.rglob("a_erm_seed_0/settings.json")
    place.unlink()
    with pytest.raises(run_folder.OtherSettings, match="settings.json is missing"):
        train_all(settings, Trainer())


def test_records_of_other_data_are_refused(tmp_path):
    def run(count):
        one = Run("a", "ERM", 0, {"alpha": 0.0}, {"train": count})
        train_all(settings_for(tmp_path), Trainer(), [one])

    run(10)
    run(10)
    with pytest.raises(
        run_folder.OtherSettings, match="'train': 10} there, {'train': 20}"
    ):
        run(20)


def test_a_folder_in_which_nothing_was_saved_may_be_taken_again(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train_all(settings_for(tmp_path, seeds=(0,), epochs=3), Trainer(break_at=1))
    trainer = Trainer()
    train_all(settings_for(tmp_path, seeds=(0,)), trainer)
    assert len(trainer.asked) == 4
    stored = [
        json.loads(p.read_text())["epochs"] for p in tmp_path.rglob("settings.json")
    ]
    assert stored == [200] * 4


def test_what_a_kill_left_of_a_first_checkpoint_does_not_bind_a_folder(tmp_path):
    def stopped(epochs, name):
        def train(run, data, settings, folder):
            (folder / "checkpoints").mkdir(exist_ok=True)
            (folder / "checkpoints" / name).write_text("{}")
            raise KeyboardInterrupt

        settings = settings_for(tmp_path, seeds=(0,), epochs=epochs)
        with pytest.raises(KeyboardInterrupt):
            train_all(settings, train)

    stopped(3, "ckpt-1.index")
    stopped(4, "ckpt-1.sha256.json")
    with pytest.raises(run_folder.OtherSettings, match="epochs: 4 there, 5 now"):
        train_all(settings_for(tmp_path, seeds=(0,), epochs=5), Trainer())


def test_checkpoints_go_when_the_record_is_there(tmp_path):
    def train(run, data, settings, folder):
        (folder / "checkpoints").mkdir()
        (folder / "checkpoints" / "ckpt-1.index").write_text("x")
        return Trainer()(run, data, settings, folder)

    train_all(settings_for(tmp_path, seeds=(0,)), train)
    assert len(list(tmp_path.rglob("record.json"))) == 4
    assert not list(tmp_path.rglob("checkpoints"))


def test_folders_have_names_of_their_own():
    runs = plan(settings_for("runs", alphas=(0.1, 0.2, 1.0, 10.0)))
    names = [run.folder_name for run in runs]
    assert len(set(names)) == len(names)
    assert names[1] == "a_mixup_0.1_seed_0"


def test_rows_of_one_title_are_one_training(tmp_path):
    trainer = Trainer()
    settings = settings_for(tmp_path, seeds=(4,))
    runs = [
        Run(group, method, 4, {"alpha": 1.0}, title="set, alpha 1")
        for group, method in (("", "mixup 1"), ("10 %", "as is"))
    ]
    one, other = train_all(settings, trainer, runs)
    assert trainer.asked == [("", "mixup 1", 4)]
    assert (one["group"], one["method"]) == ("", "mixup 1")
    assert (other["group"], other["method"]) == ("10 %", "as is")
    assert one["folder"] == other["folder"]
    assert one["folder"].endswith("made/smoke/set_alpha_1_seed_4")
    other = Run("", "mixup 2", 4, {"alpha": 2.0}, title="set, alpha 1")
    with pytest.raises(Refusal, match="share a folder"):
        train_all(settings, trainer, [*runs, other])


def test_what_is_analyzed_does_not_bind_a_run(tmp_path):
    train_all(settings_for(tmp_path), Trainer())
    trainer = Trainer()
    train_all(settings_for(tmp_path, pairs=7), trainer)
    assert trainer.asked == []


def test_a_folder_of_an_older_layout_is_refused(tmp_path):
    settings = settings_for(tmp_path, seeds=(0,), tables=("a",), methods=("erm",))
    train_all(settings, Trainer())
    (place,) = tmp_path.rglob("settings.json")
    claim = json.loads(place.read_text())
    for layout, named in ((None, "keras_mixup 0.1"), (3, "another version")):
        other = {k: v for k, v in claim.items() if k != "layout"}
        place.write_text(json.dumps(other | ({"layout": layout} if layout else {})))
        with pytest.raises(run_folder.OtherSettings, match=f"that of {named}"):
            train_all(settings, Trainer())


def test_each_run_begins_with_its_seed_and_without_the_networks_before(tmp_path):
    drawn, names = [], []

    def train(run, data, settings, folder):
        drawn.append((np.random.random(), float(keras.random.normal(()))))
        names.append(keras.layers.Dense(1).name)
        return Trainer()(run, data, settings, folder)

    settings = settings_for(tmp_path, seeds=(5, 6), tables=("a",))
    train_all(settings, train)
    keras.utils.set_random_seed(5)
    assert drawn[0] == drawn[1] == (np.random.random(), float(keras.random.normal(())))
    assert drawn[2] == drawn[3] != drawn[0]
    assert names == ["dense"] * 4


def test_a_result_is_published_on_request(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(result_file, "RESULTS", tmp_path / "results")

    def draw(result, folder):
        (folder / "curves.png").write_bytes(b"picture")
        return [folder / "curves.png"]

    def run(**changed):
        settings = settings_for(tmp_path / "runs", seeds=(0,), **changed)
        return engine.run(made(Trainer(), draw=draw), settings)

    result = run()
    assert result_file.read(tmp_path / "runs/made/smoke.json") == result
    assert not (tmp_path / "results").exists()
    result = run(publish=True)
    assert result_file.read(tmp_path / "results/made/smoke.json") == result
    assert (tmp_path / "results/made/curves.png").read_bytes() == b"picture"
    printed = capsys.readouterr().out
    assert "Published to" in printed
    assert "\n\n| a table |\n\n" in printed


def test_a_further_preset_is_published_beside_the_pictures_of_the_fullest(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(result_file, "RESULTS", tmp_path / "results")

    def draw(result, folder):
        (folder / "curves.png").write_text(result["preset"])
        return [folder / "curves.png"]

    pictures = []
    for preset in ("unaugmented", "cpu", "unaugmented", "paper", "cpu"):
        settings = settings_for(
            tmp_path / "runs", seeds=(0,), preset=preset, publish=True
        )
        result = engine.run(made(Trainer(), draw=draw), settings)
        place = tmp_path / "results" / "made"
        assert result_file.read(place / f"{preset}.json") == result
        pictures.append((place / "curves.png").read_text())
    assert pictures == ["unaugmented", "cpu", "cpu", "paper", "paper"]
    assert capsys.readouterr().out.count("pictures stay those of ") == 2
    (place / ".unfinished-1-1-table.json").touch()
    assert result_file.presets(place) == ["paper", "cpu", "unaugmented"]


def test_what_is_analyzed_is_in_the_result(tmp_path):
    def analyze(records, data, settings):
        assert all(pathlib.Path(r["folder"]).exists() for r in records)
        return [{**record, "group": f"{data} {settings.pairs}"} for record in records]

    experiment = made(Trainer(), load=lambda settings: "data", analyze=analyze)
    result = engine.run(experiment, settings_for(tmp_path, tables=("a",)))
    assert {run["group"] for run in result["runs"]} == {"data 10"}
    assert "folder" not in result["runs"][0]


def test_a_refusal_is_one_sentence_and_ctrl_c_says_how_to_go_on(monkeypatch, capsys):
    def refuse(experiment, settings):
        raise run_folder.OtherSettings("Another configuration.")

    def stop(experiment, settings):
        raise KeyboardInterrupt

    monkeypatch.setattr(engine, "run", refuse)
    assert main(["table4_tabular", "--preset", "smoke"]) == 2
    assert capsys.readouterr().err.strip() == "Another configuration."
    monkeypatch.setattr(engine, "run", stop)
    assert main(["table4_tabular", "--preset", "smoke"]) == 130
    assert "The same command goes on from here." in capsys.readouterr().err
