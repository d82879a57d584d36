"""Lists the experiments, or runs one."""

import importlib
import sys

from experiments import configuration

# Listed here, so that the list shows without importing TensorFlow.
EXPERIMENTS = {
    "quickstart": "Digits with 40 % wrong labels: ERM, mixup, and a served model",
    "table1_imagenet": "Table 1: ImageNet by ResNets and ResNeXts, 90 and 200 epochs",
    "figure3_cifar": "Figure 3: CIFAR-10 and CIFAR-100, three networks, error curves",
    "figure4_speech": "Figure 4: Google commands by LeNet and VGG-11",
    "table4_tabular": "Table 4: six tables of the UCI repository",
}


def main(arguments):
    """Runs `NAME [--flags]`; gives the exit status."""
    name, *flags = arguments or ["--help"]
    if name in ("-h", "--help"):
        print("usage: python -m experiments NAME [--preset PRESET] [--flags]\n")
        print("Experiments (NAME --help shows the flags of one):")
        for key, summary in EXPERIMENTS.items():
            print(f"  {key:<16} {summary}")
        return 0
    if name not in EXPERIMENTS:
        print(
            f"Unknown experiment. Expected one of {sorted(EXPERIMENTS)}. "
            f"Received: {name!r}",
            file=sys.stderr,
        )
        return 2
    experiment = importlib.import_module(f"experiments.{name}")
    settings = configuration.parse(
        experiment.Settings,
        experiment.PRESETS,
        flags,
        prog=f"python -m experiments {name}",
    )
    try:
        experiment.run(settings)
    except configuration.Refusal as error:
        print(f"\n{error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        resumes = isinstance(settings, configuration.TrainingConfiguration)
        then = "goes on from here" if resumes else "starts anew"
        print(f"\nStopped. The same command {then}.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
