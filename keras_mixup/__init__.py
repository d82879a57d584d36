"""mixup (Zhang et al., 2018) for TensorFlow and Keras."""

from keras_mixup import evaluation, layers, metrics, models, neighbors
from keras_mixup.cutmix import CutMix
from keras_mixup.export import export_saved_model
from keras_mixup.export_generator import export_generator
from keras_mixup.fmix import FMix
from keras_mixup.label_rules import Remix
from keras_mixup.mixed_batch import MixedBatch
from keras_mixup.mixing import mix
from keras_mixup.mixup import MixUp
from keras_mixup.ordinal import ordinal_level, ordinal_rows
from keras_mixup.python_batches import as_dataset
from keras_mixup.random_choice import RandomChoice
from keras_mixup.resizemix import ResizeMix
from keras_mixup.sampling import sample_lambda, sample_partner, sample_weights
from keras_mixup.showing import show
from keras_mixup.steps import Step, count_steps
from keras_mixup.training.callbacks import CountEpochs, MixUpSummary
from keras_mixup.training.camixup import CAMixUp
from keras_mixup.training.classifier import MixUpModel
from keras_mixup.training.gan import MixUpGAN
from keras_mixup.training.ict import ICTModel
from keras_mixup.training.mixmatch import MixMatchModel
from keras_mixup.training.schedules import AlphaSchedule, LearningRateDrops
from keras_mixup.training.unlabeled_data import labeled_and_unlabeled
from keras_mixup.version import __version__

__all__ = [
    "AlphaSchedule",
    "CAMixUp",
    "CountEpochs",
    "CutMix",
    "FMix",
    "ICTModel",
    "LearningRateDrops",
    "MixMatchModel",
    "MixUp",
    "MixUpGAN",
    "MixUpModel",
    "MixUpSummary",
    "MixedBatch",
    "RandomChoice",
    "Remix",
    "ResizeMix",
    "Step",
    "__version__",
    "as_dataset",
    "count_steps",
    "evaluation",
    "export_generator",
    "export_saved_model",
    "labeled_and_unlabeled",
    "layers",
    "metrics",
    "mix",
    "models",
    "neighbors",
    "ordinal_level",
    "ordinal_rows",
    "sample_lambda",
    "sample_partner",
    "sample_weights",
    "show",
]


def __dir__():
    """The public names alone, for tab completion."""
    return __all__
