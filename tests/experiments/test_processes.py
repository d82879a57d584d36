"""Runs side by side in processes of their own, and what this machine computes with."""

import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from experiments import catalog, classifier, processor
from experiments.__main__ import main
from experiments.engine import processes
from experiments.report import result_file
from tests.experiments import runs

TABLE_4 = catalog.load("table4_tabular")


@pytest.fixture
def flags_of_the_processor(monkeypatch):
    """Sets what /proc/cpuinfo says."""

    def say(flags):
        text = f"processor : 0\nflags : fpu sse2 {flags}\n"
        monkeypatch.setattr(pathlib.Path, "read_text", lambda *_, **__: text)

    return say


@pytest.mark.parametrize(
    ("flags", "chosen"),
    [
        ("avx2", "float32"),
        ("avx512f avx512_bf16", "mixed_bfloat16"),
        ("amx_bf16", "mixed_bfloat16"),
        ("not_avx512_bf16_x", "float32"),
    ],
)
def test_auto_is_bfloat16_where_the_processor_multiplies_it(
    flags_of_the_processor, flags, chosen
):
    flags_of_the_processor(flags)
    assert runs.parse(TABLE_4, "--precision", "auto").precision == chosen
    assert runs.parse(TABLE_4).precision == "float32"


def test_bfloat16_on_another_processor_warns_of_its_cost(flags_of_the_processor):
    flags_of_the_processor("avx2")
    with pytest.warns(UserWarning, match="does not multiply bfloat16.*several times"):
        chosen = runs.parse(TABLE_4, "--precision", "mixed_bfloat16")
    assert chosen.precision == "mixed_bfloat16"


def test_more_processes_than_cores_are_refused(monkeypatch, capsys):
    monkeypatch.setattr(processor, "cores", lambda: 3)
    message = "`processes`. Expected at most 3, the cores, and 1 beside --strategy"
    assert message in runs.refusal(TABLE_4, capsys, "--processes", 4)
    message = message.replace("3", "1")
    flags = ("--processes", 2, "--strategy", "mirrored")
    assert message in runs.refusal(TABLE_4, capsys, *flags)
    assert runs.parse(TABLE_4, "--processes", 3).processes == 3


def test_two_processes_end_as_one_does(tmp_path, capsys):
    command = ["--preset", "smoke", "--seeds", "0", "1", "--epochs", "2"]
    results = []
    for count in ("1", "2"):
        if int(count) > processor.cores():
            pytest.skip("This machine has one core.")
        folder = tmp_path / count
        flags = [*command, "--processes", count, "--run_dir", str(folder)]
        assert main(["table4_tabular", *flags]) == 0
        results.append(result_file.read(folder / "table4_tabular" / "smoke.json"))
    one, two = results
    # The command itself found all of its runs done.
    assert capsys.readouterr().out.count(": done before") == len(two["runs"]) == 4
    for ours, theirs in zip(two["runs"], one["runs"], strict=True):
        assert ours["final"] == pytest.approx(theirs["final"], abs=1e-3)
        assert (ours["method"], ours["seed"]) == (theirs["method"], theirs["seed"])
    # Other processes are no other setting: what is there is taken.
    again = ["--run_dir", str(tmp_path / "2"), "--processes", "1"]
    idle = runs.run(TABLE_4, *command, *again)[1]
    assert idle.count(": done before") == 4


def refuse(number):
    raise result_file.DamagedFile(f"The file {number} is damaged.")


def test_what_a_process_refuses_is_refused():
    with pytest.raises(result_file.DamagedFile, match="The file 7 is damaged"):
        processes.do(1, refuse, [(7,)])
    processes.do(2, refuse, [])


def test_the_training_error_is_that_of_the_heavier_logit():
    x = np.array([[3.0, 1.0], [0.0, 2.0], [5.0, 4.0]], "float32")
    network = keras.Sequential([keras.Input((2,)), keras.layers.Identity()])
    integers = tf.data.Dataset.from_tensor_slices((x, [0, 0, 0])).batch(2)
    rows = integers.map(lambda x, y: (x, tf.one_hot(y, 2)))
    for batches in (integers, rows):
        found = classifier.training_error(network, batches)
        assert found == {"error_on_real": pytest.approx(100 / 3)}
