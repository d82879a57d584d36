"""The README's programs run as they stand; speeds are those of the benchmarks."""

import pathlib
import re

from benchmarks.command import RESULTS
from benchmarks.report import interval
from experiments.report import result_file

README = pathlib.Path(__file__).parents[1] / "README.md"
DOCS = README.parent / "docs"


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


PEERS = (
    "keras.layers.MixUp",
    "keras_cv.layers.MixUp",
    "formula of the keras.io example",
)


def test_the_ratios_are_those_of_the_benchmark():
    result = result_file.read(RESULTS / "pipeline.json")
    expected = []
    for cell in result["cells"]:
        found = [
            cell["contestants"].get(peer, {}).get("ours_over_it") for peer in PEERS
        ]
        size = "x".join(map(str, cell["batch"]))
        row = [size, cell["dtype"], cell["memory"]]
        expected.append([*row, *(one and interval(one, ".2f") for one in found)])
    text = (DOCS / "speed.md").read_text()
    rows = [line.strip("| ").split(" | ") for line in text.splitlines()]
    rows = [row for row in rows if re.fullmatch(r"\d+x\d+x\d+x3", row[0])]
    assert len(rows) == 6
    for row in rows:
        assert row in expected
    assert f"Medians of {result['settings']['rounds']} rounds" in text
    # "no interval lies above" the aims against keras.layers.MixUp at 224 pixels.
    for size, dtype, *_, ratio in (row[:4] for row in rows):
        if size == "64x224x224x3":
            low = float(ratio.partition("(")[2].partition(" ")[0])
            assert low <= {"uint8": 5, "float32": 3}[dtype]
    ratio = next(r[3] for r in rows if r[:3] == ["64x224x224x3", "uint8", "by default"])
    told = f"**Speed**: {ratio.partition(' ')[0]} times `keras.layers.MixUp`"
    assert told in README.read_text()


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


def test_sentences_with_times_are_those_of_the_benchmarks():
    def text_of(name):
        return " ".join((README.parent / name).read_text().split())

    limit = result_file.read(RESULTS / "limit.json")["memory"]
    kept, usual = (
        limit[memory]["milliseconds"]["keras_mixup.MixUp"]["median"]
        for memory in ("kept", "by default")
    )
    sentence = f"floats are mixed in {kept:.1f} ms where it takes {usual:.1f}"
    assert sentence in text_of("docs/speed.md")
    over = limit["by default"]["mixing_over_copy"]["copy by TensorFlow"]
    page = text_of("benchmarks/README.md")
    assert f"the mixing is within {100 * (over['high'] - 1):.0f} % of it" in page
    cells = result_file.read(RESULTS / "whole_training.json")["cells"].values()
    medians = [
        cell["contestants"]["PyTorch, channels last"]["ours_over_it"]["median"]
        for cell in cells
    ]
    assert f"the medians {medians[0]:.2f} and {medians[1]:.2f}" in page
    growth = result_file.read(RESULTS / "growth.json")["memory"]
    within = []
    for memory in ("by default", "kept"):
        times = growth[memory]["microseconds_an_image"]
        large = [times[size]["median"] for size in ("128", "512", "2048", "4096")]
        within.append(100 * (max(large) / min(large) - 1))
    assert f"from 128 to 4,096 they lie within {within[0]:.0f} % of each" in page
    assert f"With kept memory those lie within {within[1]:.0f} %" in page
    projected = result_file.read(RESULTS / "scale_out.json")["projected"]
    mixing = {100 * one["mixing"] / one["step"] for one in projected.values()}
    sentence = f"The mixing is {max(mixing):.2f} % of the step in any case"
    assert sentence in text_of("docs/scale_out.md")
