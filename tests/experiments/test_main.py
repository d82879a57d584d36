"""The command `python -m experiments`, and how its flags become settings."""

import dataclasses
import pathlib
import subprocess
import sys

import pytest

import experiments
from experiments import catalog, configuration
from experiments.beyond import quickstart
from experiments.catalog import EXPERIMENTS, main

ROOT = pathlib.Path(experiments.__file__).parent.parent
PRESETS = {
    "cpu": {},
    "smoke": {"epochs": 2, "seeds": (7,), "rate": 0.0},
    "paper": {"epochs": 200, "publish": True},
}


@dataclasses.dataclass(frozen=True)
class Settings(configuration.Configuration):
    """Settings of an experiment that does not exist."""

    # Passes over the data.
    epochs: int = 60
    rate: float = 0.1
    alphas: tuple[float, ...] = (1.0, 8.0)


def parse(*flags):
    return configuration.parse(Settings, PRESETS, list(flags), prog="prog")


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_the_list_names_every_experiment(capsys, arguments):
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    for name, summary in EXPERIMENTS.items():
        assert [line.split() for line in lines].count([name, *summary.split()]) == 1


def test_every_file_with_settings_and_presets_is_listed():
    files = (ROOT / "experiments").glob("*.py")
    found = {file.stem for file in files if "\nPRESETS = " in file.read_text()}
    assert found == set(EXPERIMENTS)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_has_a_smoke_preset_and_parses(name):
    experiment = catalog.load(name)
    assert {"cpu", "smoke"} <= set(experiment.PRESETS)
    for preset, changed in experiment.PRESETS.items():
        settings = configuration.parse(
            experiment.Settings, experiment.PRESETS, ["--preset", preset], prog="prog"
        )
        assert settings == experiment.Settings(preset=preset, **changed)


def test_an_unknown_experiment_gives_status_2_and_the_names(capsys):
    assert main(["quickstrat", "--epochs", "1"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "Received: 'quickstrat'" in printed.err
    assert all(repr(name) in printed.err for name in EXPERIMENTS)


def test_the_command_exits_with_the_status():
    command = [sys.executable, "-m", "experiments", "quickstrat"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    assert answer.returncode == 2


@pytest.mark.parametrize("name", [None, *EXPERIMENTS])
def test_help_does_not_import_tensorflow(name):
    flags = [name, "--help"] if name else ["--help"]
    program = (
        "import runpy, sys\n"
        f"sys.argv = ['experiments', *{flags!r}]\n"
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
    assert ("--corrupted" in answer.stdout) == (name == "quickstart")


def test_an_experiment_runs_with_the_settings_of_its_flags(monkeypatch):
    received = []
    monkeypatch.setattr(quickstart, "run", received.append)
    assert main(["quickstart", "--preset", "smoke", "--epochs", "3"]) == 0
    expected = {**quickstart.PRESETS["smoke"], "epochs": 3}
    assert received == [quickstart.Settings(preset="smoke", **expected)]


def test_without_flags_the_settings_are_the_defaults_of_the_preset_cpu():
    settings = parse()
    assert settings == Settings()
    assert (settings.preset, settings.epochs, settings.rate) == ("cpu", 60, 0.1)


def test_a_preset_wins_over_defaults_and_leaves_the_others():
    settings = parse("--preset", "smoke")
    assert (settings.epochs, settings.seeds, settings.rate) == (2, (7,), 0.0)
    assert (settings.preset, settings.alphas) == ("smoke", (1.0, 8.0))
    assert parse("--preset=paper").publish is True


@pytest.mark.parametrize(
    "flags",
    [("--preset", "smoke", "--epochs", "60"), ("--epochs=60", "--preset=smoke")],
)
def test_a_flag_wins_over_the_preset_even_with_the_default_value(flags):
    settings = parse(*flags)
    assert (settings.epochs, settings.seeds) == (60, (7,))


def test_flags_take_lists_numbers_and_switches():
    settings = parse(
        "--alphas", "0.5", "2", "--seeds", "4", "--publish", "--rate", "1e-3"
    )
    assert (settings.alphas, settings.seeds) == ((0.5, 2.0), (4,))
    assert (settings.publish, settings.rate) == (True, 1e-3)
    assert parse("--preset", "paper", "--nopublish").publish is False


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--preset", "huge"], "invalid choice: 'huge'"),
        (["--epoch_count", "1"], "--epoch_count"),
        (["--epochs", "many"], "invalid int value: 'many'"),
    ],
)
def test_a_wrong_flag_ends_with_status_2_and_a_message(capsys, flags, message):
    with pytest.raises(SystemExit) as end:
        parse(*flags)
    assert end.value.code == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert "usage: prog" in printed


def test_help_shows_presets_flags_and_their_meaning(capsys):
    with pytest.raises(SystemExit) as end:
        parse("--help")
    assert end.value.code == 0
    printed = capsys.readouterr().out
    assert "Presets: cpu, paper, smoke." in printed
    for field in dataclasses.fields(Settings):
        assert f"--{field.name}" in printed
    assert "Passes over the data. (default: 60)" in printed


def test_settings_cannot_change():
    with pytest.raises(dataclasses.FrozenInstanceError):
        parse().epochs = 1


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            ["--alphas", "0"],
            "`alphas`. Expected at least one, all different, finite and above 0",
        ),
        (["--alphas"], "`alphas`. Expected at least one"),
        (["--seeds"], "`seeds`. Expected at least one"),
        (["--seeds", "1", "1"], "all different. Received: [1, 1]"),
        (["--corrupted", "1"], "`corrupted`. Expected a share in (0, 1)"),
    ],
)
def test_wrong_settings_are_refused_before_training(capsys, flags, message):
    with pytest.raises(SystemExit) as exit_:
        configuration.parse(
            quickstart.Settings, quickstart.PRESETS, flags, prog="quickstart"
        )
    assert exit_.value.code == 2
    assert message in capsys.readouterr().err


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
        (OSError("a pipe broke"), "Cannot use: a pipe broke"),
    ],
)
def test_what_the_system_refuses_is_named_without_a_traceback(
    monkeypatch, capsys, error, message
):
    def refused(settings):
        raise error

    monkeypatch.setattr(quickstart, "run", refused)
    assert main(["quickstart"]) == 2
    text = capsys.readouterr().err
    assert message in text
    assert "Traceback" not in text


def test_a_run_folder_below_a_file_is_named(tmp_path, capsys):
    (tmp_path / "runs").write_text("a file")
    flags = ["--preset", "smoke", "--run_dir", str(tmp_path / "runs")]
    assert main(["table4_tabular", *flags]) == 2
    assert str(tmp_path / "runs") in capsys.readouterr().err
