"""What the benchmarks' pages show is what their result files hold."""

import argparse
import ast
import functools
import importlib
import itertools
import json
import operator
import pathlib
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from benchmarks import (
    allocators,
    command,
    contestants,
    growth,
    limit,
    peer_faults,
    peer_mixers,
    peers,
    pipeline,
    readme,
    scale_out,
    torch_contestants,
    turns,
    whole_training,
    workers,
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
    # A part that was measured apart: "pipeline_cutmix".
    name = result["benchmark"]
    assert path.stem == name or path.stem.startswith(f"{name}_")
    assert re.fullmatch("[0-9a-f]{7,}", result["environment"]["revision"])
    assert result["environment"]["cores"] >= 1
    table = importlib.import_module(f"benchmarks.{name}").table(result)
    assert table.startswith("|")
    assert command.table_of(path).read_text(encoding="utf-8") == table + "\n"


def test_make_bench_runs_every_benchmark_that_has_a_command():
    makefile = (readme.ROOT / "Makefile").read_text()
    (listed,) = re.findall(r"for name in ([^;]*);", makefile)
    # What needs a GPU, or data, is started by those who have them.
    assert {*listed.split(), "accelerator", "torch_regression"} == set(COMMANDS)
    for name in COMMANDS:
        assert callable(importlib.import_module(f"benchmarks.{name}").table)


# What traces or draws for long is tried by the command alone.
@pytest.mark.parametrize(
    "row",
    [row for row in peer_faults.FAULTS if "map" not in row and "at alpha" not in row],
)
def test_our_cells_of_the_peers_are_as_committed(row):
    result = result_file.read(command.RESULTS / "peers.json")
    assert list(result["cells"]) == list(peer_faults.FAULTS)
    program, cells = peer_faults.FAULTS[row], result["cells"][row]
    assert peers.cell(peer_mixers.HERE, *program) == cells[peer_mixers.HERE]
    if result["versions"]["keras"] == keras.__version__:
        assert peers.cell("keras", *program) == cells["keras"]


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
    dtypes = {"keras_mixup.CutMix": "uint8", "a": "uint8", "b": "float32"}
    for peer, row in {"a": "", "b": "(dtype='float32')"}.items():
        beside = contestants.ours_beside(peer, dtypes, "CutMix")
        assert beside == f"keras_mixup.CutMix{row}"
    found = {
        (policy, name): torch_contestants.gives(policy, name, "uint8")
        for policy in contestants.ALPHAS
        for name in torch_contestants.names((4, 6, 6, 3), policy)
    }
    # timm's labels would have the dtype of the images.
    assert found == {
        ("MixUp", "torchvision.transforms.v2.MixUp"): "float32",
        ("MixUp", "timm Mixup"): "float32",
        ("CutMix", "torchvision.transforms.v2.CutMix"): "uint8",
        ("CutMix", "timm Mixup"): "float32",
    }


def test_a_set_of_contestants_is_that_of_its_policy():
    size = (4, 6, 6, 3)
    for dtype, last in {"uint8": ["(dtype='float32')"], "float32": []}.items():
        entered = contestants.contestants(size, dtype, "CutMix")
        ours = ["", "(per='batch')", *last]
        assert set(entered) == {
            *(f"keras_mixup.CutMix{row}" for row in ours),
            "keras.layers.CutMix",
            "keras_cv.layers.CutMix",
            "cast only",
        }
        policies = [entered[f"keras_mixup.CutMix{row}"][1] for row in ours]
        assert [one.alpha for one in policies] == [1.0] * len(ours)
        assert [one.per for one in policies[:2]] == ["example", "batch"]
        assert [one.dtype for one in policies[2:]] == ["float32"] * len(last)
        assert entered["keras.layers.CutMix"][1].factor == (1.0, 1.0)
        assert entered["keras_cv.layers.CutMix"][1].alpha == 1.0
    entered = contestants.contestants(size, "uint8")
    assert entered[contestants.OURS_BFLOAT16][1].dtype == "bfloat16"
    assert entered["keras.layers.MixUp"][1].alpha == 0.2
    assert contestants.OURS_BFLOAT16 not in contestants.contestants(size, "float32")


def test_a_box_may_keep_the_dtype_of_the_images_alone():
    batch = {"images": tf.zeros([4, 6, 6, 3], tf.uint8), "labels": tf.zeros([4, 10])}
    contestants.check("a", batch, (4, 6, 6, 3), "uint8")
    for kept in (None, "int32"):
        with pytest.raises(ValueError, match="a gives other images than its rivals"):
            contestants.check("a", batch, (4, 6, 6, 3), kept)
    batch["labels"] = tf.zeros([4, 10], tf.uint8)
    with pytest.raises(ValueError, match="a gives other labels than its rivals"):
        contestants.check("a", batch, (4, 6, 6, 3), "uint8")


def at(median):
    """Numbers as the result files have them, of an interval around a median."""
    return {"median": median, "low": median - 1, "high": median + 1, "coverage": 0.9}


def test_the_pipelines_table_has_the_targets_of_each_policy():
    def cell(policy, memory, **ratios):
        entered = {
            name: {
                "rounds": [1.0],
                "threads": 2,
                "first_seconds": None,
                "images_per_second": at(100),
                "ours_over_it": at(ratio),
            }
            for name, ratio in ratios.items()
        }
        how = {"name": "ImageNet", "dtype": "uint8", "batch": [64, 224, 224, 3]}
        found = {"missing": [], "memory": memory, "contestants": entered, **how}
        return found if policy is None else {"policy": policy, **found}

    row = contestants.OURS_BFLOAT16
    cells = [
        cell(None, "by default", **{"keras.layers.MixUp": 7}),
        cell("MixUp", "by default", **{row: 0.5}),
        cell("MixUp", "kept", **{row: 0.5}),
        cell("CutMix", "by default", **{"keras.layers.CutMix": 3, "timm Mixup": 9}),
        cell("CutMix", "kept", **{"keras_cv.layers.CutMix": 3}),
    ]
    for one in cells[1:3]:
        one["contestants"][row]["over_keras"] = at(6.5)
    lines = pipeline.table({"cells": cells}).splitlines()[2:]
    ends = [line.partition(" (99 to 101) | ")[2] for line in lines[:6]]
    over = "it / `keras.layers.MixUp`: 6.50 (5.50 to 7.50)"
    assert ends == [
        "7.00 (6.00 to 8.00) | >= 5: met |",
        f"{over} | >= 5: met |",
        f"{over} |  |",
        "3.00 (2.00 to 4.00) | >= 5: missed |",
        "9.00 (8.00 to 10.00) |  |",
        "3.00 (2.00 to 4.00) | >= 1: met |",
    ]
    assert [line.startswith("| CutMix: ") for line in lines[:6]] == [False] * 3 + [
        True
    ] * 3
    assert "of CutMix `keras_mixup.CutMix`" in lines[-1]


def test_cutmix_is_measured_of_images(capsys):
    flags = pipeline.parse(["--sizes", "CIFAR", "table", "--dtypes", "uint8"])
    assert pipeline.cells_of(flags) == [
        ("MixUp", "CIFAR", "uint8"),
        ("MixUp", "table", "uint8"),
        ("CutMix", "CIFAR", "uint8"),
    ]
    with pytest.raises(SystemExit):
        pipeline.parse(["--policies", "CutMix", "--sizes", "table"])
    assert "Invalid value received for `policies`" in capsys.readouterr().err


# Answers turns by how many processes are in one, or fails by its name.
CONTESTANT = """
import pathlib, sys, time
from benchmarks import workers

name, folder = sys.argv[1], pathlib.Path(__file__).parent
if name == "missing":
    workers.serve(None)
elif name == "failing":
    workers.serve(lambda steps: int("no\\ncompiler"))
else:
    print("ready 1.5", flush=True)
    for line in sys.stdin:
        (folder / f"{id(line)}_{time.time_ns()}.turn").touch()
        end = time.time() + 20
        while len(found := list(folder.glob("*.turn"))) < 2 and time.time() < end:
            time.sleep(0.01)
        print(f"rate {len(found) * float(line)}", flush=True)
"""


def test_processes_of_one_contestant_take_their_turn_at_one_time(tmp_path, monkeypatch):
    (tmp_path / "contestant.py").write_text(CONTESTANT)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{readme.ROOT}")
    found = workers.side_by_side(
        "contestant",
        {"ours": "running", "a": "missing", "b": "failing"},
        "ours",
        argparse.Namespace(rounds=1, seconds=3.0),
        "images_per_second",
        each=10,
        start=functools.partial(workers.together, processes=2, threads=1),
    )
    assert found["missing"] == ["a"]
    reason = "ValueError: invalid literal for int() with base 10: 'no\\ncompiler'"
    assert found["failed"] == {"b": reason}
    ours = found["contestants"]["ours"]
    # Two processes, each of which sees two at a turn of three seconds, ten images each.
    assert ours["rounds"] == [2 * (2 * 3.0) * 10]
    assert (ours["processes"], ours["threads"], ours["first_seconds"]) == (2, 1, 1.5)
    with pytest.raises(RuntimeError, match="ValueError"):
        workers.side_by_side(
            "contestant", {"ours": "failing"}, "ours", argparse.Namespace(seconds=1), ""
        )


def test_the_table_of_the_training_says_why_a_peer_failed():
    its = {"threads": 1, "images_per_second": at(20), "ours_over_it": at(2.5)}
    cell = {
        "contestants": {whole_training.OURS: its, "PyTorch": its},
        "missing": [],
        "failed": {"PyTorch, compiled": "no compiler"},
    }
    name = whole_training.cell_name(16, "bfloat16", 2)
    text = whole_training.table({"cells": {name: cell}})
    where = "| width 16, bfloat16, 2 processes |"
    assert text.splitlines()[2:] == [
        f"{where} keras_mixup | 1 | 20 (19 to 21) |  |  |",
        f"{where} PyTorch | 1 | 20 (19 to 21) | 2.50 (1.50 to 3.50) | >= 1: met |",
        f"{where} PyTorch, compiled | failed |  |  |  |",
        "",
        "Failed, width 16, bfloat16, 2 processes, PyTorch, compiled: `no compiler`.",
    ]
    assert whole_training.cell_name(16, "float32", 1) == "16"


def test_the_table_of_the_growth_has_the_memory_of_each_policy():
    cell = {"microseconds_an_image": {"32": at(5)}, "longest_over_shortest": at(0.1)}
    text = growth.table(
        {
            "memory": {"kept": cell},
            "extra_batches": {"MixUp": {"32": 1.0}, "CutMix": {"32": 1.25}},
            "targets": {
                "longest_over_shortest": 1.2,
                "extra_batches": {"MixUp": 1.1, "CutMix": 1.2},
            },
        }
    )
    lines = text.splitlines()
    assert lines[2] == "| 32 | 5.0 (4.0 to 6.0) | 1.00 | 1.25 |"
    assert "Extra batches, MixUp: at most 1.00, <= 1.1: met." in lines[-1]
    assert "Extra batches, CutMix: at most 1.25, <= 1.2: missed." in lines[-1]


@pytest.mark.slow
def test_cutmix_with_one_box_takes_little_more_than_its_result():
    memory = allocators.GIVEN_BACK
    taken = allocators.apart(memory, growth.extra, 32, "CutMix", "batch")
    assert 0.9 <= taken <= 1.2


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
