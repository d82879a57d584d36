"""What the benchmarks' pages show is what their result files hold."""

import importlib
import itertools
import pathlib
import re

import pytest

from benchmarks import command, readme, scale_out, turns
from experiments import result_file

RESULTS = sorted(command.RESULTS.glob("*.json"))


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


def test_make_bench_runs_every_benchmark_that_has_a_command():
    makefile = (readme.ROOT / "Makefile").read_text()
    (listed,) = re.findall(r"for name in ([^;]*);", makefile)
    folder = pathlib.Path(command.__file__).parent
    commands = {
        path.stem
        for path in folder.glob("*.py")
        if "command.conclude(" in path.read_text()
    }
    # That of a GPU is started by those who have one.
    assert set(listed.split()) == commands - {"accelerator", "command"}


def test_rounds_are_whole_and_neighbours_change():
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


def test_every_benchmark_has_the_table_that_the_pages_and_the_report_ask_for():
    folder = pathlib.Path(command.__file__).parent
    for path in folder.glob("*.py"):
        if "command.conclude(" in path.read_text() and path.stem != "command":
            module = importlib.import_module(f"benchmarks.{path.stem}")
            assert callable(module.table)
