"""The files of a run's checkpoints: which are finished, whole, and which may go.

A checkpoint has a list of its files with their SHA-256, written last and removed
first: a kill leaves a finished checkpoint, or files without a list, which count
for nothing and go with the next that is written.
"""

import pathlib
import re
import shutil
import warnings

from experiments.engine.trained_network import digest
from experiments.report import result_file
from keras_mixup.whole_file import to_disk

KEPT = 2
_NAME = re.compile(r"ckpt-(\d+)(?:-(\d+))?")


def path_of(folder, epochs, batch):
    """Where the checkpoint of so many epochs, and batches of the next one, is."""
    return folder / (f"ckpt-{epochs}" + (f"-{batch}" if batch else ""))


def found(folder):
    """The checkpoints of a folder, oldest first; finished or not."""
    names = {}
    for path in folder.glob("ckpt-*"):
        match = _NAME.fullmatch(path.name.partition(".")[0])
        if match:
            names[int(match[1]), int(match[2] or 0)] = folder / match[0]
    return [names[key] for key in sorted(names)]


def finished(folder):
    """The checkpoints of a folder that were finished, oldest first."""
    return [path for path in found(folder) if is_finished(path)]


def is_finished(path):
    """Whether all of a checkpoint was written once; `check` says if it still is."""
    return _list_of(path).exists()


def begin(path):
    """Makes a place for a checkpoint: one that is written anew is not finished."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _list_of(path).unlink(missing_ok=True)


def finish(path):
    """Makes a checkpoint of the files that were written."""
    files = set(path.parent.glob(f"{path.name}.*")) - {_list_of(path)}
    files = sorted(filter(pathlib.Path.is_file, files))
    for file in files:
        to_disk(file)
    result_file.write(_list_of(path), {file.name: digest(file) for file in files})


def check(path):
    """Raises unless all files of a finished checkpoint are as they were written."""
    digests = result_file.read(_list_of(path))
    if not digests:
        raise ValueError(f"{_list_of(path).name} does not list its files")
    for name, expected in digests.items():
        if digest(path.with_name(name)) != expected:
            raise ValueError(f"{name} is not as it was written")


def remove_others(newest):
    """Removes what is older than the checkpoints that are kept, and what kills left.

    What would be newer is damaged: the run has gone on from one before it.
    """
    ended = finished(newest.parent)
    kept = {path.name for path in ended[: ended.index(newest) + 1][-KEPT:]}
    files = newest.parent.glob("*ckpt-*")
    others = [file for file in files if file.name.partition(".")[0] not in kept]
    try:
        for file in sorted(others, key=lambda file: file.suffix != ".json"):
            shutil.rmtree(file) if file.is_dir() else file.unlink(missing_ok=True)
    except OSError as error:
        # The run has what it needs.
        warnings.warn(
            f"An old checkpoint could not be removed: {error}. It is tried again when "
            "the next one is written.",
            stacklevel=3,
        )


def _list_of(path):
    return path.with_name(f"{path.name}.sha256.json")
