"""Raw files as they were published: alone, or in archives that are not unpacked."""

import gzip
import hashlib
import lzma
import pathlib
import struct
import tarfile
import zipfile
import zlib

from experiments.data.sources import CorruptData, MissingData

# No raw file is larger; what claims to be is not unpacked.
LARGEST = 64 * 2**20
# What zipfile raises for files that are none, or that are damaged or encrypted.
DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError),
    *(OSError, RuntimeError, ValueError),
)


def locate(source, name):
    """Path of a raw file, or of the zip file that has it and the member's name."""
    found = sorted(source.rglob(name)) if source.is_dir() else []
    if found:
        return found[0], None
    for archive in sorted(source.glob("*.zip")) if source.is_dir() else [source]:
        if archive.is_file():
            try:
                with zipfile.ZipFile(archive) as opened:
                    names = opened.namelist()
            except DAMAGED as error:
                damage = f"The file {archive} is damaged: {error} (not a zip file?)"
                raise CorruptData(damage) from error
            for member in names:
                if pathlib.PurePosixPath(member).name == name:
                    return archive, member
    return None


def text(source, name, sha256=None):
    """The text of a raw file; a zip file's member is read without unpacking it.

    Without a `sha256` the caller has to find out whether it is the right one.
    """
    found = locate(source, name)
    if found is None:
        expected = f"Expected the raw file {name} in {source}, or in its zip file"
        raise MissingData(expected)
    path, member = found
    try:
        content = _content(path, member)
        received = hashlib.sha256(content).hexdigest()
        sha256 = sha256 or received
    except DAMAGED as error:
        received = str(error)
    if received != sha256:
        raise CorruptData(
            f"The raw file {name} is damaged, or not the one that UCI published. "
            f"Expected its sha256 to be {sha256}. Received: {received} (from {path})"
        )
    return content.decode("ascii")


def _content(path, member):
    """The bytes of a file, unpacked if it is a .gz, or of a zip file's member."""
    if member is None:
        opened = gzip.open if path.suffix == ".gz" else open
        with opened(path, "rb") as file:
            content = file.read(LARGEST + 1)
    else:
        with zipfile.ZipFile(path) as archive, archive.open(member) as file:
            content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise ValueError(f"more than {LARGEST} bytes")
    return content


def members(source, largest):
    """Names and readers of the files of a .tar.gz, each to be read before the next."""
    try:
        with gzip.open(source) as packed, tarfile.open(None, "r|", packed) as archive:
            for member in archive:
                path = pathlib.PurePosixPath(member.name)
                inside = not path.is_absolute() and ".." not in path.parts
                plain = member.isfile() or member.isdir()
                if not (inside and plain and member.size <= largest):
                    link = f" -> {member.linkname}" if member.linkname else ""
                    raise CorruptData(
                        f"The archive {source} is not safe to read. Expected files and "
                        f"folders below its root, of at most {largest} bytes. "
                        f"Received: {member.name}{link} of {member.size} bytes"
                    )
                if member.isfile():
                    yield str(path), archive.extractfile(member).read
            # tarfile takes a damaged header for the end; gzip's checksum finds it.
            while packed.read(2**20):
                pass
    except (tarfile.TarError, OSError, zlib.error, EOFError, struct.error) as error:
        raise CorruptData(f"The archive {source} is damaged: {error}") from error
