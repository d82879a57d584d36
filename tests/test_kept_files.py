"""What earlier versions wrote still loads, and gives what it gave."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from experiments.engine.state import RunState
from tests import kept_files, served_models

LABELS = np.arange(5) % 3


def versions():
    return sorted(path.name for path in kept_files.FOLDER.iterdir())


@pytest.fixture(params=versions())
def kept(request):
    folder = kept_files.FOLDER / request.param
    return folder, np.load(folder / "expected.npz")


def test_this_version_has_left_its_files():
    assert keras_mixup.__version__ in versions()


def test_a_classifier_loads_predicts_and_trains_on(kept):
    folder, expected = kept
    model = keras.models.load_model(folder / "classifier.keras")
    found = model.predict(kept_files.X, verbose=0)
    np.testing.assert_allclose(found, expected["logits"], atol=1e-6)
    loss = model.evaluate(kept_files.X, LABELS, verbose=0)[0]
    assert loss == pytest.approx(float(expected["loss"]), abs=1e-6)
    assert model.mixup.alpha.alpha == 0.4
    assert model.mix_at == ["input", "mixed"]
    model.fit(kept_files.X, LABELS, epochs=3, verbose=0)
    assert int(model.step.value) == 5
    assert model.evaluate(kept_files.X, LABELS, verbose=0)[0] != loss


def test_an_exported_classifier_is_served(kept):
    folder, expected = kept
    exported = tf.saved_model.load(str(folder / "exported" / "1"))
    found = exported.signatures["serving_default"](inputs=tf.constant(kept_files.X))
    probabilities = served_models.softmax(expected["logits"].astype("float64"))
    np.testing.assert_allclose(found["probabilities"], probabilities, atol=1e-6)
    classes = probabilities.argmax(-1)
    assert found["label_index"].numpy().tolist() == classes.tolist()
    names = [kept_files.NAMES[index].encode() for index in classes]
    assert found["label"].numpy().tolist() == names


def test_a_gan_loads_and_generates_what_it_did(kept):
    folder, expected = kept
    model = keras.models.load_model(folder / "gan.keras")
    found = model.generate(6, seed=1)
    np.testing.assert_allclose(found, expected["points"], atol=1e-6)
    assert [int(o.iterations) for o in model.optimizers] == [2, 2]
    assert [float(o.learning_rate) for o in model.optimizers] == pytest.approx(
        [0.01, 0.02]
    )


def test_a_checkpoint_is_taken_up(kept):
    folder, expected = kept
    model = kept_files.classifier()
    for weight in model.weights:
        weight.assign(weight.value * 0)
    state = RunState(model, folder / "checkpoints")
    assert state.restore() == 1
    assert state.epochs == kept_files.EPOCHS
    found = model.predict(kept_files.X, verbose=0)
    np.testing.assert_allclose(found, expected["logits"], atol=1e-6)
