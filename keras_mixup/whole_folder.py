"""A folder that appears whole or not at all."""

import contextlib
import os
import pathlib
import shutil
import tempfile

from keras_mixup.whole_file import is_of_dead_process, own_prefix


@contextlib.contextmanager
def whole_folder(path):
    """Gives an empty folder to write in; when all is written, it becomes the path.

    Behind a symbolic link, it becomes what the link points to. A kill leaves at most a
    folder beside the path, which the next process that writes the path removes.

    Args:
        path: A path that is free, or an empty folder.

    Raises:
        FileExistsError: if the path holds anything.
        OSError: where the path cannot be written; nothing is left behind.
    """
    check_free(path)
    path = pathlib.Path(path).resolve()
    created = [parent for parent in path.parents if not parent.exists()]
    scratch = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Written beside its place, so that the last step is one rename. Its name is
        # short: that of the path may be as long as names can be.
        _remove_what_killed_ones_left(path)
        scratch = pathlib.Path(tempfile.mkdtemp(prefix=own_prefix(), dir=path.parent))
        target = scratch / path.name
        target.mkdir()
        yield target
        # On POSIX a folder takes the place of an empty one in a single step.
        if os.name == "nt" and path.exists():
            path.rmdir()
        target.rename(path)
    finally:
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)
        if not os.path.exists(path):  # False as well for a name that is too long.
            # Another export may have begun beside it.
            with contextlib.suppress(OSError):
                for parent in created:
                    parent.rmdir()


def _remove_what_killed_ones_left(path):
    for left in path.parent.glob(".unfinished-*-*-*/"):
        with contextlib.suppress(OSError):  # Of another user.
            held = {inner.name for inner in left.iterdir()}
            if held <= {path.name} and is_of_dead_process(left):
                shutil.rmtree(left)


def check_free(path):
    """Raises if the path holds anything, or is no path of a file system."""
    if "://" in os.fspath(path):
        raise ValueError(
            "Invalid value received for argument `path`. Expected a folder of the file "
            "system (write it there, and copy it when it is whole). "
            f"Received: path={os.fspath(path)!r}"
        )
    place = pathlib.Path(path)
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise FileExistsError(
            f"Cannot export to {path}: it already holds a version. Expected a path "
            "that is free, such as the next number."
        )
