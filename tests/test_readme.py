"""The README's program runs as it stands, block after block."""

import pathlib
import re

README = pathlib.Path(__file__).parents[1] / "README.md"


def test_the_blocks_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.S)
    assert len(blocks) >= 5
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
