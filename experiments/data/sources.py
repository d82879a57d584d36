"""Where data come from: what is on disk, what is prepared from it, what is missing."""

import dataclasses
import hashlib
import pathlib

import absl.logging
import tensorflow as tf
import tensorflow_datasets as tfds

from experiments.settings import Refusal


class MissingData(Refusal, FileNotFoundError):
    """Data that are not on disk; the message says what to put where."""


class UnknownData(Refusal, ValueError):
    """A data set, split or class that does not exist; the message says which do."""


class CorruptData(Refusal, ValueError):
    """Files that cannot be read; the message names them."""


@dataclasses.dataclass(frozen=True)
class Places:
    """Where data are looked for, and whether more may be fetched, as settings say."""

    data_dir: str | None = None
    prepared_dir: str = "runs/tfds"
    download: bool = False
    skip_corrupt: bool = False


def prepared_builder(
    make_builder, places, raw_dir=None, raw_files=None, expected="", by_hand=False
):
    """A TFDS builder whose data are ready to be read.

    Looked for in this order: prepared by TFDS in `data_dir` or `data_dir/tfds`; raw
    files, which are prepared into a folder of `prepared_dir` that belongs to their
    names and sizes, so that other files are prepared anew; downloaded before, into
    `prepared_dir`; a download, if it is allowed.

    `make_builder` makes one for a folder (TFDS's `data_dir`); `raw_dir` is the folder
    of the raw files, which are all in it unless `raw_files` names them; `expected` says
    what to put where; `by_hand`, that no program can download the data.
    """
    # A folder without the set is what is looked for, not worth a warning.
    absl.logging.set_verbosity(absl.logging.ERROR)
    target = pathlib.Path(places.prepared_dir)
    if raw_dir is not None:
        target /= f"from_files_{fingerprint(raw_files or [raw_dir])}"
    found = [target]
    if places.data_dir:
        given = pathlib.Path(places.data_dir)
        found = [given, given / "tfds", target]
    for folder in found:
        builder = make_builder(str(folder))
        if builder.is_prepared():
            return builder
    if raw_dir is None and (by_hand or not places.download):
        searched = ", ".join(map(str, found))
        fetch = "" if by_hand else " Or give --download to have TFDS fetch them."
        raise MissingData(
            f"No data found for {builder.info.full_name}. Searched: {searched}. "
            f"{expected}{fetch}"
        )
    config = tfds.download.DownloadConfig(manual_dir=raw_dir and str(raw_dir))
    builder.download_and_prepare(download_config=config)
    return builder


def check_whole(builder, splits, names):
    """Raises unless the files of a prepared set hold the examples that it says.

    These splits are checked, which are parts of those called `names`. Records are
    counted only where files are smaller than the set says. In another format than
    TFRecord nothing is known before it is read.
    """
    infos = builder.info.splits
    if builder.info.file_format != tfds.core.FileFormat.TFRECORD:
        return
    if all(_size(infos[name]) >= _least_size(infos[name]) for name in names):
        return
    for split in splits:
        shards = infos[split].file_instructions
        found = [
            min(max(_records(shard.filename) - shard.skip, 0), shard.take)
            for shard in shards
        ]
        expected = [shard.take for shard in shards]
        if found != expected:
            pairs = zip(shards, found, expected, strict=True)
            short = [one.basename() for one, has, wanted in pairs if has < wanted]
            raise MissingData(
                f"Expected {sum(expected)} examples in {split!r} of "
                f"{builder.info.full_name}. Found: {sum(found)} in {builder.data_dir}, "
                f"where files are missing or cut: {', '.join(short)}"
            )


def _size(info):
    """Bytes of the files of a split that are there."""
    return sum(path.stat().length for path in info.filepaths if path.exists())


def _least_size(info):
    """Bytes of a split's examples as TFRecord, which adds 16 to each."""
    return info.num_bytes + 16 * info.num_examples


def _records(path):
    """The number of whole records of a file; 0 if it is missing."""
    if not tf.io.gfile.exists(path):
        return 0
    records = tf.data.TFRecordDataset(path).ignore_errors()
    return int(records.reduce(0, lambda count, _: count + 1))


def raw_source(dl_manager, url):
    """The folder of raw files that a builder was given, or else the downloaded file."""
    try:
        return pathlib.Path(dl_manager.manual_dir)
    except AssertionError:  # no such folder: TFDS's way of saying so
        return pathlib.Path(dl_manager.download(url))


def fingerprint(paths):
    """Hexadecimal digits for the names and sizes of files, and of all below folders."""
    digest = hashlib.sha256()
    for path in map(pathlib.Path, paths):
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in files:
            if file.is_file():
                name = file.relative_to(path.parent).as_posix()
                digest.update(f"{name}\0{file.stat().st_size}\n".encode())
    return digest.hexdigest()[:16]


def places_of(settings):
    """Where the data of these settings are looked for."""
    names = (one.name for one in dataclasses.fields(Places))
    return Places(*(getattr(settings, name) for name in names))
