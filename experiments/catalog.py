"""The experiments by name, and where each is: read without importing any of them."""

import importlib

PAPER = {
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
    "discussion": "Section 2: three examples, equal labels, two loaders, per example",
}
BEYOND = {
    "capacity": "Figure 3 by the width of the network: where the gain begins",
    "policies": "mixup beside CutMix, ResizeMix and FMix, and errors under occlusion",
    "quickstart": "Table 2 in small: digits with 40 % wrong labels, by an MLP",
    "cmixup_regression": "C-Mixup on tables: partners whose targets are near",
    "mixmatch_ablation": "MixMatch, its parts, and ICT: images with few labels",
    "long_tail": "Remix, Balanced-MixUp and class weights: unequal classes",
    "ict_two_moons": "ICT: six labels on two moons, and points without",
    "dcgan": "A small DCGAN on Fashion-MNIST, ERM and mixup: sample grids",
}
EXPERIMENTS = PAPER | BEYOND


def load(name):
    """The experiment of this name."""
    room = "paper" if name in PAPER else "beyond"
    return importlib.import_module(f"experiments.{room}.{name}").EXPERIMENT
