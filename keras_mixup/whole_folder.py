"""A folder that appears whole or not at all."""

import contextlib
import pathlib
import shutil
import tempfile


@contextlib.contextmanager
def whole_folder(path):
    """Gives the place to write; when all is written, it becomes the path.

    Args:
        path: A `pathlib.Path` that is free, or an empty folder.

    Raises:
        FileExistsError: if the path holds anything.
    """
    check_free(path)
    created = [parent for parent in path.parents if not parent.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    # Written beside its place, so that the last step is one rename.
    scratch = pathlib.Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        yield scratch / path.name
        if path.exists():
            path.rmdir()
        (scratch / path.name).rename(path)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        if not path.exists():
            # Another export may have begun beside it.
            with contextlib.suppress(OSError):
                for parent in created:
                    parent.rmdir()


def check_free(path):
    """Raises if the path holds anything."""
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise FileExistsError(
            f"Cannot export to {path}: it already holds a version. Expected a path "
            "that is free, such as the next number."
        )
