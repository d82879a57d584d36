"""Builds wheel and source distribution, and tries each in an environment of its own.

    python -m tests.distributions [--only wheel-newest ...] [--pythons python3.12 ...]

Three environments for each Python that is there: the wheel with the newest dependencies
that setup.cfg allows, the source distribution with the same, and the wheel with the
oldest. Each takes a minute or two and 3 GB of disk while it is there.
"""

import argparse
import configparser
import itertools
import pathlib
import re
import subprocess
import sys
import tarfile
import tempfile
import textwrap
import zipfile

ROOT = pathlib.Path(__file__).parents[1]
TRIALS = ("wheel-newest", "sdist-newest", "wheel-oldest")
PYTHONS = ("python3.11", "python3.12", "python3.13")
# Where the oldest that setup.cfg allows was never built for a Python.
FIRST_BUILT = {"python3.13": {"tensorflow": "2.20.0"}}
SMOKE = textwrap.dedent(
    """
    import pathlib
    import keras, numpy as np, tensorflow as tf, tensorflow_probability as tfp
    import keras_mixup

    here = pathlib.Path(keras_mixup.__file__)
    assert "site-packages" in here.parts, here
    x = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
    y = np.arange(64) % 3
    mixup = keras_mixup.MixUp(0.2, num_classes=3)
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(16).map(mixup)
    rows = next(iter(dataset))[1]
    np.testing.assert_allclose(tf.reduce_sum(rows, 1), 1, atol=1e-6)
    network = keras_mixup.models.build("mlp", input_shape=(4,), num_classes=3, width=8)
    mixup = keras_mixup.MixUp(1.0, seed=1)
    model = keras_mixup.MixUpModel(network, mixup, ["hidden_1"])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, metrics=["accuracy"])
    model.fit(x, y, epochs=2, verbose=0)
    model.save("model.keras")
    loaded = keras.models.load_model("model.keras")
    np.testing.assert_allclose(loaded(x), model(x), atol=1e-6)
    keras_mixup.export_saved_model(model, "exported/1")
    served = tf.saved_model.load("exported/1").signatures["serving_default"]
    assert served(inputs=tf.constant(x))["probabilities"].shape == (64, 3)
    print("works with", tf.__version__, keras.__version__, tfp.__version__)
    """
)


def main(arguments=None):
    """Builds, looks into what was built, and tries it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="+", choices=TRIALS, default=TRIALS)
    parser.add_argument("--pythons", nargs="+", default=[p for p in PYTHONS if runs(p)])
    flags = parser.parse_args(arguments)
    dist = ROOT / "dist"
    for old in dist.glob("*"):
        old.unlink()
    run(sys.executable, "-m", "build", "--outdir", dist, ROOT)
    (wheel,), (source,) = dist.glob("*.whl"), dist.glob("*.tar.gz")
    check_contents(wheel, source)
    for python, trial in itertools.product(flags.pythons, flags.only):
        kind, age = trial.split("-")
        pins = oldest(python) if age == "oldest" else []
        with tempfile.TemporaryDirectory() as folder:
            chosen = wheel if kind == "wheel" else source
            try_out(python, chosen, pins, pathlib.Path(folder))
        print(f"{python}, {trial}: works", flush=True)
    missing = [python for python in PYTHONS if python not in flags.pythons]
    print(f"Not tried: {', '.join(missing) or 'none'}")


def check_contents(wheel, source):
    """Raises unless the wheel holds `keras_mixup` alone, and both hold all of it."""
    modules = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "keras_mixup").rglob("*")
        if path.suffix == ".py" or path.name == "py.typed"
    }
    names = set(zipfile.ZipFile(wheel).namelist())
    outside = [n for n in names if not re.match(r"keras_mixup(-[^/]*\.dist-info)?/", n)]
    assert not outside, outside
    assert modules <= names, modules - names
    with tarfile.open(source) as archive:
        in_source = {name.partition("/")[2] for name in archive.getnames()}
    assert modules | {"setup.cfg", "README.md", "LICENSE"} <= in_source


def runs(python):
    """Whether this Python runs: some version managers have names that do not."""
    try:
        command = [python, "--version"]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def try_out(python, distribution, pins, folder):
    """Installs into an empty environment, and runs a small program there."""
    run(python, "-m", "venv", folder / "env")
    python = folder / "env" / "bin" / "python"
    run(python, "-m", "pip", "install", "-q", distribution, *pins)
    run(python, "-c", SMOKE, cwd=folder)


def oldest(python):
    """The dependencies of setup.cfg at the least version that each allows."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    lines = config["options"]["install_requires"].split()
    versions = dict(re.match(r"(.*)>=([^,]*),", line).groups() for line in lines)
    versions |= FIRST_BUILT.get(pathlib.Path(python).name, {})
    return [f"{name}=={version}" for name, version in versions.items()]


def run(*command, cwd=None):
    """A command that has to end well."""
    subprocess.run([str(part) for part in command], check=True, cwd=cwd)


if __name__ == "__main__":
    main()
