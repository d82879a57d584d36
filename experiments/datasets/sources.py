"""Where data come from: what lies on disk, what is prepared from it, what is missing."""

import dataclasses
import pathlib

from experiments.configuration import Refusal


class MissingData(Refusal, FileNotFoundError):
    """Data that are not on disk; the message says what to put where."""


class UnknownData(Refusal, ValueError):
    """A data set, split or class that does not exist; the message says which do."""


class CorruptData(Refusal, ValueError):
    """Files that cannot be read; the message names them."""


@dataclasses.dataclass(frozen=True)
class Places:
    """Folders that are searched for data, and whether more may be fetched.

    Attributes:
        data_dir: Folder of what is on disk: sets that TFDS prepared (directly in it
            or in `tfds` below it), image folders, or raw files as published. It is
            only read. None for nowhere.
        prepared_dir: Folder into which TFDS writes what it prepares or downloads.
        download: Whether data that are missing are downloaded.
        skip_corrupt: Whether files that cannot be decoded are left out (and named)
            instead of ending the run.
    """

    data_dir: str | None = None
    prepared_dir: str = "runs/tfds"
    download: bool = False
    skip_corrupt: bool = False


def prepared_builder(make_builder, places, raw_dir=None, expected="", by_hand=False):
    """A TFDS builder whose data are ready to be read.

    Looked for in this order: prepared by TFDS in `data_dir`, `data_dir/tfds` or
    `prepared_dir`; raw files, which are prepared into `prepared_dir`; a download,
    if it is allowed.

    Args:
        make_builder: Function from a folder (TFDS's `data_dir`) to a builder.
        places: `Places`.
        raw_dir: Folder that holds the raw files, for a builder that reads them from
            its manual folder, or None where there is none.
        expected: What to put where, for the error.
        by_hand: Whether the data cannot be downloaded by a program.

    Raises:
        MissingData: where nothing is found and nothing may be downloaded.
    """
    import absl.logging
    import tensorflow_datasets as tfds

    # A folder without the set is what is looked for, not worth a warning.
    absl.logging.set_verbosity(absl.logging.ERROR)
    found = [pathlib.Path(places.prepared_dir)]
    if places.data_dir:
        found = [pathlib.Path(places.data_dir, "tfds"), *found]
        found = [pathlib.Path(places.data_dir), *found]
    for folder in found:
        builder = make_builder(str(folder))
        if builder.is_prepared():
            return builder
    builder = make_builder(str(places.prepared_dir))
    if raw_dir is None and (by_hand or not places.download):
        searched = ", ".join(str(folder) for folder in found)
        fetch = "" if by_hand else " Or give --download to have TFDS fetch them."
        raise MissingData(
            f"No data found for {builder.info.full_name}. Searched: {searched}. "
            f"{expected}{fetch}"
        )
    config = tfds.download.DownloadConfig(
        manual_dir=None if raw_dir is None else str(raw_dir)
    )
    builder.download_and_prepare(download_config=config)
    return builder
