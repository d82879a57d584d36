"""A folder is whole or is not there, on every path a file system has."""

import contextlib
import os

import pytest

from keras_mixup.whole_folder import check_free, whole_folder
from tests.experiments import disk_states


def write(path):
    with whole_folder(path) as target:
        (target / "a").write_text("whole")


def tree(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_path_behind_a_link(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "models").symlink_to(tmp_path / "disk")
    write(tmp_path / "models" / "digits" / "1")
    (tmp_path / "disk" / "empty").mkdir()
    (tmp_path / "latest").symlink_to(tmp_path / "disk" / "empty")
    write(tmp_path / "latest")
    # A link that points to a place that is free yet.
    (tmp_path / "next").symlink_to("disk/digits/2")
    write(tmp_path / "next")
    assert tree(tmp_path / "disk") == [
        "digits", "digits/1", "digits/1/a", "digits/2", "digits/2/a",
        "empty", "empty/a",
    ]  # fmt: skip
    assert (tmp_path / "latest").is_symlink()
    assert (tmp_path / "next" / "a").read_text() == "whole"
    with pytest.raises(FileExistsError, match="already holds a version"):
        check_free(tmp_path / "latest")


def test_an_empty_folder_is_taken_and_kept_when_the_writing_fails(tmp_path):
    place = tmp_path / "1"
    place.mkdir()
    with pytest.raises(RuntimeError), whole_folder(place) as target:
        (target / "half").touch()
        raise RuntimeError
    assert tree(tmp_path) == ["1"]
    write(place)
    assert tree(tmp_path) == ["1", "1/a"]


def test_a_name_as_long_as_names_can_be_and_one_too_long(tmp_path):
    longest = os.pathconf(tmp_path, "PC_NAME_MAX")
    write(tmp_path / ("x" * longest))
    before = tree(tmp_path)
    for path in ("x" * (longest + 1), f"{'y' * (longest + 1)}/1", f"new/{'z' * 300}"):
        with pytest.raises(OSError, match="too long"):
            write(tmp_path / path)
    assert tree(tmp_path) == before


def test_a_file_in_the_way(tmp_path):
    (tmp_path / "file").touch()
    for path in ("file", "file/1"):
        with pytest.raises((FileExistsError, NotADirectoryError)):
            write(tmp_path / path)
    assert tree(tmp_path) == ["file"]


@contextlib.contextmanager
def nobody():
    """Without the rights of root, for whom no place is read-only."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_place_that_is_read_only_is_left_alone(tmp_path):
    place = tmp_path / "models"
    place.mkdir()
    for folder in (place, tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    place.chmod(0o555)
    with nobody(), pytest.raises(PermissionError):
        write(place / "digits" / "1")
    with nobody(), pytest.raises(PermissionError):
        write(place / "1")
    assert tree(place) == []


def test_an_address_is_no_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"`path`.*path='gs://bucket/1'"):
        write("gs://bucket/1")
    assert tree(tmp_path) == []


def test_two_that_write_the_same_do_not_mix(tmp_path):
    with (
        pytest.raises(OSError, match="not empty|exists"),
        whole_folder(tmp_path / "1") as late,
    ):
        (late / "b").touch()
        write(tmp_path / "1")
    assert tree(tmp_path) == ["1", "1/a"]


def test_what_a_killed_process_left_goes_and_what_others_write_stays(tmp_path):
    dead, alive = disk_states.dead_process(), os.getppid()
    for left in (f"{dead}-1-abcdefgh/1", f"{dead}-1-abcdefg1"):
        (tmp_path / f".unfinished-{left}").mkdir(parents=True)
    kept = [f"{dead}-1-abcdefg2/2", f"{alive}-1-abcdefgh/1", "draft-1-abcdefgh/1"]
    for name in kept:
        (tmp_path / f".unfinished-{name}").mkdir(parents=True)
    # A file of that pattern is no folder of ours.
    (tmp_path / f".unfinished-{dead}-1-abcdefg3").touch()
    write(tmp_path / "1")
    names = {path.name.removeprefix(".unfinished-") for path in tmp_path.iterdir()}
    stays = {name.partition("/")[0] for name in kept}
    assert names == {*stays, f"{dead}-1-abcdefg3", "1"}
