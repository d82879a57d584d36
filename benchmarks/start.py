"""What starting costs: importing the library, and the experiments' help.

Each is a fresh process. `import keras_mixup` is compared with importing TensorFlow and
TFP alone (with TFP's distributions, which it loads late), round by round.
"""

import os
import subprocess
import sys
import time

from benchmarks import command, report, turns

FOUNDATION = (
    "import tensorflow, keras, tensorflow_probability as tfp; tfp.distributions.Beta"
)
COMMANDS = {
    "TensorFlow, Keras, TFP": ["-c", FOUNDATION],
    "keras_mixup as well": ["-c", f"{FOUNDATION}; import keras_mixup"],
    "experiments --help": ["-m", "experiments", "--help"],
}
# Seconds.
TARGETS = {"keras_mixup as well": 0.2, "experiments --help": 1.0}


def main(arguments=None):
    """Measures, prints the table, writes the result."""
    parser = command.parser_of("start", __doc__, 11)
    command.conclude("start", parser.parse_args(arguments), measured, table)


def measured(flags):
    """What the result file keeps."""
    for name in COMMANDS:
        seconds_of(name)
    found = turns.in_rounds(list(COMMANDS), flags.rounds, seconds_of)
    first, second, third = found.values()
    return {
        "targets": TARGETS,
        "rounds": found,
        "seconds": {name: turns.median_interval(found[name]) for name in found},
        "compared": {
            "keras_mixup as well": turns.median_interval(
                [with_ours - without for with_ours, without in zip(second, first)]
            ),
            "experiments --help": turns.median_interval(third),
        },
    }


def seconds_of(name):
    """Seconds of one process."""
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, *COMMANDS[name]],
        check=True,
        capture_output=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    return time.perf_counter() - start


def table(result):
    """The Markdown table of a result."""
    rows = []
    for name, seconds in result["seconds"].items():
        compared = result["compared"].get(name)
        target = result["targets"].get(name)
        rows.append(
            [
                name,
                report.interval(seconds, ".2f"),
                "" if compared is None else report.interval(compared, ".2f"),
                "" if compared is None else report.at_most(compared, target),
            ]
        )
    head = ["Process", "Seconds", "Of it ours", "Target"]
    return report.markdown(head, rows)


if __name__ == "__main__":
    main()
