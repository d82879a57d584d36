"""A search for hostile input that is guided by coverage, with atheris.

    pip install atheris
    python -m tests.fuzz wav -runs=100000        # libFuzzer's flags

Whatever is no error of ours ends the search with the input that did it. The ordinary
and the slow suite do without (`tests/experiments/test_hostile_input.py`).
"""

import contextlib
import pathlib
import sys
import tempfile

FOLDER = pathlib.Path(tempfile.gettempdir()) / "keras_mixup_fuzz"


def wav(content):
    """A WAV file."""
    from experiments.data import speech_commands

    speech_commands.read_wav(content, "a.wav")


def results(content):
    """A result file, and the page made of it."""
    from experiments.report import page as report
    from experiments.report import result_file

    path = FOLDER / "result.json"
    path.write_bytes(content)
    report.check(result_file.read(path), path)


def archive(content):
    """An archive of utterances."""
    from experiments.data import speech_commands

    path = FOLDER / f"{speech_commands.NAME}.tar.gz"
    path.write_bytes(content)
    for _, read in speech_commands._files(path):
        read()


def uci(content):
    """A zip file of a table."""
    from experiments.data import raw_files

    (FOLDER / "iris.zip").write_bytes(content)
    raw_files.text(FOLDER, "iris.data", "0" * 64)


TARGETS = {function.__name__: function for function in (wav, results, archive, uci)}


def main():
    """Searches one target until it is stopped, or has found something."""
    name = sys.argv.pop(1) if len(sys.argv) > 1 else ""
    if name not in TARGETS:
        sys.exit(f"Expected one of {sorted(TARGETS)}. Received: {name!r}")
    import atheris

    from experiments.settings import Refusal

    FOLDER.mkdir(exist_ok=True)
    traced = ["experiments", "wave", "tarfile"]
    with atheris.instrument_imports(include=traced), contextlib.suppress(Refusal):
        TARGETS[name](b"")

    def once(content):
        with contextlib.suppress(Refusal):
            TARGETS[name](content)

    atheris.Setup(sys.argv, once)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
