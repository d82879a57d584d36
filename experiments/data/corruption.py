"""Corrupted labels, as in the paper's section 3.4."""

import numpy as np


def corrupt_labels(labels, share, num_classes, seed):
    """Labels and the mask of the replaced (the protocol of Zhang et al., 2017).

    Each label is replaced with probability `share`, by one drawn uniformly from all
    classes, its own among them: about `share / num_classes` are chosen and stay right.
    """
    generator = np.random.default_rng(seed)
    chosen = generator.random(len(labels)) < share
    noise = generator.integers(num_classes, size=len(labels), dtype=labels.dtype)
    return np.where(chosen, noise, labels), chosen
