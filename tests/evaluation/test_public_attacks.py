"""The attacks beside those of the Adversarial Robustness Toolbox."""

import warnings

import keras
import numpy as np
import pytest

from keras_mixup.evaluation import fgsm, i_fgsm
from tests.evaluation.classifiers import network, softmax

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # It says that PyTorch is not there.
    art = pytest.importorskip("art", reason="needs adversarial-robustness-toolbox")
    from art.attacks.evasion import BasicIterativeMethod, FastGradientMethod
    from art.estimators.classification import TensorFlowV2Classifier

GENERATOR = np.random.default_rng(3)
X = GENERATOR.uniform(0, 255, (64, 6)).astype("float32")
Y = GENERATOR.integers(0, 4, 64)
MODEL = network(6, 4, seed=3)


def theirs(attack, **arguments):
    classifier = TensorFlowV2Classifier(
        MODEL,
        nb_classes=4,
        input_shape=(6,),
        loss_object=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        clip_values=(0.0, 255.0),
    )
    attack = attack(classifier, batch_size=64, **arguments)
    return attack.generate(X, np.eye(4)[Y])


# Where p of the label rounds to 1, float32 loses its share of the gradient there (and
# not here: test_attacks.py has those by hand).
NOT_SATURATED = softmax(MODEL(X))[np.arange(64), Y] < 1 - 1e-6


@pytest.mark.parametrize("epsilon", [4.0, 20.0])
def test_fgsm(epsilon):
    ours = fgsm(MODEL, X, Y, epsilon).numpy()
    assert np.abs(ours - X).max() == pytest.approx(epsilon, abs=1e-4)
    expected = theirs(FastGradientMethod, eps=epsilon)
    assert NOT_SATURATED.sum() >= 60
    np.testing.assert_allclose(ours[NOT_SATURATED], expected[NOT_SATURATED], atol=1e-4)


@pytest.mark.parametrize("step_size", [0.4, 1.0, 6.0])
def test_i_fgsm(step_size):
    arguments = {"eps": 4.0, "eps_step": step_size, "max_iter": 10, "verbose": False}
    expected = theirs(BasicIterativeMethod, **arguments)
    ours = i_fgsm(MODEL, X, Y, 4.0, step_size=step_size).numpy()
    np.testing.assert_allclose(ours[NOT_SATURATED], expected[NOT_SATURATED], atol=1e-3)
