"""A run killed between any two of its file operations goes on, and ends the same."""

import csv
import errno
import json
import os
import random
import shutil
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from experiments.engine import (
    checkpoint_files,
    record,
    run,
    state,
    trained_network,
)
from experiments.experiment import Run
from experiments.paper import table4_tabular
from experiments.report import result_file, tables
from experiments.settings import MethodSettings
from keras_mixup.whole_folder import whole_folder
from tests.experiments import disk_states, runs, test_run

EPOCHS = 2


class Made:
    """An experiment that trains nothing: its weight counts batches, two an epoch.

    All that a run writes is written by the code of a real one.
    """

    def __init__(self):
        network = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        self.model = keras_mixup.MixUpModel(network, keras_mixup.MixUp(seed=1))
        self.model.compile("sgd", "mse")
        self.weight = network.layers[0].kernel

    def train(self, run, data, settings, folder):
        """Saves after each batch; goes on where the folder says that it was left."""
        self.weight.assign([[0.0]])
        kept = state.RunState(self.model, folder / "checkpoints")
        done = 2 * kept.restore() + kept.batch
        assert float(self.weight[0, 0]) == done
        log = folder / "log.csv"
        if done:
            record.keep_rows(log, done // 2)
        with log.open("a" if done else "w", newline="") as file:
            rows = csv.writer(file)
            for batch in range(done + 1, 2 * EPOCHS + 1):
                self.weight.assign_add([[1.0]])
                if batch % 2:
                    kept.save(1, 0.5)
                    continue
                entry = {"epoch": batch // 2, "test": {"error": 50 - batch}}
                kept.epochs.append({**entry, "seconds": 0.5})
                if file.tell() == 0:
                    rows.writerow(entry)
                rows.writerow([batch // 2, 50 - batch])
                file.flush()
                kept.save()
        trained_network.save(self.model.network, folder / "network.keras")
        return kept.epochs, 10

    def draw(self, result, folder):
        path = folder / "curves.png"
        path.write_bytes(json.dumps(result["summary"]).encode())
        return [path]

    def command(self, folder):
        """What one call of the command does below a folder."""
        experiment = test_run.made(
            self.train,
            runs=lambda settings, data: [Run("a", "ERM", 0, {"alpha": 0.0})],
            tables=lambda result: [tables.table(result, {"error": "error"})],
            draw=self.draw,
        )
        settings = MethodSettings(
            run_dir=str(folder / "runs"), preset="smoke", publish=True
        )
        run.run(experiment, settings)


@pytest.fixture(scope="module")
def made():
    return Made()


@pytest.fixture
def published(monkeypatch):
    """Takes the place of `experiments/results`; gives a function that sets it."""
    # For speed: what a power failure leaves is not tried here.
    monkeypatch.setattr(os, "fsync", lambda _: None)
    monkeypatch.setattr(result_file, "revision", lambda: "made")
    return lambda folder: monkeypatch.setattr(
        result_file, "RESULTS", folder / "results"
    )


def end_of(folder):
    """What a run left, the time of the day in a file of Keras aside."""
    found = disk_states.content(folder)
    for name in [name for name in found if ".keras" in name]:
        found[name] = "whole" if name.endswith(".keras") else "its digest"
    for path in folder.rglob("*.keras"):
        found["weights"] = [
            weight.tolist() for weight in trained_network.load(path).get_weights()
        ]
    return {
        name: json.loads(held.replace(bytes(folder), b"")) if ".json" in name else held
        for name, held in found.items()
    }


def go_on(made, published, folder):
    """The same command on what a kill left."""
    published(folder)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "(Damaged or u|U)nfinished", UserWarning)
        made.command(folder)


@pytest.fixture
def whole(made, published, tmp_path):
    """The states of a run that nobody kills, and its end."""
    folder = tmp_path / "whole"
    published(folder)
    states = disk_states.states_of(lambda: made.command(folder), folder)
    # Four saves, of which two remove; a log, a network, records, what is published.
    assert len(states) > 100
    return states, end_of(folder)


# All of the states, or every fourth: each costs a run.
@pytest.mark.parametrize("every", [4, pytest.param(1, marks=pytest.mark.slow)])
def test_a_run_killed_between_any_two_operations_ends_the_same(
    made, published, whole, tmp_path, every
):
    states, expected = whole
    process = disk_states.dead_process()
    for number, found in enumerate(states[::every]):
        folder = tmp_path / str(number)
        disk_states.put(found, folder, process)
        go_on(made, published, folder)
        assert end_of(folder) == expected, sorted(found)


@pytest.mark.slow
def test_a_run_killed_twice_ends_the_same(made, published, whole, tmp_path):
    states, expected = whole
    process = disk_states.dead_process()
    chosen = random.Random(0)
    for first in range(0, len(states), 5):
        folder = tmp_path / f"{first}"
        disk_states.put(states[first], folder, process)
        second = disk_states.states_of(
            lambda folder=folder: go_on(made, published, folder), folder
        )
        for number, found in enumerate(chosen.sample(second, min(20, len(second)))):
            folder = tmp_path / f"{first}_{number}"
            disk_states.put(found, folder, process)
            go_on(made, published, folder)
            assert end_of(folder) == expected, sorted(found)


@pytest.mark.slow
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS], ids=errno.errorcode.get)
def test_a_run_that_may_not_write_says_why_and_goes_on(
    made, published, whole, tmp_path, number
):
    """At each operation in turn the system refuses this one and all that follow."""
    _, expected = whole
    checked, last = 0, False
    while not last:
        folder, seen = tmp_path / f"refused_{checked}", 0

        def refuse(event, arguments, folder=folder, allowed=checked):
            nonlocal seen
            seen += 1
            if seen > allowed and event != "os.remove":
                raise OSError(number, os.strerror(number), str(arguments[0]))

        published(folder)
        try:
            with disk_states.watched(refuse):
                made.command(folder)
            last = True
        except OSError as error:
            # Room is spoken of where there is none.
            assert os.strerror(number) in str(error)
            saving = isinstance(error, state.CannotSave)
            room = saving and number == errno.ENOSPC
            assert ("once there is room" in str(error)) == room
            assert ("once it can be written" in str(error)) == (saving and not room)
        go_on(made, published, folder)
        assert end_of(folder) == expected
        checked += 1
    assert checked > 40


def test_a_full_disk_is_seen_where_tensorflow_writes(made, tmp_path, monkeypatch):
    def full(*_):
        raise tf.errors.ResourceExhaustedError(None, None, "{{node a}} No space left")

    monkeypatch.setattr(tf.train.Checkpoint, "write", full)
    kept = state.RunState(made.model, tmp_path)
    message = "ckpt-0 could not be written: No space left. .* once there is room"
    with pytest.raises(state.CannotSave, match=message):
        kept.save()


def test_an_old_checkpoint_that_cannot_be_removed_does_not_stop_the_run(
    made, tmp_path, monkeypatch
):
    kept = state.RunState(made.model, tmp_path)

    def saved(epochs):
        kept.epochs[:] = [{"epoch": epoch + 1} for epoch in range(epochs)]
        kept.save()
        return [path.name for path in checkpoint_files.finished(tmp_path)]

    def refuse(path, **_):
        raise PermissionError(errno.EPERM, "Operation not permitted", str(path))

    saved(1)
    saved(2)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", refuse)
        (tmp_path / "ckpt-1_temp").mkdir()
        with pytest.warns(UserWarning, match="could not be removed: .*ckpt-1_temp"):
            saved(3)
    assert saved(4) == ["ckpt-3", "ckpt-4"]
    assert not list(tmp_path.glob("ckpt-1*"))


def test_what_a_kill_left_of_the_first_checkpoint_is_said(made, tmp_path):
    (tmp_path / "ckpt-1.index").write_bytes(b"")
    kept = state.RunState(made.model, tmp_path)
    with pytest.warns(UserWarning, match="Unfinished: .*ckpt-1. .*starts anew"):
        assert kept.restore() == 0


def test_a_table_of_neighbors_killed_between_any_two_operations(tmp_path):
    pytest.importorskip("sklearn")
    x = np.random.default_rng(0).integers(0, 256, (20, 3), "uint8")

    def table(folder):
        return keras_mixup.neighbors.nearest_neighbors(x, 3, cache_dir=folder)

    expected = table(None)
    states = disk_states.states_of(lambda: table(tmp_path / "a"), tmp_path / "a")
    process = disk_states.dead_process()
    for number, found in enumerate(states):
        folder = tmp_path / str(number)
        disk_states.put(found, folder, process)
        for _ in range(2):
            np.testing.assert_array_equal(table(folder).indices, expected.indices)
        assert list(disk_states.content(folder)) == list(
            disk_states.content(tmp_path / "a")
        )


def test_an_export_killed_between_any_two_operations_is_done_again(tmp_path):
    def export(folder):
        with whole_folder(folder / "name" / "1") as place:
            (place / "variables").mkdir(parents=True)
            (place / "variables" / "data").write_bytes(b"weights")
            (place / "saved_model.pb").write_bytes(b"graph")

    folder = tmp_path / "whole"
    states = disk_states.states_of(lambda: export(folder), folder)
    expected = disk_states.content(folder / "name" / "1")
    process = disk_states.dead_process()
    for number, found in enumerate(states):
        folder = tmp_path / str(number)
        disk_states.put(found, folder, process)
        place = folder / "name" / "1"
        if not place.exists():
            # Whole or not at all.
            export(folder)
            assert [path.name for path in place.parent.iterdir()] == ["1"]
        assert disk_states.content(place) == expected


@pytest.mark.slow
def test_the_command_killed_between_any_two_operations_ends_the_same(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(result_file, "revision", lambda: "made")
    flags = ["--preset", "smoke", "--seeds", 0, "--methods", "mixup", "--epochs", 3]
    flags += ["--width", 4, "--checkpoint_every", 1]

    def command(folder):
        runs.run(table4_tabular.EXPERIMENT, *flags, "--run_dir", folder)

    def end(folder):
        (record,) = folder.rglob("record.json")
        (network,) = folder.rglob("network.keras")
        found = result_file.read(record)
        weights = trained_network.load(network).get_weights()
        assert not list(folder.rglob("checkpoints"))
        assert not list(folder.rglob(".unfinished*"))
        (log,) = folder.rglob("log.csv")
        for entry in found["epochs"]:
            entry.pop("seconds")
        found.pop("seconds")
        return found, [weight.tolist() for weight in weights], log.read_bytes()

    folder = tmp_path / "whole"
    states = disk_states.states_of(lambda: command(folder), folder)
    assert len(states) > 80
    expected, process = end(folder), disk_states.dead_process()
    for number, found in enumerate(states):
        folder = tmp_path / str(number)
        disk_states.put(found, folder, process)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "(Damaged or u|U)nfinished", UserWarning)
            command(folder)
        assert end(folder) == expected, sorted(found)
