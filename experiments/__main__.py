"""Lists the experiments, or runs one."""

import importlib
import os
import sys

from experiments import configuration

# Before TensorFlow is imported. It says at its import what a user of an experiment need
# not read.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# It leaves oneDNN's convolutions off where a CPU has no AVX-512; with them a step of a
# ResNet takes little more than half of the time there.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

# Listed here, so that the list shows without importing TensorFlow.
EXPERIMENTS = {
    "quickstart": "Digits with 40 % wrong labels: ERM, mixup, and a served model",
    "table1_imagenet": "Table 1: ImageNet by ResNets and ResNeXts, 90 and 200 epochs",
    "figure3_cifar": "Figure 3: CIFAR-10 and CIFAR-100, three networks, error curves",
    "figure4_speech": "Figure 4: Google commands by LeNet and VGG-11",
    "table4_tabular": "Table 4: six tables of the UCI repository",
    "figure1_toy": "Figure 1b: the decision surface on a plane, and how linear it is",
    "figure2_between": "Figure 2: predictions and gradients between training points",
    "table2_corrupted_labels": "Table 2: 20, 50 and 80 % wrong labels",
    "table3_adversarial": "Table 3: FGSM and I-FGSM, white box and black box",
    "table5_ablation": "Table 5: what is mixed, with whom, and where; 44 cells",
    "alpha_tradeoff": "Section 5: training error, test error and gap over alpha",
    "figure5_gan": "Figure 5: GANs on a ring and a grid of Gaussians",
    "dcgan": "A small DCGAN on Fashion-MNIST, ERM and mixup: sample grids",
    "discussion": "Section 2: three examples, equal labels, two loaders, lam an example",
}


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
        from experiments import report

        return _unless_refused(lambda: report.main(flags))
    if name not in EXPERIMENTS:
        print(
            f"Unknown experiment. Expected one of {sorted([*EXPERIMENTS, 'report'])}. "
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
    resumes = isinstance(settings, configuration.RunConfiguration)
    return _unless_refused(lambda: _run(experiment, settings), resumes)


def _run(experiment, settings):
    if getattr(settings, "strategy", "one") == "multi_worker":
        # Before anything is computed: TensorFlow asks for it.
        from experiments import distribution

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
