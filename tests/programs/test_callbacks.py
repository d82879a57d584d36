"""Callbacks that watch validation, the search of a tuner, and a run that is resumed."""

import keras
import numpy as np
import pytest

import keras_mixup
from tests.programs import by_hand

X, Y = by_hand.linear_data(24)
TRAINING, VALIDATION = (X[:16], Y[:16]), (X[16:], Y[16:])


def make(rate=0.1, how=by_hand.EAGER):
    model = keras_mixup.MixUpModel(by_hand.linear(), keras_mixup.MixUp(1.0, seed=1))
    optimizer = keras.optimizers.SGD(rate)
    model.compile(optimizer, by_hand.sparse_loss(), metrics=["accuracy"], **how)
    return model


def fitted(model, **kwargs):
    settings = {"batch_size": 8, "shuffle": False, "verbose": 0, **kwargs}
    return model.fit(*TRAINING, validation_data=VALIDATION, **settings).history


def validated(network):
    logits = by_hand.outputs(network, VALIDATION[0])
    return by_hand.hits(logits, VALIDATION[1]).mean()


def test_callbacks_watch_the_accuracy_of_clean_validation(tmp_path):
    model = make(rate=0.0)
    early = keras.callbacks.EarlyStopping("val_accuracy", patience=2)
    path = str(tmp_path / "best.keras")
    best = keras.callbacks.ModelCheckpoint(path, "val_accuracy", save_best_only=True)
    slower = keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.5, patience=1)
    board = keras.callbacks.TensorBoard(tmp_path / "logs")
    callbacks = [early, best, slower, board]
    history = fitted(model, epochs=9, callbacks=callbacks)
    # Nothing moves at rate 0, so nothing becomes better after the first epoch.
    assert len(history["loss"]) == 3
    assert history["val_accuracy"] == pytest.approx([validated(model.network)] * 3)
    logits = by_hand.outputs(model.network, VALIDATION[0])
    loss = by_hand.cross_entropies(logits, VALIDATION[1]).mean()
    assert history["val_loss"] == pytest.approx([loss] * 3, abs=1e-6)
    assert list(tmp_path.glob("logs/train/events*"))
    assert list(tmp_path.glob("logs/validation/events*"))
    loaded = keras.saving.load_model(path)
    np.testing.assert_allclose(
        loaded.predict(X, verbose=0), model.predict(X, verbose=0), atol=1e-6
    )


def test_the_best_epoch_is_restored():
    model = make(rate=2.0)
    early = keras.callbacks.EarlyStopping(
        "val_accuracy", patience=3, restore_best_weights=True
    )
    history = fitted(model, epochs=8, callbacks=[early])
    assert validated(model.network) == pytest.approx(max(history["val_accuracy"]))


def test_the_search_of_a_tuner(tmp_path):
    # As keras-tuner does: train each trial, save its weights, rebuild the best one.
    scores, configs = {}, {}
    for rate in (0.01, 1.0):
        trial = make(rate)
        scores[rate] = fitted(trial, epochs=4)["val_loss"][-1]
        configs[rate] = trial.get_build_config()
        trial.save_weights(tmp_path / f"{rate}.weights.h5")
    best = min(scores, key=scores.get)
    model = make(best)
    model.build_from_config(configs[best])
    model.load_weights(tmp_path / f"{best}.weights.h5")
    assert model.evaluate(*VALIDATION, verbose=0)[0] == pytest.approx(
        scores[best], abs=1e-6
    )


def by_loops(epochs):
    """The weights after so many epochs of two batches, in numpy."""
    kernel, bias = (np.array(w, "float64") for w in by_hand.linear().weights)
    for step in range(2 * epochs):
        own = slice(8 * (step % 2), 8 * (step % 2) + 8)
        lam, partner = by_hand.draw(8, step=step)
        x = by_hand.mixed(X[own], lam, partner)
        rows = by_hand.mixed(np.eye(3)[Y[own]], lam, partner)
        gradient = (by_hand.softmax(x @ kernel + bias) - rows) / 8
        kernel, bias = kernel - 0.1 * x.T @ gradient, bias - 0.1 * gradient.sum(0)
    return kernel, bias


def check_weights(model, epochs):
    for found, expected in zip(model.network.weights, by_loops(epochs), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_saved_model_goes_on_where_it_stopped(tmp_path):
    model = make(how={})
    fitted(model, epochs=2)
    check_weights(model, 2)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    fitted(loaded, initial_epoch=2, epochs=5)
    check_weights(loaded, 5)


def test_backup_and_restore_goes_on_where_it_was_interrupted(tmp_path):
    def stop(epoch, logs):
        if epoch == 2:
            raise KeyboardInterrupt

    model = make()
    backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
    interrupt = keras.callbacks.LambdaCallback(on_epoch_begin=stop)
    with pytest.raises(KeyboardInterrupt):
        fitted(model, epochs=5, callbacks=[backup, interrupt])
    again = make()
    backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
    history = fitted(again, epochs=5, callbacks=[backup])
    assert len(history["loss"]) == 3
    check_weights(again, 5)
