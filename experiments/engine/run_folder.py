"""The folder of one run: to whom it belongs, who is at work in it, and its record."""

import contextlib
import json
import shutil

import filelock

from experiments.engine import checkpoint_files
from experiments.report import result_file
from experiments.settings import Refusal

# Of the folder: 1 was that of version 0.1, whose settings did not say it.
LAYOUT = 2


class OtherSettings(Refusal, ValueError):
    """A run folder that another configuration has begun."""


class InUse(Refusal, RuntimeError):
    """Another process is at work in a run's folder."""


def compare(folder, claim):
    """Raises where a folder that holds something belongs to other settings."""
    place = folder / "settings.json"
    begun = is_done(folder) or checkpoint_files.finished(folder / "checkpoints")
    if not begun:
        return
    if not place.exists():
        raise OtherSettings(
            f"The run folder {folder} does not say whose it is: {place.name} is "
            "missing. Give another --run_dir, or remove the folder."
        )
    there, claim = result_file.read(place), json.loads(json.dumps(claim))
    layout = there.pop("layout", 1)
    if layout != LAYOUT:
        raise OtherSettings(
            f"The run folder {folder} has layout {layout}, that of "
            f"{'keras_mixup 0.1' if layout == 1 else 'another version'}. Expected "
            f"layout {LAYOUT}. Give another --run_dir, or remove the folder."
        )
    names = sorted({*there, *claim})
    pairs = [[one.get(name, "nothing") for one in (there, claim)] for name in names]
    differences = [
        f"{name}: {begun!r} there, {now!r} now"
        for name, (begun, now) in zip(names, pairs, strict=True)
        if begun != now
    ]
    if differences:
        raise OtherSettings(
            f"The run folder {folder} belongs to other settings "
            f"({'; '.join(differences)}). Give another --run_dir, or remove the folder."
        )


def is_done(folder):
    """Whether the folder holds the record of a run that is done."""
    return (folder / "record.json").exists()


def record(folder):
    """The record of a run that is done."""
    return result_file.read(folder / "record.json")


def do(folder, claim, train):
    """Does a run in its folder, unless it is done, and leaves the record there.

    Other processes are kept out of it meanwhile. `claim` is the dict of the settings
    that the run depends on; `train` gives the record.
    """
    with _held(folder):
        # A process that held the folder before may have begun or done it meanwhile.
        compare(folder, claim)
        if not is_done(folder):
            owner = {"layout": LAYOUT, **claim}
            result_file.write(folder / "settings.json", owner)
            result_file.write(folder / "record.json", train())
        remove_checkpoints(folder)


def remove_checkpoints(folder):
    """Removes what a run that is done needs no more."""
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)


@contextlib.contextmanager
def _held(folder):
    """Keeps other processes out of a folder; a killed one holds it no longer."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        # The file stays: another process may be about to lock it.
        held = filelock.FileLock(folder / ".lock").acquire(timeout=0)
    except filelock.Timeout as error:
        raise InUse(
            f"Another process is at work in {folder}. Wait for it, stop it, or give "
            "another --run_dir. (What it had done stays there.)"
        ) from error
    with held:
        yield
