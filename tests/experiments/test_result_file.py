"""The result file: its numbers by hand, its table, and that it is written whole."""

import copy
import datetime
import json
import os

import keras
import pytest
import tensorflow as tf

from experiments import catalog
from experiments.report import result_file, tables

COMMITTED = sorted(result_file.RESULTS.rglob("*.json"))
# Everything that must follow from the numbers of each epoch.
DERIVED = ("runs", "summary", "paired")


def run_of(method, seed, *errors):
    """A run of quickstart whose test errors are given, epoch by epoch."""
    epochs = [
        {
            "epoch": number,
            "learning_rate": 0.1,
            "real": {"error": error / 2},
            "corrupted": {"error": 100 - error},
            "test": {"error": error},
            "seconds": float(number),
        }
        for number, error in enumerate(errors, start=1)
    ]
    run = {"method": method, "seed": seed, "settings": {}, "epochs": epochs}
    return {**run, "images_seen": 10 * len(epochs), "seconds": 1.5}


def last(epochs):
    return {"last": epochs[-1]["test"]["error"], "sum": sum(e["epoch"] for e in epochs)}


# Last errors: ERM 10, 14, 12 for seeds 0, 1, 2; mixup 7, 9 for seeds 0, 1; and one
# method with a single seed, which ERM does not have.
RUNS = [
    run_of("ERM", 0, 30.0, 10.0),
    run_of("mixup 1", 0, 20.0, 7.0),
    run_of("ERM", 1, 14.0),
    run_of("mixup 1", 1, 9.0),
    run_of("ERM", 2, 12.0),
    run_of("other", 5, 6.0),
]
PAPER = {"mixup 1/last": 7.25}


def result():
    settings = {"preset": "smoke", "epochs": 2}
    return result_file.make_result("made", "Table 0", settings, PAPER, RUNS, last)


def test_the_summary_holds_mean_and_deviation_over_seeds():
    summary = result()["summary"]
    assert list(summary) == [
        f"{method}/{measure}"
        for method in ("ERM", "mixup 1", "other")
        for measure in ("last", "sum")
    ]
    assert summary["ERM/last"] == {
        "mean": 12.0,
        "standard_deviation": 2.0,
        "seeds": 3,
        "paper": None,
    }
    of_mixup = summary["mixup 1/last"]
    assert of_mixup["standard_deviation"] == pytest.approx(2**0.5)
    assert (of_mixup["mean"], of_mixup["seeds"], of_mixup["paper"]) == (8.0, 2, 7.25)
    assert summary["other/last"]["mean"] == 6.0
    assert summary["other/last"]["standard_deviation"] is None
    # 1 + 2 epochs, and then one epoch twice.
    assert summary["ERM/sum"]["mean"] == pytest.approx(5 / 3)


def test_pairs_are_of_equal_seeds_and_against_erm():
    paired = result()["paired"]
    # The differences are -3 and -5.
    assert set(paired) == {"mixup 1/last", "mixup 1/sum"}
    assert paired["mixup 1/last"]["mean"] == -4.0
    assert paired["mixup 1/last"]["standard_error"] == pytest.approx(1.0)
    assert paired["mixup 1/last"]["seeds"] == 2
    runs = result()["runs"]
    assert result_file.pair(runs, baseline="mixup 1")["ERM/last"]["mean"] == 4.0
    assert result_file.pair(runs[:2])["mixup 1/last"] == {
        "mean": -3.0,
        "standard_error": None,
        "seeds": 1,
    }


def test_the_order_of_runs_does_not_matter():
    for function in (result_file.pair, lambda runs: result_file.summarize(runs, PAPER)):
        runs = result()["runs"]
        assert function(runs[::-1]) == function(runs)


def test_the_table_has_a_row_a_method_and_the_papers_value_in_brackets():
    table = tables.table(result(), {"sum": "Sum", "last": "Last (%)"})
    assert table.splitlines() == [
        "| Method | Sum | Last (%) |",
        "|---|---|---|",
        "| ERM | 1.7 ± 1.2 | 12.0 ± 2.0 |",
        "| mixup 1 | 2.0 ± 1.4 | 8.0 ± 1.4 (7.25) |",
        "| other | 1.0 | 6.0 |",
    ]


def grouped():
    """ERM of two groups, and mixup of one."""
    rows = [("a", "ERM", 10.0), ("a", "mixup", 8.0), ("b", "ERM", 6.0)]
    runs = [{**run_of(method, 0, error), "group": g} for g, method, error in rows]
    paper, settings = {"b/ERM/last": 5.5}, {"preset": "smoke"}
    return result_file.make_result("made", "Table 0", settings, paper, runs, last)


def test_tables_of_groups():
    measures, made = {"none": "Not measured", "last": "Last"}, grouped()
    assert tables.table(made, measures, "Data", {"last": 0}).splitlines() == [
        "| Data | Method | Last |",
        "|---|---|---|",
        "| a | ERM | 10 |",
        "| a | mixup | 8 |",
        "| b | ERM | 6 (5.5) |",
    ]
    assert tables.table_by_method(made, "last", "Data").splitlines() == [
        "| Data | ERM | mixup |",
        "|---|---|---|",
        "| a | 10.0 | 8.0 |",
        "| b | 6.0 (5.5) | not run |",
    ]
    assert tables.table_by_group(made, "last", "Last", 2).splitlines() == [
        "| Last | a | b |",
        "|---|---|---|",
        "| ERM | 10.00 | 6.00 (5.5) |",
        "| mixup | 8.00 | not run |",
    ]
    assert list(made["paired"]) == ["a/mixup/last", "a/mixup/sum"]


def test_a_measure_that_a_pair_lacks_is_not_paired():
    runs = result()["runs"]
    runs[2] = {**runs[2], "final": {"sum": 1}}
    assert list(result_file.pair(runs)) == ["mixup 1/sum"]


def test_a_result_says_where_it_comes_from():
    made = result()
    assert set(made) == {
        *("schema", "experiment", "item", "preset", "settings", "paper"),
        *("runs", "summary", "paired", "environment"),
    }
    assert (made["schema"], made["preset"]) == (result_file.SCHEMA, "smoke")
    environment = made["environment"]
    assert environment["versions"]["tensorflow"] == tf.__version__
    assert environment["versions"]["keras"] == keras.__version__
    assert environment["cores"] == os.cpu_count()
    assert isinstance(environment["processor"], str)
    assert datetime.date.fromisoformat(environment["date"])
    assert {"accelerators", "revision"} <= set(environment)


def test_a_written_result_is_read_back(tmp_path):
    file = tmp_path / "new" / "smoke.json"
    result_file.write(file, result())
    assert result_file.read(file) == result()
    assert [path.name for path in file.parent.iterdir()] == ["smoke.json"]
    assert file.stat().st_mode & 0o777 == 0o644
    assert file.read_text().endswith("}\n")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object()])
def test_a_result_that_is_no_json_leaves_the_former_file(tmp_path, value):
    file = tmp_path / "smoke.json"
    result_file.write(file, {"former": 1})
    with pytest.raises((ValueError, TypeError)):
        result_file.write(file, {"former": 2, "bad": value})
    assert result_file.read(file) == {"former": 1}
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_write_that_breaks_off_leaves_the_former_file(tmp_path, monkeypatch, step):
    file = tmp_path / "smoke.json"
    result_file.write(file, {"former": 1})

    def break_off(*arguments):
        # Until the last step the former file is whole.
        assert result_file.read(file) == {"former": 1}
        raise KeyboardInterrupt

    monkeypatch.setattr(os, step, break_off)
    with pytest.raises(KeyboardInterrupt):
        result_file.write(file, {"former": 2})
    assert result_file.read(file) == {"former": 1}
    assert list(tmp_path.iterdir()) == [file]


def rebuilt(stored):
    """What follows from the numbers of each epoch, by the experiment's own rule."""
    final = catalog.load(stored["experiment"]).final
    runs = [{**run, "final": final(run["epochs"])} for run in stored["runs"]]
    summary = result_file.summarize(runs, stored["paper"])
    return {"runs": runs, "summary": summary, "paired": result_file.pair(runs)}


def made_on_the_spot():
    final = catalog.load("quickstart").final
    settings = {"preset": "smoke"}
    made = result_file.make_result("quickstart", "none", settings, {}, RUNS, final)
    return json.loads(json.dumps(made))


@pytest.mark.parametrize("path", [None, *COMMITTED], ids=lambda p: p and p.stem)
def test_a_result_is_rebuilt_from_the_numbers_of_its_epochs(path):
    stored = result_file.read(path) if path else made_on_the_spot()
    assert rebuilt(stored) == {part: stored[part] for part in DERIVED}
    assert stored["schema"] == result_file.SCHEMA
    for run in stored["runs"]:
        numbers = [epoch["epoch"] for epoch in run["epochs"]]
        # All of them, or some of many.
        assert numbers == sorted(set(numbers))
        assert numbers[0] >= 1


@pytest.mark.parametrize("part", DERIVED)
def test_a_number_that_was_changed_by_hand_is_seen(part):
    changed = copy.deepcopy(made_on_the_spot())
    if part == "runs":
        changed["runs"][1]["final"]["best_test_error"] -= 0.1
    else:
        changed[part]["mixup 1/last_test_error"]["mean"] -= 0.1
    assert rebuilt(changed)[part] != changed[part]
