"""The averaged teacher: its weights by hand, what it is used for, what it keeps."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from keras_mixup.training import averaged_weights
from tests.training.few_labels_parts import (
    EAGER,
    U,
    X,
    Y,
    assert_same,
    both,
    compiled,
    linear,
    softmax,
    state_of,
    weights_of,
)


def model_of(network=None, kind="ICTModel", how=EAGER, decay=0.6, **options):
    mixup = keras_mixup.MixUp(1.0, seed=3, keep_larger=True)
    made = getattr(keras_mixup, kind)(
        network or linear(), mixup, ramp_up=4, teacher_decay=decay, **options
    )
    return compiled(made, **how)


@pytest.mark.parametrize("kind", ["ICTModel", "MixMatchModel"])
def test_the_teacher_is_the_average_by_hand(kind):
    model = model_of(kind=kind)
    expected = weights_of(model.network)
    # Shares a of steps 1 to 6, by 1 - 1 / (t + 1) up to the decay.
    for share in (1 / 2, 0.6, 0.6, 0.6, 0.6, 0.6):
        model.train_on_batch(next(iter(both())))
        student = weights_of(model.network)
        expected = [
            share * old + (1 - share) * new
            for old, new in zip(expected, student, strict=True)
        ]
        assert_same(weights_of(model.teacher), expected, 1e-6)
    assert np.abs(student[0] - expected[0]).max() > 1e-3


def test_up_to_the_decay_it_is_the_plain_mean_of_all_weights_so_far():
    model = model_of(decay=0.999)
    passed = [weights_of(model.network)]
    for _ in range(4):
        model.train_on_batch(next(iter(both())))
        passed.append(weights_of(model.network))
    means = [np.mean(one, axis=0) for one in zip(*passed, strict=True)]
    assert_same(weights_of(model.teacher), means, 1e-6)


def test_evaluate_predict_and_validation_are_of_the_teacher():
    model = model_of(how={})
    history = model.fit(both(), epochs=2, validation_data=(X, Y), verbose=0).history
    logits = X @ model.teacher.weights[0].numpy() + model.teacher.weights[1].numpy()
    loss = -np.log(softmax(logits)[np.arange(len(Y)), Y]).mean()
    accuracy = (logits.argmax(-1) == Y).mean()
    assert history["val_loss"][-1] == pytest.approx(loss, rel=1e-5)
    evaluated = model.evaluate(X, Y, verbose=0, return_dict=True)
    assert evaluated["loss"] == pytest.approx(loss, rel=1e-5)
    assert evaluated["accuracy"] == pytest.approx(accuracy)
    assert set(evaluated) == {"loss", "accuracy"}
    np.testing.assert_allclose(model.predict(X, verbose=0), logits, atol=1e-5)
    student = model.network(X)
    assert np.abs(student - logits).max() > 1e-3


def test_penalties_are_those_of_one_network_at_a_time():
    penalty = keras.regularizers.L2(10.0)
    hidden = keras.layers.Dense(2, "tanh", kernel_regularizer=penalty)
    model = model_of(
        linear(hidden), how={**EAGER, "optimizer": keras.optimizers.SGD(0.0)}
    )
    shown = model.fit(both(), verbose=0).history
    penalty = 10 * np.square(hidden.kernel.numpy()).sum()
    weighted = [100 * np.exp(-5 * (1 - t / 4) ** 2) for t in range(3)]
    least = shown["supervised_loss"][0] + penalty
    assert least < shown["loss"][0] < least + max(weighted)
    model.optimizer.learning_rate = 0.1
    model.train_on_batch(next(iter(both())))
    kernel = model.teacher.layers[0].kernel.numpy()
    assert float(sum(model.losses)) == pytest.approx(10 * np.square(kernel).sum())


def test_no_optimizer_sees_the_teacher():
    model = model_of()
    model.fit(both(), verbose=0)
    names = {id(weight) for weight in model.network.trainable_weights}
    assert {id(weight) for weight in model.trainable_weights} == names
    assert len(model.optimizer.variables) == 2  # Its steps and its rate.
    assert model.teacher is not model.network


@pytest.mark.parametrize("decay", [None, 0, 0.0])
def test_without_a_decay_the_network_is_evaluated(decay):
    model = model_of(decay=decay)
    model.fit(both(), verbose=0)
    assert model.teacher is model.network
    assert_same([model.predict(X, verbose=0)], [model.network(X)], 1e-6)


def test_weights_that_are_loaded_before_the_first_step_are_those_of_the_teacher():
    model = model_of()
    others = [np.full(weight.shape, 0.5) for weight in model.network.weights]
    model.network.set_weights(others)
    logits = model.predict(X, verbose=0)
    np.testing.assert_allclose(logits, X.sum(1, keepdims=True) / 2 + [0.5] * 3, 1e-5)
    model.train_on_batch(next(iter(both())))
    halfway = [(one + two) / 2 for one, two in zip(others, weights_of(model.network))]
    assert_same(weights_of(model.teacher), halfway, 1e-6)


def batch_norm_of(network):
    norm = next(
        one
        for one in network.layers
        if isinstance(one, keras.layers.BatchNormalization)
    )
    return norm.moving_mean.numpy()


def test_the_teacher_of_ict_has_statistics_of_the_clean_unlabeled_batches():
    model = model_of(linear(keras.layers.BatchNormalization(momentum=0.9)))
    model.fit(both(), verbose=0)
    expected = np.zeros(3)
    for start in (0, 4, 8):
        expected = 0.9 * expected + 0.1 * U[start : start + 4].mean(0)
    np.testing.assert_allclose(batch_norm_of(model.teacher), expected, atol=1e-6)
    assert np.abs(batch_norm_of(model.network) - expected).max() > 1e-3


def test_the_teacher_of_mixmatch_has_the_statistics_of_the_network():
    layer = keras.layers.BatchNormalization(momentum=0.9)
    model = model_of(linear(layer), "MixMatchModel")
    model.fit(both(), verbose=0)
    np.testing.assert_array_equal(
        batch_norm_of(model.teacher), batch_norm_of(model.network)
    )
    assert np.abs(batch_norm_of(model.network)).max() > 0.01


def test_the_teacher_normalizes_by_what_the_network_was_adapted_to():
    layer = keras.layers.Normalization()
    layer.adapt(5 * X + 10)
    network = linear(layer)
    model = model_of(network)
    for given in (5 * X + 10, X):
        np.testing.assert_allclose(
            model.predict(given, verbose=0), network(given), atol=1e-5
        )


@pytest.mark.parametrize("nested", [False, True])
def test_batch_norm_that_is_thawed_later_is_thawed_in_the_teacher(nested):
    layer = keras.layers.BatchNormalization(momentum=0.9)
    inner = keras.Sequential([keras.Input((3,)), layer]) if nested else layer
    inner.trainable = False
    model = model_of(linear(inner))
    model.train_on_batch(next(iter(both())))
    teacher = model.teacher.layers[0]
    of_teacher = teacher.layers[0] if nested else teacher
    np.testing.assert_array_equal(of_teacher.moving_mean, np.zeros(3))
    inner.trainable = True
    compiled(model, **EAGER).train_on_batch(next(iter(both())))
    # The second step is the first that counts: the same batch in either step.
    expected = 0.1 * U[:4].mean(0)
    np.testing.assert_allclose(of_teacher.moving_mean, expected, atol=1e-6)


@pytest.mark.parametrize("kind", ["ICTModel", "MixMatchModel"])
def test_a_saved_model_goes_on_bit_for_bit(kind, tmp_path):
    def fresh():
        optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
        layer = keras.layers.BatchNormalization()
        return model_of(linear(layer), kind, how={**EAGER, "optimizer": optimizer})

    whole = fresh()
    whole.fit(both(), epochs=3, verbose=0)
    model = fresh()
    model.fit(both(), epochs=2, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert_same(state_of(loaded), state_of(model))
    loaded.compile(**{**_compiled_as(loaded), "run_eagerly": True})
    loaded.optimizer.build(loaded.network.trainable_variables)
    loaded.load_weights(tmp_path / "model.keras")
    loaded.fit(both(), epochs=3, initial_epoch=2, verbose=0)
    assert_same(state_of(loaded), state_of(whole))


def _compiled_as(model):
    return {"optimizer": model.optimizer, "loss": model.loss, "metrics": ["accuracy"]}


@pytest.mark.parametrize("kind", ["ICTModel", "MixMatchModel"])
def test_backup_and_restore_goes_on_bit_for_bit(kind, tmp_path):
    class Interrupt(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise InterruptedError

    def fitted(*callbacks):
        optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
        model = model_of(kind=kind, how={**EAGER, "optimizer": optimizer})
        model.fit(both(), epochs=3, verbose=0, callbacks=list(callbacks))
        return model

    backup = keras.callbacks.BackupAndRestore(str(tmp_path / "backup"))
    with pytest.raises(InterruptedError):
        fitted(backup, Interrupt())
    resumed = fitted(keras.callbacks.BackupAndRestore(str(tmp_path / "backup")))
    assert int(resumed.step.numpy()) == 9
    assert_same(state_of(resumed), state_of(fitted()))


def test_the_export_serves_the_teacher(tmp_path):
    model = model_of()
    model.fit(both(), verbose=0)
    path = keras_mixup.export_saved_model(model, tmp_path / "1", labels=["a", "b", "c"])
    served = tf.saved_model.load(str(path)).signatures["serving_default"]
    found = served(inputs=tf.constant(X))["probabilities"]
    logits = X @ model.teacher.weights[0].numpy() + model.teacher.weights[1].numpy()
    np.testing.assert_allclose(found, softmax(logits), atol=1e-5)
    model.export(tmp_path / "2", verbose=False)
    exported = tf.saved_model.load(str(tmp_path / "2"))
    np.testing.assert_allclose(exported.serve(X), logits, atol=1e-5)


@keras.saving.register_keras_serializable("few_labels")
class Subclassed(keras.Model):
    def __init__(self, units=3, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.dropout = keras.layers.Dropout(0.5)
        self.dense = keras.layers.Dense(units)

    def call(self, inputs, training=None):
        return self.dense(self.dropout(inputs, training=training))

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def test_a_subclassed_network_that_is_not_built_is_copied():
    model = model_of(Subclassed(), how={})
    model.fit(both(), epochs=2, verbose=0)
    assert isinstance(model.teacher, Subclassed)
    assert model.predict(X, verbose=0).shape == (8, 3)
    # Of a copy that was not set equal the mean would be far from all weights.
    assert np.isfinite(model.evaluate(X, Y, verbose=0)).all()


def test_the_copy_of_an_unbuilt_network_begins_as_the_network():
    network = Subclassed()
    model = model_of(network, decay=0.999)
    model.build((None, 3))
    before = weights_of(network)
    assert_same(weights_of(model.teacher), before)
    model.train_on_batch(next(iter(both())))
    halfway = [(one + two) / 2 for one, two in zip(before, weights_of(network))]
    assert_same(weights_of(model.teacher), halfway, 1e-6)


class NoConfig(keras.Model):
    def __init__(self, width):
        super().__init__()
        self.dense = keras.layers.Dense(width)

    def call(self, inputs):
        return self.dense(inputs)

    def get_config(self):
        return {}


def test_a_network_that_cannot_be_copied_is_refused():
    with pytest.raises(
        ValueError, match="NoConfig cannot be copied.*teacher_decay=None"
    ):
        model_of(NoConfig(3))
    model_of(NoConfig(3), decay=None).fit(both(), verbose=0)


def test_a_copy_of_other_weights_is_refused():
    first, second = linear(), linear(keras.layers.Dense(2))
    with pytest.raises(ValueError, match="weights of the shapes"):
        averaged_weights.set_equal(first, second)
    with pytest.raises(ValueError, match="are the same"):
        averaged_weights.set_equal(first, first)


@pytest.mark.parametrize("decay", [1.0, -0.1, "fast"])
def test_a_decay_out_of_range_is_refused(decay):
    with pytest.raises(ValueError, match="`teacher_decay`. Expected a float in"):
        model_of(decay=decay)
