"""The command `python -m experiments`."""

import pathlib
import subprocess
import sys

import pytest

import experiments
from experiments.__main__ import main
from experiments.catalog import EXPERIMENTS
from experiments.engine import run
from experiments.paper import table4_tabular

ROOT = pathlib.Path(experiments.__file__).parent.parent


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_the_list_names_every_experiment(capsys, arguments):
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    for name, summary in EXPERIMENTS.items():
        assert [line.split() for line in lines].count([name, *summary.split()]) == 1


def test_every_file_that_holds_an_experiment_is_listed():
    files = (ROOT / "experiments").rglob("*.py")
    found = {file.stem for file in files if "\nEXPERIMENT = " in file.read_text()}
    assert found == set(EXPERIMENTS)


def test_the_list_does_not_import_tensorflow():
    program = (
        "import runpy, sys\n"
        "sys.argv = ['experiments']\n"
        "try:\n"
        "    runpy.run_module('experiments', run_name='__main__')\n"
        "finally:\n"
        "    heavy = {'tensorflow', 'keras', 'keras_mixup', 'matplotlib', 'sklearn'}\n"
        "    print('imported:', *sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    assert answer.stderr.splitlines()[-1].split() == ["imported:"]
    assert "usage: python -m experiments" in answer.stdout


def test_an_unknown_experiment_gives_status_2_and_the_names(capsys):
    assert main(["quickstrat", "--epochs", "1"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "Received: 'quickstrat'" in printed.err
    assert all(repr(name) in printed.err for name in [*EXPERIMENTS, "report"])


def test_the_command_exits_with_the_status():
    command = [sys.executable, "-m", "experiments", "quickstrat"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    assert answer.returncode == 2


def test_an_experiment_runs_with_the_settings_of_its_flags(monkeypatch):
    received, experiment = [], table4_tabular.EXPERIMENT
    monkeypatch.setattr(run, "run", lambda *arguments: received.append(arguments))
    assert main(["table4_tabular", "--preset", "smoke", "--epochs", "3"]) == 0
    changed = {**experiment.presets["smoke"], "epochs": 3}
    expected = experiment.settings(preset="smoke", **changed)
    assert received == [(experiment, expected)]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            OSError(28, "No space left on device", "runs/a.json"),
            "runs/a.json: No space",
        ),
        (OSError(30, "Read-only file system", "runs"), "Cannot use runs: Read-only"),
        (
            PermissionError(13, "Permission denied", "runs/b"),
            "runs/b: Permission denied",
        ),
        (
            IsADirectoryError(21, "Is a directory", ".unfinished", None, "page.html"),
            "Cannot use page.html: Is a directory",
        ),
        (OSError("a pipe broke"), "Cannot use: a pipe broke"),
    ],
)
def test_what_the_system_refuses_is_named_without_a_traceback(
    monkeypatch, capsys, error, message
):
    def refused(experiment, settings):
        raise error

    monkeypatch.setattr(run, "run", refused)
    assert main(["table4_tabular"]) == 2
    text = capsys.readouterr().err
    assert message in text
    assert "Traceback" not in text


def test_a_run_folder_below_a_file_is_named(tmp_path, capsys):
    (tmp_path / "runs").write_text("a file")
    flags = ["--preset", "smoke", "--run_dir", str(tmp_path / "runs")]
    assert main(["table4_tabular", *flags]) == 2
    assert str(tmp_path / "runs") in capsys.readouterr().err
