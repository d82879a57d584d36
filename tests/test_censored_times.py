"""A target that says which times are censored is refused, wherever it is given."""

import keras
import numpy as np
import pytest

import keras_mixup

X = np.random.default_rng(0).normal(size=(4, 2)).astype("float32")
TIME = np.float32([1.0, 2.0, 3.0, 4.0])
EVENT = np.array([0, 1, 1, 0])
NAMES = ("event", "events", "event_observed", "censored", "censoring", "is_censored")
WORDS = "says which times are censored.*leave the censored ones out.*Received: a target"


def pipeline(x, y, policy):
    return policy((x, y))


def of_dict(x, y, policy):
    entries = {("labels" if name == "time" else name): y[name] for name in y}
    return policy({"images": x, **entries})


def model(x, y, policy):
    inputs = keras.Input((2,))
    outputs = {name: keras.layers.Dense(1)(inputs) for name in y}
    trained = keras_mixup.MixUpModel(keras.Model(inputs, outputs), policy)
    trained.compile("sgd", "mse")
    before = [np.array(weight) for weight in trained.get_weights()]
    try:
        return trained.train_on_batch(x, y)
    except ValueError:
        after = trained.get_weights()
        assert all(map(np.array_equal, before, after))
        raise


@pytest.mark.parametrize("where", [pipeline, of_dict, model])
@pytest.mark.parametrize("name", [*NAMES, "Event"])
def test_a_target_of_that_name_is_refused(where, name):
    y = {"time": TIME, name: EVENT.astype("float32")}
    with pytest.raises(ValueError, match=f"`{name}` {WORDS}.*`{name}`"):
        where(X, y, keras_mixup.MixUp(1.0))


@pytest.mark.parametrize("event", [EVENT > 0, EVENT, EVENT.astype(str)])
@pytest.mark.parametrize("where", [pipeline, of_dict])
def test_it_is_refused_in_any_dtype_and_passes_by_name(where, event):
    y = {"time": TIME, "event": event}
    with pytest.raises(ValueError, match=WORDS):
        where(X, y, keras_mixup.MixUp(1.0))
    passing = keras_mixup.MixUp(1.0, passthrough="event", seed=1)
    mixed = where(X, y, passing)
    entries = mixed if where is of_dict else mixed[1]
    np.testing.assert_array_equal(entries["event"], event)
    assert not np.array_equal(entries["labels" if where is of_dict else "time"], TIME)


def test_other_names_and_features_of_that_name_are_mixed():
    y = {"time": TIME, "eventful": TIME, "duration": TIME}
    mixed = keras_mixup.MixUp(1.0, pairing="roll", seed=1)(({"event": X}, y))
    lam = keras_mixup.sample_lambda(1.0, (), 1, 0).numpy()
    expected = lam * TIME + (1 - lam) * np.roll(TIME, 1)
    for name in y:
        np.testing.assert_allclose(mixed[1][name], expected, rtol=1e-6)
