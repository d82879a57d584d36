"""Trained networks on disk: written whole or not at all, read as they were written."""

import hashlib

import keras

from experiments.settings import Refusal
from keras_mixup.whole_file import whole_file


class DamagedNetwork(Refusal, ValueError):
    """A file of a trained network that is not what was written."""


def save(network, path):
    """Saves a network, then its SHA-256 beside it; the one before stays until then."""
    with whole_file(path) as scratch:
        network.save(scratch)
        written = digest(scratch)
    with whole_file(_digest_of(path)) as scratch:
        scratch.write_text(written)


def load(path):
    """Loads a network that `save` wrote; no code comes with it (Keras's safe mode).

    Keras does not see a wrong byte among the weights of a `.keras` file.
    """
    try:
        expected, found = _digest_of(path).read_text().strip(), digest(path)
    except (OSError, UnicodeDecodeError) as error:
        expected, found = f"a digest beside it ({error})", "none"
    if found != expected:
        raise DamagedNetwork(
            f"The network {path} is not as it was written. Expected its SHA-256 to be "
            f"{expected[:200]}. Received: {found}. Remove the folder {path.parent} to "
            "train it anew."
        )
    return keras.models.load_model(path, safe_mode=True)


def _digest_of(path):
    return path.with_name(f"{path.name}.sha256")


def digest(path):
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
