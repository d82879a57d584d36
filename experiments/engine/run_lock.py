"""One process a run folder."""

import contextlib

import filelock

from experiments.configuration import Refusal


class InUse(Refusal, RuntimeError):
    """Another process is at work in a run's folder."""


@contextlib.contextmanager
def held(folder):
    """Keeps other processes out of a run's folder; a killed one holds it no longer.

    Raises:
        InUse: where another process is there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        raise InUse(
            f"Another process is at work in {folder}. Wait for it, stop it, or give "
            "another --run_dir. (What it had done stays there.)"
        ) from error
    try:
        yield
    finally:
        # The file stays: another process may be about to lock it.
        lock.release()
