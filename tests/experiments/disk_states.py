"""Every state that a kill may leave on disk, found by one run that nobody kills.

Python says before it changes a file or a folder that it will ("audit events"). At each
of these moments the folder of a run is looked at: what is there then is what a kill at
this moment leaves. Nothing is patched, and no clean-up runs that a kill would prevent.
Between two moments files grow, and TensorFlow writes on its own: such states are made
from what was there before and after.
"""

import contextlib
import itertools
import os
import pathlib
import subprocess
import sys
import threading

CHANGES = {
    *("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.symlink"),
    *("os.truncate", "os.chmod", "shutil.rmtree"),
}
_WRITING = os.O_WRONLY | os.O_RDWR
# A hook stays for the life of the process.
_watching = None


def _hook(event, arguments):
    if _watching is None or threading.get_ident() != _watching[0]:
        return
    if event in CHANGES or (event == "open" and _writes(*arguments[1:])):
        _call(event, arguments)


def _call(event, arguments):
    """Calls the one who watches, who may look at files without being called again."""
    global _watching
    own, _watching = _watching, None
    try:
        own[1](event, arguments)
    finally:
        _watching = own


def _writes(mode, flags):
    if mode is None:
        return bool((flags or 0) & _WRITING)
    return bool(set("wax+") & set(mode))


@contextlib.contextmanager
def watched(function):
    """Calls a function of (event, arguments) before each change by this thread."""
    global _watching
    if _hook not in _added:
        sys.addaudithook(_hook)
        _added.append(_hook)
    _watching = (threading.get_ident(), function)
    try:
        yield
    finally:
        _watching = None


_added = []


def content(folder):
    """What a folder holds: a dict of its files' bytes, and None for its folders."""
    return {
        str(path.relative_to(folder)): None if path.is_dir() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
    }


def states_of(run, folder):
    """The states that kills of `run()`, which writes below a folder, would leave."""

    def there():
        return content(folder) if folder.exists() else {}

    seen = [there()]

    def look(event=None, arguments=()):
        seen.append(there())
        if event == "os.rename":
            # At once: there is nothing between before and after.
            seen.append(None)
            seen.append(_renamed(seen[-2], *arguments[:2], folder))

    with watched(look):
        run()
    look()
    found = {}
    for before, after in itertools.pairwise(seen):
        if before is not None and after is not None:
            for state in _between(before, after):
                found[tuple(sorted(state.items()))] = state
    return list(found.values())


def _renamed(state, source, target, folder):
    source, target = (os.path.relpath(os.fspath(p), folder) for p in (source, target))
    renamed = {name: held for name, held in state.items() if name != target}
    for name, held in state.items():
        if name == source or name.startswith(f"{source}{os.sep}"):
            renamed[target + name.removeprefix(source)] = held
            del renamed[name]
    return renamed


def _between(before, after):
    """Both, and on the way from one to the other each file empty, half, whole."""
    yield before
    state = dict(before)
    new = [name for name in sorted(after) if before.get(name, b"") != after[name]]
    for name in [name for name in new if after[name] is None]:
        state[name] = None
        yield dict(state)
        new.remove(name)
    for name in [name for name in new if name.endswith(".index")]:
        yield from _inside_tensorflow(state, after, name)
    for name in new:
        kept, end = len(before.get(name, b"")), len(after[name])
        if not after[name].startswith(before.get(name, b"")):
            kept = 0
        for length in (kept, (kept + end) // 2, end):
            state[name] = after[name][:length]
            yield dict(state)
    yield after


def _inside_tensorflow(state, after, index):
    """A checkpoint on its way: a folder of parts, then its files, the index at last."""
    path = index.removesuffix(".index")
    data, folder = f"{path}.data-00000-of-00001", f"{path}_temp"
    part = f"{folder}/part-00000-of-00001"
    parts = {
        f"{part}.data-00000-of-00001.tempstate1": after[data][: len(after[data]) // 2],
        f"{part}.data-00000-of-00001": after[data],
        f"{part}.index.tempstate2": after[index],
    }
    yield state | {folder: None}
    for name, held in parts.items():
        yield state | {folder: None, name: held}
    whole = {folder: None, f"{part}.index": after[index]}
    yield state | whole | {f"{part}.data-00000-of-00001": after[data]}
    yield state | whole | {data: after[data]}
    yield state | whole | {data: after[data], index: after[index][:100]}
    yield state | whole | {data: after[data], index: after[index]}
    yield state | {folder: None, data: after[data], index: after[index]}


def put(state, folder, process):
    """Writes a state into a folder; what is of this process is of another, dead one."""
    folder.mkdir(parents=True)
    own = f".unfinished-{os.getpid()}-{threading.get_native_id()}-"
    for name, held in state.items():
        path = pathlib.Path(folder, name.replace(own, f".unfinished-{process}-1-"))
        if held is None:
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(held)


def dead_process():
    """The number of a process that has ended."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid
