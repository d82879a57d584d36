"""Lists the experiments, or runs one."""

import os
import sys

from experiments import configuration
from experiments.catalog import EXPERIMENTS, load

# Before TensorFlow is imported. It says at its import what a user of an experiment need
# not read.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# It leaves oneDNN's convolutions off where a CPU has no AVX-512; with them a step of a
# ResNet takes little more than half of the time there.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


def main(arguments):
    """Runs `NAME [--flags]`; gives the exit status."""
    name, *flags = arguments or ["--help"]
    if name in ("-h", "--help"):
        print("usage: python -m experiments NAME [--preset PRESET] [--flags]\n")
        print("Experiments (NAME --help shows the flags of one):")
        for key, summary in EXPERIMENTS.items():
            print(f"  {key:<24} {summary}")
        print("\nreport [--output FILE]: one HTML page of all published results")
        return 0
    if name == "report":
        from experiments.report import page

        return _unless_refused(lambda: page.main(flags))
    if name not in EXPERIMENTS:
        print(
            f"Unknown experiment. Expected one of {sorted([*EXPERIMENTS, 'report'])}. "
            f"Received: {name!r}",
            file=sys.stderr,
        )
        return 2
    experiment = load(name)
    settings = configuration.parse(
        experiment.Settings,
        experiment.PRESETS,
        flags,
        prog=f"python -m experiments {name}",
    )
    resumes = isinstance(settings, configuration.RunConfiguration)
    return _unless_refused(lambda: _run(experiment, settings), resumes)


def _run(experiment, settings):
    if getattr(settings, "strategy", "one") == "multi_worker":
        # Before anything is computed: TensorFlow asks for it.
        from experiments.engine import distribution

        distribution.strategy_of(settings)
    experiment.run(settings)
    return 0


def _unless_refused(function, resumes=False):
    """The function's status; what the user can put right is one sentence."""
    try:
        return function()
    except configuration.Refusal as error:
        print(f"\n{error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"\n{_of_the_system(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        then = "goes on from here" if resumes else "starts anew"
        print(f"\nStopped. The same command {then}.", file=sys.stderr)
        return 130


def _of_the_system(error):
    where = f" {error.filename}" if error.filename else ""
    return (
        f"Cannot use{where}: {error.strerror or error}. What was finished before is as "
        "it was; the same command goes on from there."
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
