"""The blocks of docs/serve.md that need converters, in the order of the page."""

import pathlib
import re
import shlex

import pytest

from tests.converters import converted

pytestmark = pytest.mark.converters
PAGE = pathlib.Path(__file__).parents[2] / "docs" / "serve.md"


def test_the_blocks_of_the_page_run(tmp_path, monkeypatch):
    for module, extra in (
        ("ai_edge_litert", "litert"),
        ("tf2onnx", "onnx"),
        ("onnxruntime", "onnx"),
        ("openvino", "openvino"),
    ):
        converted.needed(module, extra)
    monkeypatch.chdir(tmp_path)
    names, run = {}, 0
    blocks = re.findall(r"^```(\w+)\n(.*?)^```", PAGE.read_text(), flags=re.S | re.M)
    for language, content in blocks:
        # What needs a server is not run.
        if "localhost" in content:
            continue
        run += 1
        if language == "sh":
            command = shlex.split(content)
            assert command[:3] == ["python", "-m", "tf2onnx.convert"]
            converted.run_tf2onnx(*command[3:])
        else:
            exec(compile(content, "serve.md", "exec"), names)
    assert run == 7
    assert (tmp_path / "model.onnx").exists()
    assert names["probabilities"].shape == (64, 3)
