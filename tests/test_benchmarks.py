"""What the benchmarks' pages show is what their result files hold."""

import argparse
import ast
import importlib
import itertools
import json
import operator
import pathlib
import re

import numpy as np
import pytest
import tensorflow as tf

from benchmarks import (
    allocators,
    command,
    contestants,
    limit,
    readme,
    scale_out,
    turns,
)
from experiments.report import result_file

RESULTS = sorted(command.RESULTS.glob("*.json"))
COMMANDS = [
    path.stem
    for path in sorted(pathlib.Path(command.__file__).parent.glob("*.py"))
    if "command.conclude(" in path.read_text()
]


def strings_and_imports(path):
    """The texts of a file, pieces of f-strings too, and what it imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def of_benchmarks(path):
    return [
        name for name in strings_and_imports(path) if name.startswith("benchmarks.")
    ]


def test_benchmarks_import_experiments_and_never_the_reverse(tmp_path):
    for path in (readme.ROOT / "experiments").rglob("*.py"):
        assert of_benchmarks(path) == [], path
    assert "benchmarks.command" in of_benchmarks(pathlib.Path(limit.__file__))
    late = tmp_path / "late.py"
    late.write_text("import_module(f'benchmarks.{name}')")
    assert of_benchmarks(late) == ["benchmarks."]


@pytest.mark.parametrize("name", readme.PAGES)
def test_the_tables_are_those_of_the_result_files(name):
    text = (readme.ROOT / name).read_text(encoding="utf-8")
    assert readme.PLACE.search(text)
    assert readme.filled(text) == text


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_each_result_file_is_of_a_clean_checkout_and_has_a_table(path):
    result = result_file.read(path)
    assert result["benchmark"] == path.stem
    assert re.fullmatch("[0-9a-f]{7,}", result["environment"]["revision"])
    assert result["environment"]["cores"] >= 1
    table = importlib.import_module(f"benchmarks.{path.stem}").table(result)
    assert table.startswith("|")
    assert command.table_of(path).read_text(encoding="utf-8") == table + "\n"


def test_make_bench_runs_every_benchmark_that_has_a_command():
    makefile = (readme.ROOT / "Makefile").read_text()
    (listed,) = re.findall(r"for name in ([^;]*);", makefile)
    # That of a GPU is started by those who have one.
    assert {*listed.split(), "accelerator"} == set(COMMANDS)
    for name in COMMANDS:
        assert callable(importlib.import_module(f"benchmarks.{name}").table)


def test_rounds_are_whole_and_neighbors_change():
    taken = []

    def measure(name):
        taken.append(name)
        return len(taken)

    names = ["a", "b", "c", "d"]
    found = turns.in_rounds(names, 40, measure)
    orders = [taken[begin : begin + 4] for begin in range(0, 160, 4)]
    assert all(sorted(order) == names for order in orders)
    for name in names:
        assert [taken[at - 1] for at in found[name]] == [name] * 40
        assert found[name] == sorted(found[name])
    after = [b for order in orders for a, b in itertools.pairwise(order) if a == "a"]
    # Of 30 followers of "a" each of the others is one in three.
    assert min(after.count(name) for name in names[1:]) >= 4


def test_the_best_is_that_of_the_highest_median():
    rates = {1: iter([9.0, 1.0, 2.0]), 2: iter([3.0, 3.0, 3.0])}
    assert turns.best_of(rates, lambda key: next(rates[key])) == 2
    # Without a choice nothing is tried.
    assert turns.best_of({2: None}, None) == 2


def test_a_pipeline_rests_for_what_it_makes_ahead(monkeypatch):
    rests = []
    monkeypatch.setattr(turns.time, "sleep", rests.append)
    for rate in (100.0, 2.0):
        monkeypatch.setattr(turns, "consume", lambda iterator, seconds, r=rate: r)
        assert turns.turn(iter([]), 0.1) == rate
    assert rests == [0.06, 1.0]


def test_a_long_run_goes_on_with_the_next_cell(tmp_path, monkeypatch):
    environment = {"revision": "abc", "date": "today"}
    monkeypatch.setattr(command.result_file, "environment", lambda: {**environment})
    flags = argparse.Namespace(output=tmp_path / "found.json", rounds=3)
    keys, measured = [("a", "x"), ("a", "y"), ("b", "x")], []

    def cell_of(name, dtype, stop=()):
        if (name, dtype) in stop:
            raise KeyboardInterrupt
        measured.append((name, dtype))
        return {"cell": name + dtype}

    with pytest.raises(KeyboardInterrupt):
        command.piecewise(flags, keys, lambda *key: cell_of(*key, stop=keys[2:]))
    assert measured == keys[:2]
    environment["date"] = "tomorrow"
    cells = command.piecewise(flags, keys, cell_of)
    assert all(0 <= cell.pop("cpu_seconds")["own"] < 60 for cell in cells)
    assert cells == [{"cell": name + dtype} for name, dtype in keys]
    assert measured == keys
    # What another state of the code measured is not taken.
    environment["revision"] = "abd"
    command.piecewise(flags, keys, cell_of)
    assert measured == keys + keys


def test_a_result_is_written_before_its_table_and_names_changes(tmp_path, monkeypatch):
    revisions = iter(["abc", "abc-dirty", "abd", "abd"])
    monkeypatch.setattr(command.result_file, "revision", lambda: next(revisions))
    flags = argparse.Namespace(output=tmp_path / "found.json", rounds=3)

    def conclude(table):
        command.conclude("found", flags, lambda flags: {"cells": [1]}, table)

    with pytest.raises(KeyError):
        conclude(lambda result: result["none"])
    found = json.loads(flags.output.read_text())
    assert found["cells"] == [1]
    assert found["settings"] == {"rounds": 3}
    assert found["environment"]["revision"] == "abc to abc-dirty"
    assert 0 <= found["cpu_seconds"]["own"] < 60
    conclude(lambda result: f"| {result['cells']} |")
    assert (tmp_path / "found.md").read_text() == "| [1] |\n"
    assert result_file.read(flags.output)["environment"]["revision"] == "abd"


def test_what_fails_apart_says_so():
    assert allocators.apart(allocators.BY_DEFAULT, operator.truediv, 6, 3) == 2
    with pytest.raises(allocators.Failed, match=r"truediv\(1, 0\).*CalledProcessError"):
        allocators.apart(allocators.BY_DEFAULT, operator.truediv, 1, 0)


def test_peers_are_compared_with_what_gives_their_dtype():
    dtypes = {contestants.OURS: "bfloat16", "a": "bfloat16", "b": "float32"}
    assert contestants.ours_beside("a", dtypes) == contestants.OURS
    assert contestants.ours_beside("b", dtypes) == contestants.OURS_CAST


def test_contestants_give_what_they_are_to_give():
    for size in ((4, 6, 6, 3), (8, 5)):
        for dtype in ("uint8", "float32", "bfloat16"):
            batches = contestants.make_batches(size, dtype)
            entered = contestants.contestants(size, dtype)
            for name in (contestants.PEERS[2], contestants.FLOOR):
                form, function = entered[name]
                batch = next(iter(batches[form].map(function)))
                contestants.check(name, batch, size)
                assert batch["images"].dtype == "float32"
            assert (contestants.OURS_CAST in entered) == (dtype == "bfloat16")


def test_the_formula_is_between_two_batches():
    one = {"images": np.zeros((64, 2), "float32"), "labels": np.zeros((64, 3), "f4")}
    two = {name: np.ones_like(values) for name, values in one.items()}
    mixed = contestants.formula_of_the_example(
        *(tf.nest.map_structure(tf.constant, batch) for batch in (one, two))
    )
    lam = mixed["images"].numpy()
    np.testing.assert_array_equal(lam[:, 0], lam[:, 1])
    np.testing.assert_allclose(mixed["labels"][:, 0], lam[:, 0])
    assert 0 <= lam.min() < 0.1 < 0.9 < lam.max() <= 1


def test_the_model_on_paper_is_its_formula():
    parts = scale_out.projected(
        4, parameters=10, batch=2, pixels=3, card=5.0, memory=6.0, hop=1.0, step=7.0
    )
    # 2 * 3/4 * 40 bytes over 5 a second, and two hops there and back.
    assert parts["gradients"] == pytest.approx(12 + 4)
    assert parts["input"] == pytest.approx(4 * 6 / 5)
    assert parts["mixing"] == pytest.approx(3 * 4 * 6 / 6)
    assert parts["step"] == 7
    alone = scale_out.projected(1)
    assert alone["gradients"] == 0
