"""What TensorBoard shows, and the warning of double mixing."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from keras_mixup.training import callbacks

GENERATOR = np.random.default_rng(0)
X = GENERATOR.random((20, 4, 4, 1)).astype("float32")
Y = GENERATOR.integers(0, 3, 20)


def model(**settings):
    keras.utils.set_random_seed(1)
    net = keras_mixup.models.build("mlp", input_shape=(4, 4, 1), num_classes=3, width=4)
    model = keras_mixup.MixUpModel(net, keras_mixup.MixUp(1.0, seed=3, **settings))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss)
    return model


def events(folder):
    """(tag, step, tensor) of all summaries of a folder."""
    found = []
    for path in folder.iterdir():
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                found.append((value.tag, event.step, tf.make_ndarray(value.tensor)))
    return found


def test_it_shows_the_lambdas_that_training_draws(tmp_path):
    summary = keras_mixup.MixUpSummary(tmp_path, (X[:6], Y[:6]))
    model().fit(X, Y, batch_size=5, epochs=2, verbose=0, callbacks=[summary])
    found = events(tmp_path)
    histograms = [(step, value) for tag, step, value in found if tag == "mixup/lam"]
    assert [step for step, _ in histograms] == [0, 1]
    for epoch, buckets in histograms:
        lam = [
            float(keras_mixup.sample_lambda(1.0, (), seed=3, step=4 * epoch + i))
            for i in range(4)
        ]
        assert buckets[:, 2].sum() == 4
        assert buckets[0, 0] == pytest.approx(min(lam), abs=1e-6)
        assert buckets[-1, 1] == pytest.approx(max(lam), abs=1e-6)
    images = [value for tag, _, value in found if tag == "mixup/batch"]
    assert len(images) == 2
    (file,) = tmp_path.iterdir()
    assert repr(keras_mixup.MixUp(1.0, seed=3)).encode() in file.read_bytes()
    picture = tf.io.decode_png(images[1][2]).numpy()
    policy = keras_mixup.MixUp(1.0, seed=3, num_classes=3)
    mixed, _ = policy.at_step(4, (X[:6], Y[:6]))
    expected = callbacks.image_grid(mixed).numpy() * 255
    np.testing.assert_allclose(picture[..., 0], expected[..., 0], atol=1.5)


def test_it_writes_where_others_have_turned_recording_off(tmp_path):
    summary = keras_mixup.MixUpSummary(tmp_path, (X[:6], Y[:6]))
    with tf.summary.record_if(False):
        model().fit(X, Y, batch_size=5, verbose=0, callbacks=[summary])
    assert {tag for tag, *_ in events(tmp_path)} == {"mixup/lam", "mixup/batch"}


@pytest.mark.parametrize(
    ("y", "settings"),
    [
        (Y[:6].clip(0, 1), {"num_classes": 3, "label_smoothing": 0.1}),
        (np.zeros((6, 4, 4), "int32"), {}),
        ({"a": Y[:6], "b": X[:6]}, {}),
        (Y[:6], {"pairing": "same_class", "num_classes": 3}),
    ],
)
def test_labels_of_any_form_do_not_matter_to_the_grid(tmp_path, y, settings):
    summary = keras_mixup.MixUpSummary(tmp_path, (X[:6], y))
    one = model(**settings)
    summary.set_model(one)
    found = summary._grid(0)
    if "pairing" not in settings:
        mixed, _ = keras_mixup.MixUp(1.0, seed=3).at_step(0, (X[:6], np.zeros((6, 1))))
        np.testing.assert_allclose(found, callbacks.image_grid(mixed), atol=1e-6)
    assert found.shape == (8, 12, 1)


def test_the_grid_is_the_images_side_by_side():
    images = GENERATOR.normal(size=(5, 2, 3, 1))
    grid = callbacks.image_grid(images).numpy()
    low, high = images.min(), images.max()
    assert grid.shape == (4, 9, 1)
    for n in range(5):
        row, column = divmod(n, 3)
        found = grid[2 * row : 2 * row + 2, 3 * column : 3 * column + 3]
        np.testing.assert_allclose(found, (images[n] - low) / (high - low), atol=1e-6)
    assert (grid[2:, 6:] == 0).all()


def mixed_rows():
    rows = np.eye(3, dtype="float32")[Y]
    return 0.7 * rows + 0.3 * rows[::-1]


@pytest.mark.parametrize("jit_compile", [False, True])
def test_soft_labels_are_warned_of_once(jit_compile):
    one = model()
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    one.compile("sgd", loss, jit_compile=jit_compile)
    with pytest.warns(UserWarning, match="not one-hot.*mixed twice") as found:
        one.fit(X, mixed_rows(), epochs=3, batch_size=5, verbose=0)
    assert sum("mixed twice" in str(w.message) for w in found) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        one.fit(X, np.eye(3, dtype="float32")[Y], batch_size=5, verbose=0)


def test_clean_labels_are_not_warned_of():
    rows = np.eye(3, dtype="float32")[Y]
    multi_label = GENERATOR.integers(0, 2, (20, 3)).astype("float32")
    regression = GENERATOR.normal(size=(20, 3)).astype("float32")
    for y in (rows, multi_label, regression):
        one = model()
        one.compile("sgd", "mse", run_eagerly=True)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            one.fit(X, y, batch_size=5, verbose=0)


def test_the_summary_refuses_what_it_cannot_show(tmp_path):
    with pytest.raises(ValueError, match=r"images of shape.*Received.*\(20, 4\)"):
        keras_mixup.MixUpSummary(tmp_path, (X[:, :, 0, 0], Y))
    summary = keras_mixup.MixUpSummary(tmp_path)
    with pytest.raises(ValueError, match="Expected a MixUpModel. Received: Functional"):
        summary.set_model(model().network)


@pytest.mark.parametrize("way", ["by name", "by place", "dataset"])
def test_batches_of_one_are_refused_where_they_would_be_mixed(way):
    ones = tf.data.Dataset.from_tensor_slices((X, Y)).batch(1, drop_remainder=True)
    given, named = (X, Y, 1), {}
    if way == "by name":
        given, named = (X, Y), {"batch_size": 1}
    elif way == "dataset":
        given = (ones,)
    with pytest.raises(ValueError, match="has no partner in it, and MixUpModel"):
        model().fit(*given, **named, verbose=0)
    # Without mixing there is no partner to miss, and two are enough.
    without = keras_mixup.MixUpModel(model().network, keras_mixup.MixUp(0.0))
    callbacks.with_warning(without, given, {**named, "callbacks": None})
    callbacks.with_warning(model(), (X, Y, 2), {"callbacks": None})
