"""What starting costs: importing the library, and the experiments' help.

Each is a fresh process. The time of `import keras_mixup` is taken inside of it, behind
the imports of TensorFlow, Keras and TFP (with its distributions, which it loads late).
"""

import os
import subprocess
import sys
import time

from benchmarks import command, report, turns

OURS = "import keras_mixup"
FOUNDATION = "import tensorflow, keras, tensorflow_probability"
HELP = "python -m experiments --help"
IMPORTS = """
import time
start = time.perf_counter()
import tensorflow, keras, tensorflow_probability as tfp
tfp.distributions.Beta
middle = time.perf_counter()
import keras_mixup
print(middle - start, time.perf_counter() - middle)
"""
# Seconds.
TARGETS = {OURS: 0.2, HELP: 1.0}


def main(arguments=None):
    """Measures, prints the table, writes the result."""
    parser = command.parser_of("start", __doc__, 11)
    command.conclude("start", parser.parse_args(arguments), measured, table)


def measured(flags):
    """What the result file keeps."""
    processes = {OURS: imports, HELP: help_of_experiments}
    for process in processes.values():
        process()
    found = turns.in_rounds(
        list(processes), flags.rounds, lambda name: processes[name]()
    )
    foundation, ours = zip(*found[OURS], strict=True)
    rounds = {FOUNDATION: foundation, OURS: ours, HELP: found[HELP]}
    return {
        "targets": TARGETS,
        "rounds": rounds,
        "seconds": {name: turns.median_interval(rounds[name]) for name in rounds},
    }


def imports():
    """Seconds of the foundation's import, and of ours behind it."""
    return tuple(map(float, output_of("-c", IMPORTS).split()))


def help_of_experiments():
    """Seconds of a whole process."""
    start = time.perf_counter()
    output_of("-m", "experiments", "--help")
    return time.perf_counter() - start


def output_of(*arguments):
    """What a fresh process of Python prints."""
    return subprocess.run(
        [sys.executable, *arguments],
        check=True,
        capture_output=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        text=True,
    ).stdout


def table(result):
    """The Markdown table of a result."""
    rows = []
    for name, seconds in result["seconds"].items():
        target = result["targets"].get(name)
        rows.append(
            [
                f"`{name}`",
                report.interval(seconds, ".2f"),
                "" if target is None else report.at_most(seconds, target),
            ]
        )
    return report.markdown(["Start", "Seconds", "Target"], rows)


if __name__ == "__main__":
    main()
