"""What each published picture shows, in a sentence: for those who cannot see it too."""

_RELIABILITY = (
    "Accuracy over confidence on the test set, in 15 bins, for ERM and {}; on the "
    "diagonal a network is as often right as it says."
).format
_ERROR = "Test error over epochs, mean and range over seeds, {}.".format

CAPTIONS = {
    "alpha_tradeoff/curves": "Training error, test error and the gap between them over "
    "alpha, one line for each width of the network.",
    "alpha_tradeoff/reliability": _RELIABILITY("mixup, at three widths"),
    "capacity/curves": _ERROR("of ERM and mixup: once the rate drops, mixup is below"),
    "capacity/reliability": _RELIABILITY("mixup"),
    "cmixup_regression/errors": "The test error of each run, a panel for each data set "
    "and a row for each method.",
    "dcgan/samples": "Grids of generated pictures of clothes at four iterations, ERM "
    "in the upper row and mixup in the lower.",
    "discussion/reliability": _RELIABILITY("mixup"),
    "figure1_toy/reliability": _RELIABILITY("mixup, circles and moons"),
    "figure1_toy/surfaces": "The probability of class 1 over the plane, circles above "
    "and moons below: ERM steps at the border of the classes, mixup shades from one "
    "into the other. On the right p over lam between the classes, against the line "
    "p = lam.",
    "figure2_between/curves": "Misses and the norm of the loss's gradient over lam "
    "between two training examples: ERM's rise half way, mixup's stay low. Dashed: the "
    "paper's.",
    "figure2_between/reliability": _RELIABILITY("mixup"),
    "figure3_cifar/curves": _ERROR(
        "of ERM and mixup: once the rate drops, mixup is below"
    ),
    "figure3_cifar/reliability": _RELIABILITY("mixup"),
    "figure4_speech/curves": _ERROR(
        "of LeNet and VGG-11 by ERM and by mixup, whose ranges overlap"
    ),
    "figure4_speech/reliability": _RELIABILITY("mixup"),
    "figure5_gan/curves": "Modes covered, share of samples of high quality and sliced "
    "Wasserstein distance over iterations, for each data set and method.",
    "figure5_gan/other_samples": "Real points in blue and generated ones in orange: "
    "the formula as the paper prints it (mode objective) and, on the ring, other "
    "values of alpha.",
    "figure5_gan/samples": "Real points in blue and generated ones in orange after 10, "
    "100, 1,000, 10,000 and 20,000 iterations, one row for each data set and method; "
    "below each panel the share of samples that lie outside of it.",
    "ict_two_moons/reliability": _RELIABILITY("mixup and ICT"),
    "ict_two_moons/surfaces": "The probability of class 1 over the plane, six labeled "
    "points of the first seed on it: the border of ERM is sharp, and those of ICT are "
    "wide. On the right p over lam between the classes, against the line p = lam.",
    "long_tail/curves": _ERROR(
        "of ERM, mixup, Remix and Balanced-MixUp: the lines part where classes are "
        "weighted"
    ),
    "long_tail/reliability": _RELIABILITY("mixup, Remix and Balanced-MixUp"),
    "policies/curves": _ERROR("of ERM, mixup, CutMix and its family"),
    "policies/occluded": "Test errors where a square of half of the side lies on each "
    "image, a point for each seed.",
    "policies/reliability": _RELIABILITY("mixup, CutMix and its family"),
    "quickstart/curves": "Error over epochs on test images, on training images of real "
    "labels and on those of wrong labels: with mixup the last two part, and the first "
    "stays low.",
    "quickstart/mixed_digits": "Eight digits, their partners, and their mixtures, with "
    "the weights and labels of each.",
    "table1_imagenet/curves": _ERROR(
        "of ERM and mixup for two widths and two lengths of training"
    ),
    "table2_corrupted_labels/curves": _ERROR(
        "at 20, 50 and 80 % wrong labels: ERM's rises after the rate drops, that of "
        "mixup hardly"
    ),
    "table2_corrupted_labels/reliability": _RELIABILITY(
        "dropout, mixup and both, at 20, 50 and 80 % wrong labels"
    ),
    "table3_adversarial/curves": "Error over epsilon for FGSM and I-FGSM, white and "
    "black box: the lines of ERM and mixup rise side by side.",
    "table3_adversarial/reliability": _RELIABILITY("mixup"),
    "table5_ablation/errors": "Test errors of the 44 cells, a line for each method and "
    "a point for each weight decay.",
    "table5_ablation/reliability": _RELIABILITY("mixup, at two weight decays"),
}


def caption(experiment, path):
    """The caption of a picture; of one that has none, its name."""
    return CAPTIONS.get(f"{experiment}/{path.stem}", path.stem.replace("_", " "))
