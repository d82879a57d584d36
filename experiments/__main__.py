"""Lists the experiments, or runs one."""

import functools
import os
import sys

from experiments import catalog, settings

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
        for key, summary in catalog.EXPERIMENTS.items():
            print(f"  {key:<24} {summary}")
        print("\nreport [--output FILE]: one HTML page of all published results")
        return 0
    if name == "report":
        from experiments.report import page

        carry_out = functools.partial(page.main, flags)
    elif name in catalog.EXPERIMENTS:
        experiment = catalog.load(name)
        prog = f"python -m experiments {name}"
        chosen = settings.parse(experiment.settings, experiment.presets, flags, prog)
        carry_out = functools.partial(_run, experiment, chosen)
    else:
        print(
            "Unknown experiment. Expected one of "
            f"{sorted([*catalog.EXPERIMENTS, 'report'])}. Received: {name!r}",
            file=sys.stderr,
        )
        return 2
    try:
        return carry_out()
    except (settings.Refusal, ValueError) as error:
        # The library refuses arguments in Keras's words; another ValueError is a fault.
        refused = isinstance(error, settings.Refusal)
        if not (refused or str(error).startswith("Invalid value received for ")):
            raise
        print(f"\n{error}", file=sys.stderr)
        return 2
    except OSError as error:
        # The second of two is the one that was to be written.
        place = error.filename2 or error.filename
        where = f" {place}" if place else ""
        print(
            f"\nCannot use{where}: {error.strerror or error}. What was finished before "
            "is as it was; the same command goes on from there.",
            file=sys.stderr,
        )
        return 2
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on from here.", file=sys.stderr)
        return 130


def _run(experiment, chosen):
    from experiments.engine import distribution, run

    # Before anything is computed: TensorFlow asks for it.
    distribution.strategy_of(chosen)
    run.run(experiment, chosen)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
