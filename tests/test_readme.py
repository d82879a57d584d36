"""The README's programs run as they stand; its faults are those of the benchmark."""

import pathlib
import re

from benchmarks.command import RESULTS
from experiments.report import result_file

README = pathlib.Path(__file__).parents[1] / "README.md"


def test_the_blocks_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.S)
    assert len(blocks) == 2
    assert len(README.read_text().splitlines()) <= 130
    names = {}
    for block in blocks:
        exec(compile(block, str(README), "exec"), names)
    printed = capsys.readouterr().out
    assert "TensorSpec(shape=(None, 10)" in printed
    assert (tmp_path / "exported/digits/1/saved_model.pb").exists()


def test_commands_of_the_readme_are_targets_of_make():
    makefile = (README.parent / "Makefile").read_text()
    for command in re.findall(r"make ([a-z-]+)", README.read_text()):
        assert re.search(rf"^{command}:", makefile, flags=re.M), command


def test_the_faults_are_as_many_as_the_rows_of_their_table():
    cells = result_file.read(RESULTS / "peers.json")["cells"]
    assert len(cells) == 14
    assert "[fourteen faults](docs/peers.md)" in README.read_text()
    # A fault is what some peer does and ours does not.
    right = [cells[row].pop("keras_mixup") for row in cells]
    for row, ours in zip(cells.values(), right, strict=True):
        assert ours
        assert not ours.startswith("raises")
        assert {*row.values()} - {ours, ""}
