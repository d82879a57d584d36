"""What trained networks do.

A classifier: under attack, between examples, by its confidence. A generator: what its
samples cover.
"""

from keras_mixup.evaluation.adversarial import adversarial_errors, fgsm, i_fgsm
from keras_mixup.evaluation.between import between
from keras_mixup.evaluation.calibration import (
    calibration_error,
    draw_reliability_diagram,
    expected_calibration_error,
    overconfidence_error,
    reliability,
)
from keras_mixup.evaluation.generated import mode_coverage, sliced_wasserstein
from keras_mixup.evaluation.memorization import memorization, memorization_errors
from keras_mixup.evaluation.top_k import top_k_errors

__all__ = [
    "adversarial_errors",
    "between",
    "calibration_error",
    "draw_reliability_diagram",
    "expected_calibration_error",
    "fgsm",
    "i_fgsm",
    "memorization",
    "memorization_errors",
    "mode_coverage",
    "overconfidence_error",
    "reliability",
    "sliced_wasserstein",
    "top_k_errors",
]
