"""What a trained classifier does: under attack, between examples, by its confidence."""

from keras_mixup.evaluation.adversarial import adversarial_errors, fgsm, i_fgsm
from keras_mixup.evaluation.between import between
from keras_mixup.evaluation.calibration import (
    calibration_error,
    draw_reliability_diagram,
    expected_calibration_error,
    overconfidence_error,
    reliability,
)
from keras_mixup.evaluation.memorisation import memorisation, memorisation_errors
from keras_mixup.evaluation.top_k import top_k_errors

__all__ = [
    "adversarial_errors",
    "between",
    "calibration_error",
    "draw_reliability_diagram",
    "expected_calibration_error",
    "fgsm",
    "i_fgsm",
    "memorisation",
    "memorisation_errors",
    "overconfidence_error",
    "reliability",
    "top_k_errors",
]
