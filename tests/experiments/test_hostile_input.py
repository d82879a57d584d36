"""Whatever is read from outside ends in a result or in an error of ours, and soon.

A corpus of good inputs is changed at random: bytes, cuts, repetitions, other pieces of
the corpus. `-m slow` tries `FULL` inputs of each kind, the ordinary suite a few; for a
search guided by coverage see `tests/fuzz.py`.
"""

import contextlib
import gzip
import io
import json
import pathlib
import tarfile
import wave
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import strategies as st

import keras_mixup
from experiments import settings
from experiments.data import images, raw_files, sources, speech_commands, uci
from experiments.engine import trained_network
from experiments.paper import figure3_cifar, figure5_gan, table5_ablation
from experiments.report import result_file
from keras_mixup import served_labels
from tests.experiments.hostile import FULL, changed, refusing, tried


def test_the_full_suite_tries_ten_thousand_inputs():
    assert sum(FULL.values()) >= 10_000


_TOKENS = """
--preset smoke paper cpu --seeds 0 1 -1 99999999999999999999
--alphas 0.2 nan inf -inf 1e400
--methods erm mixup --batch_size 128 --max_steps --learning_rate --epochs --precision
mixed_float16 --strategy mirrored --data_dir /nowhere --publish true --deterministic no
--modes objective --weight_decays --widths --help --data_service grpc:// --snapshots ''
"""
TOKENS = _TOKENS.split()


@tried("flags")
def test_flags(data, tmp_path):
    """Settings, or a usage message and status 2 (0 for --help)."""
    modules = [figure3_cifar, figure5_gan, table5_ablation]
    experiment = data.draw(st.sampled_from(modules)).EXPERIMENT
    token = st.sampled_from(TOKENS) | st.text(max_size=12)
    flags = data.draw(st.lists(token, max_size=6))
    output = io.StringIO()
    with contextlib.redirect_stderr(output), contextlib.redirect_stdout(output):
        try:
            found = settings.parse(
                experiment.settings, experiment.presets, flags, prog="prog"
            )
        except SystemExit as error:
            assert error.code in (0, 2)
            assert "usage" in output.getvalue()
            return
    assert isinstance(found, experiment.settings)


RESULTS = [
    path.read_bytes()[:3000] for path in sorted(result_file.RESULTS.glob("*/*.json"))
] + [b'{"a": [1, 2.5e3, null]}', b"[" * 20_000, b'{"a": NaN}', b"\xff\xfe{}", b"3", b""]
RESULTS += [json.dumps({"runs": [{"method": "ERM", "seed": 0}], "schema": 1}).encode()]


@tried("results")
def test_result_files(data, tmp_path):
    """A dict."""
    path = tmp_path / "result.json"
    path.write_bytes(data.draw(changed(RESULTS)))
    with refusing():
        assert isinstance(result_file.read(path), dict)


FEATURES = np.random.default_rng(0).normal(size=(6, 2)).astype("float32")


def neighbor_table(folder):
    return keras_mixup.neighbors.nearest_neighbors(FEATURES, 2, cache_dir=folder)


def made_table(folder):
    expected = neighbor_table(folder)
    (path,) = folder.iterdir()
    return expected, path, path.read_bytes()


@tried("neighbors")
@pytest.mark.filterwarnings("ignore:The file .* is damaged")
def test_neighbor_tables(data, tmp_path):
    """The right table: a damaged one is computed anew, with a warning."""
    import warnings

    expected, path, content = made_table(tmp_path / "good")
    folder = tmp_path / "hostile"
    folder.mkdir(exist_ok=True)
    (folder / path.name).write_bytes(data.draw(changed([content])))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = neighbor_table(folder)
    for table, right in zip(found, expected, strict=True):
        np.testing.assert_array_equal(table, right)


def wav(channels=1, width=2, rate=16_000, samples=100):
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(bytes(channels * width * samples))
    return content.getvalue()


# A chunk that claims more than there is, found by `tests/fuzz.py`.
BROKEN_CHUNK = b"RIFF\x00\xef\xef\xefWAVE\xef$" + b"\xef" * 72 + bytes(3)
WAVS = [
    BROKEN_CHUNK,
    wav(),
    wav(2),
    wav(1, 1),
    wav(1, 3),
    wav(rate=8000),
    wav(samples=0),
]


@tried("wav")
def test_wav_files(data, tmp_path):
    """Int16 samples."""
    with refusing():
        samples = speech_commands.read_wav(data.draw(changed(WAVS)), "a.wav")
        assert samples.dtype == np.int16
        assert len(samples) > 0


def test_a_chunk_that_claims_more_than_there_is():
    with pytest.raises(sources.CorruptData, match=r"a\.wav cannot be read"):
        speech_commands.read_wav(BROKEN_CHUNK, "a.wav")


def png_that_claims(width, height):
    content = bytearray(PNG)
    content[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    return bytes(content)


PIXELS = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
PNG = tf.io.encode_png(PIXELS).numpy()
JPEG = tf.io.encode_jpeg(PIXELS).numpy()
PICTURES = [PNG, JPEG, tf.io.encode_jpeg(PIXELS, progressive=True).numpy()]
PICTURES += [b"GIF89a" + bytes(50), b"BM" + bytes(60), PNG[:20], JPEG[:30]]
PICTURES += [png_that_claims(2**31 - 1, 2**31 - 1), png_that_claims(60_000, 60_000)]


@tried("images")
def test_image_files(data, tmp_path):
    """Examples, of those files that can be decoded."""
    folder = tmp_path / "train" / "class"
    folder.mkdir(parents=True, exist_ok=True)
    name = data.draw(st.sampled_from(["a.png", "a.jpg"]))
    for path in folder.iterdir():
        path.unlink()
    (folder / name).write_bytes(data.draw(changed(PICTURES)))
    (folder / "good.png").write_bytes(PNG)
    places = sources.Places(skip_corrupt=data.draw(st.booleans()))
    output = io.StringIO()
    with refusing(), contextlib.redirect_stdout(output):
        found = images.load_images(str(tmp_path), ("train",), places)
        assert found.counts["train"] in (1, 2)


def zipped(name, content, **options):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, **options) as archive:
        archive.writestr(name, content)
    return packed.getvalue()


IRIS = b"5.1,3.5,1.4,0.2,Iris-setosa\n" * 3
ZIPS = [
    zipped("iris.data", IRIS),
    zipped("../iris.data", IRIS),
    zipped("iris.data", bytes(2**20)),
    b"PK\x05\x06" + bytes(18),
]


@tried("uci")
def test_uci_files(data, tmp_path):
    """Only the file that UCI published is read; these are others."""
    for path in tmp_path.iterdir():
        path.unlink()
    name = data.draw(st.sampled_from(["iris.data", "iris.zip"]))
    corpus = ZIPS if name.endswith("zip") else [IRIS]
    (tmp_path / name).write_bytes(data.draw(changed(corpus)))
    with pytest.raises(settings.Refusal):
        raw_files.text(
            tmp_path,
            "iris.data",
            dict(line.split()[::-1] for line in uci.SHA256.splitlines())["iris.data"],
        )
    assert {path.name for path in tmp_path.iterdir()} == {name}


def packed(members, compressed=True):
    content = io.BytesIO()
    mode = "w:gz" if compressed else "w"
    with tarfile.open(fileobj=content, mode=mode) as archive:
        for name, text, kind in members:
            member = tarfile.TarInfo(name)
            member.type, member.size = kind, len(text)
            member.linkname = "/etc/passwd"
            archive.addfile(member, io.BytesIO(text))
    return content.getvalue()


FILE = tarfile.REGTYPE
LISTS = [
    (name, b"bed/0_nohash_0.wav\n", FILE) for name in speech_commands.LISTS.values()
]
TARS = [
    packed([*LISTS, ("bed/0_nohash_0.wav", WAVS[0], FILE)]),
    packed([*LISTS, ("../out.wav", WAVS[0], FILE)]),
    packed([*LISTS, ("/out.wav", WAVS[0], FILE)]),
    packed([*LISTS, ("bed/link.wav", b"", tarfile.SYMTYPE)]),
    packed([*LISTS, ("bed/device.wav", b"", tarfile.CHRTYPE)]),
    packed([("bed/0_nohash_0.wav", bytes(2**23), FILE)]),
]
# The gzip layer would hide almost every change behind its checksum.
PLAIN_TARS = [gzip.decompress(content) for content in TARS[:5]]


@tried("archive")
def test_archives(data, tmp_path):
    """The files in it; nothing is unpacked, so nothing is written."""
    path = tmp_path / f"{speech_commands.NAME}.tar.gz"
    if data.draw(st.booleans()):
        content = data.draw(changed(TARS))
    else:
        content = gzip.compress(data.draw(changed(PLAIN_TARS)), 1)
    path.write_bytes(content)
    with refusing():
        for name, read in speech_commands._files(path):
            assert not pathlib.PurePosixPath(name).is_absolute()
            assert isinstance(read(), bytes)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def saved_network(folder):
    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    trained_network.save(network, folder / "network.keras")
    return {path.name: path.read_bytes() for path in folder.iterdir()}


NETWORK = {}


@tried("keras")
def test_keras_files(data, tmp_path):
    """A network as it was written, and nothing that came after."""
    NETWORK.update(NETWORK or saved_network(tmp_path))
    for name, content in NETWORK.items():
        (tmp_path / name).write_bytes(content)
    which = data.draw(st.sampled_from(sorted(NETWORK)))
    content = data.draw(changed([NETWORK[which]]))
    (tmp_path / which).write_bytes(content)
    if content.strip() == NETWORK[which]:
        return
    with pytest.raises(trained_network.DamagedNetwork, match="not as it was written"):
        trained_network.load(tmp_path / "network.keras")


@tried("labels")
def test_label_lists(data, tmp_path):
    """Names that TensorFlow can write, one a class, or a ValueError in our words."""
    name = (
        st.text(max_size=8) | st.characters(categories=["Cs"]) | st.none() | st.binary()
    )
    labels = data.draw(st.lists(name, max_size=5) | st.none() | st.text())
    try:
        found = served_labels.checked_labels(labels, 3)
    except ValueError as error:
        assert "received for argument `labels`" in str(error)
        return
    assert tf.constant(found).shape == (3,)


def test_a_picture_larger_than_any_memory_is_refused_by_its_header(tmp_path):
    folder = tmp_path / "train" / "class"
    folder.mkdir(parents=True)
    (folder / "bomb.png").write_bytes(png_that_claims(60_000, 60_000))
    with pytest.raises(sources.CorruptData, match="bomb.png"):
        images.load_images(str(tmp_path), ("train",), sources.Places())


def test_a_zip_bomb_is_not_unpacked(tmp_path):
    with zipfile.ZipFile(tmp_path / "iris.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("iris.data", bytes(raw_files.LARGEST + 1))
    with pytest.raises(
        sources.CorruptData, match=f"more than {raw_files.LARGEST} bytes"
    ):
        raw_files.text(tmp_path, "iris.data", "0" * 64)


@pytest.mark.parametrize("number", range(1, 5))
def test_members_outside_of_the_archive_are_refused(tmp_path, number):
    path = tmp_path / "archive.tar.gz"
    path.write_bytes(TARS[number])
    with pytest.raises(sources.CorruptData, match="not safe to read"):
        list(speech_commands._files(path))


def test_there_is_no_pickle_and_no_unsafe_loading():
    root = pathlib.Path(keras_mixup.__file__).parents[1]
    for folder in ("keras_mixup", "experiments", "benchmarks"):
        for path in (root / folder).rglob("*.py"):
            text = path.read_text()
            for word in (
                *("import pickle", "import dill", "joblib", "allow_pickle=True"),
                *("safe_mode=False", "enable_unsafe", "extractall", "eval("),
            ):
                assert word not in text.replace("run_eval(", ""), (path, word)


def test_a_lambda_layer_does_not_load(tmp_path):
    network = keras.Sequential([keras.Input((2,)), keras.layers.Lambda(lambda x: x)])
    trained_network.save(network, tmp_path / "network.keras")
    with pytest.raises(Exception, match="Lambda|safe_mode"):
        trained_network.load(tmp_path / "network.keras")
