"""Speech Commands: splits, samples, damaged files, archives that climb out."""

import io
import pathlib
import struct
import tarfile
import tempfile
import warnings
import wave
from unittest import mock

import numpy as np
import pytest
import tensorflow_datasets as tfds

from experiments.data import speech_commands as speech
from experiments.data.sources import MissingData, Places

REAL = pathlib.Path(__file__).parents[3] / "shared" / "data"
DOWNLOAD = (tfds.download.DownloadManager, "download")
SAMPLES = {  # by hand: two words, and what each split holds
    "bed/a_nohash_0.wav": [0, 1, -32768, 32767],
    "bed/b_nohash_0.wav": [16384],
    "cat/a_nohash_0.wav": [-16384, 8192],
    "cat/b_nohash_0.wav": [3, 2, 1],
    "zero/c_nohash_0.wav": [5, 5],
}
TEXTS = {
    "validation_list.txt": "bed/b_nohash_0.wav\nyes/absent_nohash_0.wav\n",
    "testing_list.txt": "cat/b_nohash_0.wav\n",
    "README.md": "Left out",
    "_background_noise_/noise.wav": "Left out",
    "bed/notes.txt": "Left out",
    "other/a_nohash_0.wav": "Left out: not one of the 30 words",
}


def wav(samples, channels=1, width=2, rate=16_000):
    written = io.BytesIO()
    with wave.open(written, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(np.array(samples, "<i2").tobytes())
    return written.getvalue()


def files():
    audio = {name: wav(samples) for name, samples in SAMPLES.items()}
    return {name: text.encode() for name, text in TEXTS.items()} | audio


def write_folder(folder, content):
    for name, data in content.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def write_archive(path, content, *others):
    """An archive like the published one: names start with "./", folders are members."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        top = tarfile.TarInfo("./")
        top.type = tarfile.DIRTYPE
        archive.addfile(top)
        for name, data in content.items():
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        for member in others:
            archive.addfile(member, io.BytesIO(b"x" * member.size))


@pytest.fixture
def places(tmp_path):
    return Places(str(tmp_path / "data"), str(tmp_path / "prepared"))


def data_folder(places):
    return pathlib.Path(places.data_dir, "speech_commands_v0.01")


def archive_path(places):
    return pathlib.Path(places.data_dir, "speech_commands_v0.01.tar.gz")


def labels_of(dataset):
    return [label for _, label in dataset.as_numpy_iterator()]


def as_lists(dataset):
    return sorted(
        (int(label), waveform.numpy().tolist()) for waveform, label in dataset
    )


class SpeechCommandsTest(tfds.testing.DatasetBuilderTestCase):
    """TFDS's own checks, for both configs, with the unpacked archive."""

    DATASET_CLASS = speech.SpeechCommandsV001
    SPLITS = {"train": 3, "validation": 1, "test": 1}

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        write_folder(pathlib.Path(folder.name), files())
        cls.EXAMPLE_DIR = folder.name
        super().setUpClass()


def test_the_archive_is_found_in_each_of_its_layouts(tmp_path):
    assert speech.find_source(tmp_path) is None
    packed = tmp_path / "speech_commands_v0.01.tar.gz"
    write_archive(packed, files())
    assert speech.find_source(tmp_path) == speech.find_source(packed) == packed
    unpacked = tmp_path / "speech_commands_v0.01"
    write_folder(unpacked, files())
    assert speech.find_source(tmp_path) == speech.find_source(unpacked) == unpacked


@pytest.mark.parametrize("layout", ["folder", "archive", "download"])
def test_splits_and_samples_by_hand(layout, places, tmp_path):
    packed = archive_path(places)
    if layout == "archive":
        write_archive(packed, files())
    elif layout == "download":
        packed = tmp_path / "downloaded"
        write_archive(packed, files())
        places = Places(None, places.prepared_dir, download=True)
    else:
        write_folder(data_folder(places), files())
    before = set(tmp_path.rglob("*"))
    with mock.patch.object(*DOWNLOAD, return_value=packed) as download:
        for _ in range(2):  # prepares, then reads what is prepared
            found = speech.load_utterances(speech.SPLITS, places, length=3)
    assert download.call_args_list == [mock.call(speech.URL)] * (layout == "download")
    assert found.names == speech.WORDS
    assert found.counts == {"train": 3, "validation": 1, "test": 1}
    assert as_lists(found.datasets["train"]) == [
        (0, [0, 2**-15, -1]),
        (2, [-0.5, 0.25, 0]),
        (29, [5 / 2**15, 5 / 2**15, 0]),
    ]
    assert as_lists(found.datasets["validation"]) == [(0, [0.5, 0, 0])]
    assert as_lists(found.datasets["test"]) == [(2, [3 / 2**15, 2 / 2**15, 2**-15])]
    waveform, label = found.datasets["train"].element_spec
    assert (waveform.shape, waveform.dtype, label.dtype) == ((3,), "float32", "int64")
    prepared = pathlib.Path(places.prepared_dir)
    for path in set(tmp_path.rglob("*")) - before:
        assert path.is_relative_to(prepared)


def test_words_filter_and_relabel(places):
    write_folder(data_folder(places), files())
    found = speech.load_utterances(("train", "test"), places, ("zero", "bed"), length=1)
    assert found.names == ("zero", "bed")
    assert found.counts == {"train": 2, "test": 0}
    assert as_lists(found.datasets["train"]) == [(0, [5 / 2**15]), (1, [0])]
    assert as_lists(found.datasets["test"]) == []
    assert int(found.datasets["train"].cardinality()) == 2
    with pytest.raises(ValueError, match=r"`words`.*'bed'.*'zero'.*'dogs'"):
        speech.load_utterances(("train",), places, ("bed", "dogs"))


WHOLE = wav([1, 2, 3, 4])
CORRUPT = {
    "no WAV file": (b"ID3 something else, and long enough for a header", "RIFF"),
    "empty": (b"", "EOFError"),
    "header alone": (wav([]), r"0 bytes with the header \(1, 2, 16000, 0\)"),
    "cut off": (WHOLE[:-3], r"5 bytes with the header \(1, 2, 16000, 4\)"),
    "8 kHz": (wav([1, 2], rate=8_000), r"\(1, 2, 8000, 2\)"),
    "stereo": (wav([1, 2], channels=2), r"\(2, 2, 16000, 1\)"),
    "8 bit": (wav([1, 2], width=1), r"\(1, 1, 16000, 4\)"),
    "compressed": (WHOLE[:20] + struct.pack("<H", 2) + WHOLE[22:], "unknown format"),
}


@pytest.mark.parametrize("case", CORRUPT)
def test_a_file_that_cannot_be_read_is_named(case):
    content, received = CORRUPT[case]
    with pytest.raises(
        ValueError, match=rf"file bed/x\.wav cannot be read.*Received: .*{received}"
    ):
        speech.read_wav(content, "bed/x.wav")
    assert speech.read_wav(WHOLE, "bed/x.wav").tolist() == [1, 2, 3, 4]


def test_corrupt_files_are_left_out_on_request_alone(places):
    content = files() | {"dog/bad_nohash_0.wav": CORRUPT["cut off"][0]}
    write_folder(data_folder(places), content)
    with pytest.raises(ValueError, match=r"dog/bad_nohash_0\.wav cannot be read"):
        speech.load_utterances(("train",), places)
    prepared = pathlib.Path(places.prepared_dir)
    assert not list(prepared.rglob("*.tfrecord*"))
    skipping = Places(places.data_dir, places.prepared_dir, skip_corrupt=True)
    with pytest.warns(UserWarning, match=r"Left out.*dog/bad_nohash_0\.wav") as warned:
        found = speech.load_utterances(("train",), skipping)
    assert len([text for text in warned if "Left out" in str(text.message)]) == 1
    assert found.counts == {"train": 3}
    with pytest.raises(ValueError, match="cannot be read"):  # still, without asking
        speech.load_utterances(("train",), places)


def evil(name, kind=tarfile.REGTYPE, linkname=""):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, linkname
    member.size = 4 if kind == tarfile.REGTYPE else 0
    return member


@pytest.mark.parametrize(
    "member",
    [
        evil("../evil.wav"),
        evil("bed/../../evil.wav"),
        evil("/tmp/evil_of_the_speech_test.wav"),
        evil("bed/evil.wav", tarfile.SYMTYPE, "../../evil.wav"),
        evil("bed/evil.wav", tarfile.LNKTYPE, "/etc/hostname"),
        evil("bed/evil.wav", tarfile.FIFOTYPE),
    ],
    ids=["up", "up from below", "absolute", "symbolic link", "hard link", "pipe"],
)
def test_an_archive_that_climbs_out_is_refused(member, places, tmp_path):
    packed = archive_path(places)
    write_archive(packed, files(), member)
    with pytest.raises(ValueError, match="not safe to read") as error:
        speech.load_utterances(("train",), places)
    assert member.name in str(error.value)
    assert member.linkname in str(error.value)
    assert not [path for path in tmp_path.rglob("*") if "evil" in path.name]
    assert not pathlib.Path("/tmp/evil_of_the_speech_test.wav").exists()
    assert not list(pathlib.Path(places.prepared_dir).rglob("*.tfrecord*"))


@pytest.mark.parametrize("share", [0.01, 0.3, 0.6, 0.9])
@pytest.mark.parametrize("damage", ["cut off", "a changed byte"])
def test_a_damaged_archive_is_named(damage, share, places):
    packed = archive_path(places)
    noise = np.random.default_rng(0).integers(0, 99, (4, 10_000))
    more = {f"up/{number}.wav": wav(samples) for number, samples in enumerate(noise)}
    write_archive(packed, files() | more)
    whole = packed.read_bytes()
    place = int(share * len(whole))
    changed = bytes([whole[place] ^ 255]) + whole[place + 1 :]
    packed.write_bytes(whole[:place] + changed * (damage == "a changed byte"))
    with pytest.raises(ValueError, match=r"v0\.01\.tar\.gz is damaged"):
        speech.load_utterances(("train",), places)


def test_half_a_preparation_does_not_pass_for_a_whole_one(places):
    write_folder(data_folder(places), files())
    read = speech.read_wav

    def stops(content, name):
        if name.startswith("cat/b"):  # the test split: the others are written
            raise KeyboardInterrupt
        return read(content, name)

    stopped = mock.patch.object(speech, "read_wav", stops)
    with stopped, pytest.raises(KeyboardInterrupt):
        speech.load_utterances(("train",), places)
    builder = speech.SpeechCommandsV001(data_dir=places.prepared_dir)
    assert not builder.is_prepared()
    assert speech.load_utterances(("test",), places).counts == {"test": 1}


def test_missing_data_say_what_to_put_where_and_nothing_is_downloaded(places, tmp_path):
    pathlib.Path(places.data_dir).mkdir()
    with (
        mock.patch.object(*DOWNLOAD, side_effect=AssertionError) as download,
        pytest.raises(MissingData) as error,
    ):
        speech.load_utterances(("train",), places)
    assert not download.called
    for text in (speech.URL, places.data_dir, "speech_commands_v0.01.tar.gz"):
        assert text in str(error.value)
    content = files()
    del content["validation_list.txt"]
    write_folder(data_folder(places), content)
    with pytest.raises(MissingData, match=r"validation_list\.txt in .*v0\.01"):
        speech.load_utterances(("train",), places)


def test_a_download_is_held_against_the_published_checksum():
    recorded = speech.SpeechCommandsV001.url_infos[speech.URL]
    assert recorded.size == 1_489_096_277
    assert recorded.checksum == (
        "743935421bb51cccdb6bdd152e04c5c70274e935c82119ad7faeec31780d811d"
    )


def test_tones_can_be_told_apart_by_pitch(places):
    words = ("cat", "yes")
    speech.write_tones(data_folder(places), words, per_split=2, seed=1)
    found = speech.load_utterances(speech.SPLITS, places, words)
    assert found.counts == {"train": 4, "validation": 4, "test": 4}
    for dataset in found.datasets.values():
        for waveform, label in dataset:
            loudest = np.argmax(np.abs(np.fft.rfft(waveform.numpy())))
            assert abs(loudest - {0: 400, 1: 3000}[int(label)]) <= 2
    with pytest.raises(ValueError, match=r"`words`.*'tone'"):
        speech.write_tones(places.data_dir, ("tone",))


def test_the_real_utterances(tmp_path):
    if not data_folder(Places(str(REAL))).is_dir():
        pytest.skip(f"The real utterances are not in {REAL}")
    places = Places(str(REAL), str(tmp_path))
    words = ("bed", "cat", "happy")
    found = speech.load_utterances(speech.SPLITS, places, words)
    counts = {
        split: np.bincount(labels_of(dataset)).tolist()
        for split, dataset in found.datasets.items()
    }
    assert counts == {
        "train": [207, 207, 208],
        "validation": [61, 60, 61],
        "test": [60, 61, 60],
    }
    assert found.counts == {split: sum(of) for split, of in counts.items()}
    # One utterance with another reader.
    name = "bed/0c40e715_nohash_0.wav"
    content = (data_folder(places) / name).read_bytes()
    samples = np.frombuffer(content[44:], "<i2")
    (prepared,) = tmp_path.glob("from_files_*")
    builder = speech.SpeechCommandsV001(data_dir=str(prepared))
    dataset = builder.as_dataset(split="test")
    read = [
        row["audio"].numpy() for row in dataset if row["file"].numpy() == name.encode()
    ]
    np.testing.assert_array_equal(read, [samples])
    with warnings.catch_warnings():  # all 30 words are there
        warnings.simplefilter("error", UserWarning)
        everything = speech.load_utterances(("train",), places)
    assert len(set(labels_of(everything.datasets["train"]))) == 30
