"""Google Speech Commands v0.01: a TFDS builder, and the waveforms the runs read.

Not TFDS's own `speech_commands`, which is v0.02 with 12 classes. Here: all 30 words,
split by the archive's two lists. The archive is read as it is, without unpacking.
"""

import dataclasses
import io
import pathlib
import warnings
import wave

import numpy as np
import scipy.io.wavfile
import tensorflow as tf
import tensorflow_datasets as tfds

from experiments.data import raw_files, sources

NAME = "speech_commands_v0.01"
URL = f"http://download.tensorflow.org/data/{NAME}.tar.gz"
LISTS = {"validation": "validation_list.txt", "test": "testing_list.txt"}
SPLITS = ("train", *LISTS)
RATE = 16_000
# Of the real archive the longest file, 95 seconds of noise, has 3 MB.
LARGEST = 2**22
_WORDS = """
bed bird cat dog down eight five four go happy house left marvin nine no off on one
right seven sheila six stop three tree two up wow yes zero
"""
WORDS = tuple(_WORDS.split())


def find_source(folder):
    """The unpacked archive in or at `folder`, or the archive itself, or None."""
    for candidate in (folder, folder / NAME):
        if (candidate / LISTS["test"]).is_file():
            return candidate
    archives = (folder, folder / f"{NAME}.tar.gz")
    return next(filter(pathlib.Path.is_file, archives), None)


def _files(source):
    """Names, relative to the archive's root, and readers of the files in `source`."""
    if source.is_file():
        yield from raw_files.members(source, LARGEST)
    for path in [*source.glob("*.txt"), *sorted(source.glob("*/*.wav"))]:
        yield path.relative_to(source).as_posix(), path.read_bytes


def read_wav(content, name):
    """Int16 samples of a WAV file's bytes; `name` is for the error."""
    try:
        with wave.open(io.BytesIO(content)) as file:
            form = tuple(file.getparams()[:4])
            frames = file.readframes(form[-1])
        if form[:3] == (1, 2, RATE) and len(frames) == 2 * form[-1] > 0:
            return np.frombuffer(frames, "<i2").astype("int16")
        received = f"{len(frames)} bytes with the header {form}"
    except (wave.Error, EOFError, RuntimeError, ValueError) as error:
        received = f"{type(error).__name__} {error}"
    raise sources.CorruptData(
        f"The file {name} cannot be read. Expected a WAV file, and all samples of its "
        "header (channels, bytes per sample, samples per second, samples) = "
        f"(1, 2, {RATE}, at least 1). Received: {received}"
    )


class SpeechCommandsV001(tfds.core.GeneratorBasedBuilder):
    """All utterances of the 30 words; background noise is left out.

    A file that cannot be read is an error, or with the configuration "skip_corrupt"
    left out, and named in a warning.
    """

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = [tfds.core.BuilderConfig(name=n) for n in ("all", "skip_corrupt")]
    MANUAL_DOWNLOAD_INSTRUCTIONS = f"{NAME}.tar.gz, or what it unpacks to."

    def _info(self):
        form = {"dtype": np.int16, "encoding": tfds.features.Encoding.BYTES}
        features = {
            "audio": tfds.features.Tensor(shape=(None,), **form),
            "label": tfds.features.ClassLabel(names=list(WORDS)),
            "file": tfds.features.Text(),
        }
        return tfds.core.DatasetInfo(
            builder=self,
            description=__doc__,
            features=tfds.features.FeaturesDict(features),
            supervised_keys=("audio", "label"),
            homepage="https://arxiv.org/abs/1804.03209",
            citation="Warden (2018). Speech Commands. arXiv:1804.03209",
        )

    def _split_generators(self, dl_manager):
        folder = sources.raw_source(dl_manager, URL)
        source = find_source(folder)
        if source is None:
            raise sources.MissingData(f"Expected {NAME} or {NAME}.tar.gz in {folder}")
        files = _files(source)
        listed = {name: read() for name, read in files if name in LISTS.values()}
        split_of = {}
        for split, name in LISTS.items():
            if name not in listed:
                raise sources.MissingData(f"Expected a file {name} in {source}")
            split_of.update(dict.fromkeys(listed[name].decode().split(), split))
        generate = self._generate_examples
        return {name: generate(source, name, split_of) for name in SPLITS}

    def _generate_examples(self, source, split, split_of):
        for name, read in _files(source):
            word, _, file = name.rpartition("/")
            known = word in WORDS and file.endswith(".wav")
            if not known or split_of.get(name, "train") != split:
                continue
            try:
                audio = read_wav(read(), name)
            except sources.CorruptData as error:
                if self.builder_config.name != "skip_corrupt":
                    raise
                warnings.warn(f"Left out. {error}", stacklevel=2)
            else:
                yield name, {"audio": audio, "label": word, "file": name}


@dataclasses.dataclass(frozen=True)
class Utterances:
    """By split float32 waveforms of one length, in [-1, 1), with int64 labels.

    They are always in the same order. The names of the labels are the words.
    """

    datasets: dict
    counts: dict[str, int]
    names: tuple[str, ...]


def _check_known(words):
    if not set(words) <= set(WORDS):
        raise sources.UnknownData(
            "Invalid value received for argument `words`. Expected different names out "
            f"of {WORDS}. Received: words={words!r}"
        )


def load_utterances(splits, places, words=None, length=RATE):
    """Reads `Utterances` from the archive in `data_dir`, unpacked or not.

    `words` are kept and labeled 0, 1, ... in their order, or all 30; waveforms shorter
    than `length` samples are filled by zeros, longer ones cut.
    """
    names = WORDS if words is None else tuple(words)
    _check_known(names)
    config = "skip_corrupt" if places.skip_corrupt else "all"
    folder = places.data_dir and pathlib.Path(places.data_dir)
    source = folder and find_source(folder)
    builder = sources.prepared_builder(
        lambda data_dir: SpeechCommandsV001(config=config, data_dir=data_dir),
        places,
        raw_dir=folder if source else None,
        raw_files=[source],
        expected=f"Put {NAME}.tar.gz ({URL}), or what it unpacks to as a folder "
        f"{NAME}, into {folder or '<data_dir>'}.",
    )
    labels = [names.index(word) if word in names else -1 for word in WORDS]
    labels = tf.constant(labels, "int64")

    def prepare(example):
        audio = example["audio"][:length]
        audio = tf.pad(audio, [[0, length - tf.size(audio)]])
        waveform = tf.cast(tf.ensure_shape(audio, (length,)), "float32") / 2**15
        return waveform, labels[example["label"]]

    def kept(example):
        return labels[example["label"]] >= 0

    datasets, counts = {}, {}
    for split in splits:
        counts[split] = builder.info.splits[split].num_examples
        if words is not None:
            label = tfds.decode.PartialDecoding({"label": True})
            found = builder.as_dataset(split=split, decoders=label)
            counts[split] = sum(1 for _ in found.filter(kept))
        size = tf.data.experimental.assert_cardinality(counts[split])
        dataset = builder.as_dataset(split=split).filter(kept)
        datasets[split] = dataset.map(prepare, tf.data.AUTOTUNE).apply(size)
    return Utterances(datasets, counts, names)


def write_tones(folder, words=("bed", "cat", "happy"), per_split=4, seed=0):
    """Writes tones in the archive's layout, `per_split` files a word and split.

    Each word has its pitch. Lengths (half a second to one), phases and noise come from
    the seed.
    """
    _check_known(words)
    folder = pathlib.Path(folder)
    generator = np.random.default_rng(seed)
    listed = {split: [] for split in SPLITS}
    for word in words:
        (folder / word).mkdir(parents=True, exist_ok=True)
        for number in range(per_split * len(SPLITS)):
            time = np.arange(generator.integers(RATE // 2, RATE + 1)) / RATE
            turns = (200 + 100 * WORDS.index(word)) * time + generator.random()
            tone = np.sin(2 * np.pi * turns) + generator.normal(0, 0.1, len(time))
            name = f"{word}/{number:08x}_nohash_0.wav"
            listed[SPLITS[number % len(SPLITS)]].append(name)
            samples = (8_000 * tone).astype("<i2")
            scipy.io.wavfile.write(folder / name, RATE, samples)
    for split, name in LISTS.items():
        (folder / name).write_text("".join(f"{line}\n" for line in listed[split]))
