"""A file is whole or as it was before, whatever happens while it is written."""

import errno
import os
import threading

import pytest

from keras_mixup.whole_file import whole_file
from tests.experiments import disk_states


def write(path, text):
    with whole_file(path) as scratch:
        scratch.write_text(text)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_and_its_folder_made(tmp_path):
    path = tmp_path / "new" / "a.json"
    write(path, "one")
    write(str(path), "two")
    assert path.read_text() == "two"
    assert names(path.parent) == ["a.json"]


def test_between_any_two_operations_it_is_the_old_or_the_new_one(tmp_path):
    def both():
        write(tmp_path / "a", "one" * 100)
        write(tmp_path / "a", "two" * 100)

    states = disk_states.states_of(both, tmp_path)
    held = [state.get("a") for state in states]
    assert {None, b"one" * 100, b"two" * 100} == set(held)
    assert len(states) >= 8


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_an_error_leaves_what_was_there(tmp_path, monkeypatch, step):
    write(tmp_path / "a", "one")

    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, step, fail)
    # The system says only for some operations where it was.
    with pytest.raises(OSError, match=f"No space left on device: '{tmp_path}/a'"):
        write(tmp_path / "a", "two")
    assert names(tmp_path) == ["a"]
    assert (tmp_path / "a").read_text() == "one"


def test_it_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    calls, fsync = [], os.fsync

    def note(opened):
        there = (
            os.readlink(f"/proc/self/fd/{opened}") if os.path.exists("/proc") else ""
        )
        calls.append((there, (tmp_path / "a").exists()))
        fsync(opened)

    monkeypatch.setattr(os, "fsync", note)
    write(tmp_path / "a", "one")
    (file, before), (folder, after) = calls
    assert (before, after) == (False, True)
    assert not folder or (folder == str(tmp_path) and ".unfinished" in file)


def test_what_a_killed_process_left_goes_and_what_others_write_stays(tmp_path):
    dead, alive = disk_states.dead_process(), os.getppid()
    own = tmp_path / "a[1].json"
    left = tmp_path / f".unfinished-{dead}-{dead}-a[1].json"
    kept = [
        f".unfinished-{alive}-{alive}-a[1].json",
        f".unfinished-{dead}-{dead}-b.json",
        ".unfinished-draft-2-a[1].json",
    ]
    for name in [left.name, *kept]:
        (tmp_path / name).write_text("half")
    write(own, "one")
    assert names(tmp_path) == sorted([own.name, *kept])


def test_many_write_the_same_file_and_it_is_always_whole(tmp_path):
    path = tmp_path / "a"
    write(path, "0" * 10_000)

    def write_many(digit):
        for _ in range(50):
            write(path, digit * 10_000)

    threads = [threading.Thread(target=write_many, args=(d,)) for d in "1234"]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        text = path.read_text()
        assert text == text[0] * 10_000
    assert names(tmp_path) == ["a"]
