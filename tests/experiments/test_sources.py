"""Where data come from: other raw files are other data."""

import pytest

from experiments.data import sources, speech_commands, splits


def counts(folder, tmp_path):
    places = sources.Places(str(folder), str(tmp_path / "prepared"))
    return speech_commands.load_utterances(("train", "test"), places).counts


def test_other_raw_files_are_not_answered_with_those_prepared_before(tmp_path):
    for name, per_split in (("first", 1), ("second", 2)):
        speech_commands.write_tones(tmp_path / name, ("bed",), per_split)
    assert counts(tmp_path / "first", tmp_path) == {"train": 1, "test": 1}
    assert counts(tmp_path / "second", tmp_path) == {"train": 2, "test": 2}
    assert counts(tmp_path / "first", tmp_path) == {"train": 1, "test": 1}
    assert len(list((tmp_path / "prepared").glob("from_files_*"))) == 2


def test_the_fingerprint_is_of_names_and_sizes(tmp_path):
    folder = tmp_path / "raw"
    (folder / "sub").mkdir(parents=True)
    (folder / "a").write_text("12")
    (folder / "sub" / "b").write_text("345")
    found = [sources.fingerprint([folder])]
    (folder / "sub" / "b").write_text("3456")
    found.append(sources.fingerprint([folder]))
    (folder / "sub" / "b").rename(folder / "sub" / "c")
    found.append(sources.fingerprint([folder]))
    assert len(set(found)) == 3
    (folder / "sub" / "c").rename(folder / "sub" / "b")
    (folder / "sub" / "b").write_text("999")
    assert sources.fingerprint([folder]) == found[0]


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        ("train", [("train", range(10))]),
        ("train[:4]", [("train", range(4))]),
        ("train[-3:]", [("train", range(7, 10))]),
        ("train[50%:]+test", [("train", range(5, 10)), ("test", range(4))]),
    ],
)
def test_ranges_of_splits(split, expected):
    assert splits.ranges(split, {"train": 10, "test": 4}) == expected
