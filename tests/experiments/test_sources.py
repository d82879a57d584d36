"""Where data come from: other raw files are other data."""

import pytest

from experiments.data import sources, speech_commands, splits


def counts(folder, tmp_path, words):
    places = sources.Places(str(folder), str(tmp_path / "prepared"))
    return speech_commands.load_utterances(("train", "test"), places, words).counts


def test_other_raw_files_are_not_answered_with_those_prepared_before(tmp_path):
    words = ("bed", "cat")
    for name, per_split in (("first", 1), ("second", 3)):
        speech_commands.write_tones(tmp_path / name, words, per_split)
    assert counts(tmp_path / "first", tmp_path, words) == {"train": 2, "test": 2}
    assert counts(tmp_path / "second", tmp_path, words) == {"train": 6, "test": 6}
    assert counts(tmp_path / "first", tmp_path, words) == {"train": 2, "test": 2}
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
        ("train", [("train", 0, 10)]),
        ("train[:4]", [("train", 0, 4)]),
        ("train[-3:]", [("train", 7, 10)]),
        ("train[50%:]+test", [("train", 5, 10), ("test", 0, 4)]),
    ],
)
def test_ranges_of_splits(split, expected):
    assert splits.ranges(split, {"train": 10, "test": 4}) == expected
