"""A file that appears whole or not at all."""

import contextlib
import glob
import os
import pathlib
import threading


@contextlib.contextmanager
def whole_file(path):
    """Gives the place to write; when all is written, it becomes the path.

    The place lies beside the path, ends in its name, and belongs to this thread alone.
    What was written is on the disk before the last step, which is one rename: the file
    before stays until then. An error leaves nothing behind. A kill leaves at most the
    place, which the next process that writes the path removes.

    Args:
        path: The file. Its folder is made where it is missing.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_what_killed_ones_left(path)
    scratch = path.with_name(own_prefix() + path.name)
    try:
        yield scratch
        to_disk(scratch)
        os.replace(scratch, path)
    except OSError as error:
        if error.errno and error.filename is None:  # A full disk does not say where.
            error.filename = str(path)
        raise
    finally:
        scratch.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # Not every system can do it with a folder.
        to_disk(path.parent)


def to_disk(path):
    """Waits until what was written to a path would survive a power failure."""
    opened = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _remove_what_killed_ones_left(path):
    for left in path.parent.glob(f".unfinished-*-*-{glob.escape(path.name)}"):
        if is_of_dead_process(left):
            left.unlink(missing_ok=True)


def own_prefix():
    """What the names of this thread's unfinished files and folders begin with."""
    return f".unfinished-{os.getpid()}-{threading.get_native_id()}-"


def is_of_dead_process(path):
    """Whether the process in `.unfinished-<process>-<thread>-...` runs no more."""
    process = path.name.split("-")[1]
    return process.isdigit() and not _is_running(int(process))


def _is_running(process):
    if os.name != "posix":  # The signal 0 would not be harmless there.
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
