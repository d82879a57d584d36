"""A set of runs: what is kept, what is refused, what is published."""

import dataclasses
import json

import pytest

from experiments import catalog
from experiments.__main__ import main
from experiments.configuration import Refusal, TrainingConfiguration
from experiments.engine import running
from experiments.report import result_file


@dataclasses.dataclass(frozen=True)
class Settings(TrainingConfiguration):
    """Settings of an experiment that does not exist."""

    tables: tuple[str, ...] = ("a", "b")
    width: int = 4
    epochs: int = 200


def settings_for(folder, **changed):
    return Settings(run_dir=str(folder), preset="smoke", **changed)


def plan(settings):
    return [
        running.Run(table, method, seed, {"table": table, "alpha": alpha})
        for table in settings.tables
        for seed in settings.seeds
        for method, alpha in settings.method_alphas().items()
    ]


class Trainer:
    """Stands for training: remembers what it was asked for."""

    def __init__(self, break_at=None):
        self.asked, self.break_at = [], break_at

    def __call__(self, run, folder):
        self.asked.append((run.group, run.method, run.seed))
        if len(self.asked) == self.break_at:
            raise KeyboardInterrupt
        error = 10.0 * run.seed + run.settings["alpha"]
        return [{"epoch": 1, "test": {"error": error}, "seconds": 2.0}], 30


def run_all(settings, trainer):
    return running.run_all("made", settings, plan(settings), trainer, ("tables",))


def test_every_run_gives_its_record_in_the_order_of_the_plan(tmp_path):
    settings = settings_for(tmp_path, seeds=(3, 1))
    trainer = Trainer()
    records = run_all(settings, trainer)
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
    }


def test_the_same_command_goes_on_where_it_was_stopped(tmp_path, capsys):
    settings = settings_for(tmp_path, seeds=(0,))
    stopped, again = Trainer(break_at=3), Trainer()
    with pytest.raises(KeyboardInterrupt):
        run_all(settings, stopped)
    records = run_all(settings, again)
    assert again.asked == [("b", "ERM", 0), ("b", "mixup 1", 0)]
    assert len(records) == 4
    assert "[2/4] a, mixup 1, seed 0: done before" in capsys.readouterr().out


def test_more_seeds_methods_and_groups_are_added_to_what_is_there(tmp_path):
    run_all(settings_for(tmp_path, seeds=(0,), tables=("a",)), Trainer())
    trainer = Trainer()
    run_all(settings_for(tmp_path, seeds=(0, 1), tables=("a",), alphas=(2,)), trainer)
    assert trainer.asked == [
        ("a", "mixup 2", 0),
        ("a", "ERM", 1),
        ("a", "mixup 2", 1),
    ]


def test_what_does_not_change_the_numbers_may_change(tmp_path):
    run_all(settings_for(tmp_path), Trainer())
    trainer = Trainer()
    changed = {"publish": True, "data_dir": "elsewhere", "progress": "line"}
    run_all(settings_for(tmp_path, **changed), trainer)
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
    run_all(settings_for(tmp_path, seeds=(0,)), Trainer())
    trainer = Trainer()
    with pytest.raises(running.OtherSettings, match="Give another --run_dir") as error:
        run_all(settings_for(tmp_path, seeds=(1, 0), **changed), trainer)
    assert f"({difference}" in str(error.value)
    assert isinstance(error.value, Refusal)
    # Before any other run is trained.
    assert trainer.asked == []


def test_names_that_would_share_a_folder_are_refused(tmp_path):
    trainer = Trainer()
    with pytest.raises(Refusal, match=r"share a folder.*'cats_erm_seed_0'"):
        run_all(settings_for(tmp_path, tables=("Cats", "cats")), trainer)
    assert trainer.asked == []


def test_a_record_that_another_process_left_meanwhile_is_compared_too(tmp_path):
    class Other(Trainer):
        """While the first run is trained, the second is done with other settings."""

        def __call__(self, run, folder):
            if not self.asked:
                settings = settings_for(tmp_path, seeds=(1,), epochs=3)
                run_all(settings, Trainer())
            return super().__call__(run, folder)

    with pytest.raises(running.OtherSettings, match="epochs: 3 there, 200 now"):
        run_all(settings_for(tmp_path, seeds=(0, 1)), Other())


def test_a_folder_that_lacks_a_setting_is_refused(tmp_path):
    settings = settings_for(tmp_path, seeds=(0,))
    run_all(settings, Trainer())
    for place in tmp_path.rglob("settings.json"):
        stored = json.loads(place.read_text())
        del stored["width"]
        place.write_text(json.dumps(stored))
    with pytest.raises(running.OtherSettings, match="width: 'nothing' there, 4 now"):
        run_all(settings, Trainer())


def test_records_of_other_data_are_refused(tmp_path):
    def run(count):
        one = running.Run("a", "ERM", 0, {"alpha": 0.0}, {"train": count})
        running.run_all("made", settings_for(tmp_path), [one], Trainer())

    run(10)
    run(10)
    with pytest.raises(
        running.OtherSettings, match="'train': 10} there, {'train': 20}"
    ):
        run(20)


def test_a_folder_in_which_nothing_was_saved_may_be_taken_again(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run_all(settings_for(tmp_path, seeds=(0,), epochs=3), Trainer(break_at=1))
    trainer = Trainer()
    run_all(settings_for(tmp_path, seeds=(0,)), trainer)
    assert len(trainer.asked) == 4
    stored = [
        json.loads(p.read_text())["epochs"] for p in tmp_path.rglob("settings.json")
    ]
    assert stored == [200] * 4


def test_what_a_kill_left_of_a_first_checkpoint_does_not_bind_a_folder(tmp_path):
    def stopped(epochs, name):
        def train(run, folder):
            (folder / "checkpoints").mkdir(exist_ok=True)
            (folder / "checkpoints" / name).write_text("{}")
            raise KeyboardInterrupt

        settings = settings_for(tmp_path, seeds=(0,), epochs=epochs)
        with pytest.raises(KeyboardInterrupt):
            run_all(settings, train)

    stopped(3, "ckpt-1.index")
    stopped(4, "ckpt-1.sha256.json")
    with pytest.raises(running.OtherSettings, match="epochs: 4 there, 5 now"):
        run_all(settings_for(tmp_path, seeds=(0,), epochs=5), Trainer())


def test_checkpoints_go_when_the_record_is_there(tmp_path):
    def train(run, folder):
        (folder / "checkpoints").mkdir()
        (folder / "checkpoints" / "ckpt-1.index").write_text("x")
        return Trainer()(run, folder)

    run_all(settings_for(tmp_path, seeds=(0,)), train)
    assert len(list(tmp_path.rglob("record.json"))) == 4
    assert not list(tmp_path.rglob("checkpoints"))


def test_folders_have_names_of_their_own():
    runs = plan(settings_for("runs", alphas=(0.1, 0.2, 1.0, 10.0)))
    names = [run.folder_name for run in runs]
    assert len(set(names)) == len(names)
    assert names[1] == "a_mixup_0.1_seed_0"


def test_a_result_is_published_on_request(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(result_file, "RESULTS", tmp_path / "results")
    picture = tmp_path / "curves.png"
    picture.write_bytes(b"picture")
    result = {"experiment": "made", "value": 1}
    running.publish(result, settings_for(tmp_path), [picture])
    assert not (tmp_path / "results").exists()
    running.publish(result, settings_for(tmp_path, publish=True), [picture])
    assert result_file.read(tmp_path / "results/made/smoke.json") == result
    assert (tmp_path / "results/made/curves.png").read_bytes() == b"picture"
    assert result_file.read(tmp_path / "made/smoke.json") == result
    assert "Published to" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "then"),
    [("quickstart", "starts anew"), ("table4_tabular", "goes on from")],
)
def test_a_refusal_is_one_sentence_and_ctrl_c_says_how_to_go_on(
    monkeypatch, capsys, name, then
):
    experiment = catalog.load(name)

    def refuse(settings):
        raise running.OtherSettings("Another configuration.")

    def stop(settings):
        raise KeyboardInterrupt

    monkeypatch.setattr(experiment, "run", refuse)
    assert main([name, "--preset", "smoke"]) == 2
    assert capsys.readouterr().err.strip() == "Another configuration."
    monkeypatch.setattr(experiment, "run", stop)
    assert main([name, "--preset", "smoke"]) == 130
    assert f"The same command {then}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"alphas": (0.0,)}, "`alphas`. Expected different numbers above 0"),
        ({"alphas": (1.0, 1.0)}, "`alphas`. Expected different numbers"),
        ({"alphas": (float("nan"),)}, "`alphas`"),
        ({"methods": ()}, "`methods`. Expected `erm`, `mixup` or both"),
        ({"methods": ("erm", "erm")}, "`methods`"),
        ({"epochs": 0}, "`epochs`. Expected a number >= 1. Received: 0"),
        ({"batch_size": 0}, "`batch_size`. Expected a number >= 1"),
        ({"max_steps": -1}, "`max_steps`. Expected a number >= 0"),
        ({"checkpoint_every": -1}, "`checkpoint_every`. Expected a number >= 0"),
        ({"seeds": (1, 1)}, "`seeds`"),
        ({"alphas": ()}, "`alphas`. Expected at least one"),
        ({"alphas": (float("inf"),)}, "`alphas`. Expected different numbers above 0"),
        ({"tables": ()}, "`tables`. Expected at least one, all different"),
        ({"tables": ("a", "a")}, "`tables`. Expected at least one, all different"),
        ({"width": -1}, "`width`. Expected a number >= 0"),
    ],
)
def test_wrong_training_settings_are_refused(changed, message):
    with pytest.raises(ValueError, match="Invalid value received") as error:
        Settings(**changed)
    assert message in str(error.value)


def test_methods_and_alphas_give_the_rows():
    assert Settings(alphas=(0.1, 8)).method_alphas() == {
        "ERM": 0.0,
        "mixup 0.1": 0.1,
        "mixup 8": 8,
    }
    assert Settings(methods=("erm",)).method_alphas() == {"ERM": 0.0}
    assert Settings(methods=("mixup",)).method_alphas() == {"mixup 1": 1.0}
