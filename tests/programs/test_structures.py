"""Batches of users: rows of integers, other names, None, nests, unknown ranks."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.preprocessing import LabelBinarizer, MultiLabelBinarizer

import keras_mixup
from tests.programs import by_hand

X, Y = by_hand.linear_data(8, 4)
LAM, PARTNER = by_hand.draw(8)


@pytest.mark.parametrize("form", ["one-hot", "multi-hot", "booleans"])
@pytest.mark.parametrize("num_classes", [3, None])
def test_rows_of_integers_are_rows(form, num_classes):
    rows = LabelBinarizer().fit_transform(list("abcabcab"))
    if form == "multi-hot":
        rows = MultiLabelBinarizer().fit_transform([[0, 1], [2], [1], [0, 2]] * 2)
    given = rows.astype(bool) if form == "booleans" else rows
    mixup = keras_mixup.MixUp(1.0, num_classes=num_classes, seed=1)
    try:
        _, found = mixup((X, given))
    except ValueError:
        # Without a number of classes the integers may be refused.
        assert num_classes is None
        return
    np.testing.assert_allclose(found, by_hand.mixed(rows, LAM, PARTNER), atol=1e-6)


def test_smoothing_of_independent_labels():
    rows = MultiLabelBinarizer().fit_transform([[0, 1], [2], [1], [0, 2]] * 2)
    smoothed = 0.8 * rows.astype("float32") + 0.1
    mixup = keras_mixup.MixUp(1.0, label_smoothing=0.2, multi_label=True, seed=1)
    _, found = mixup((X, rows.astype("float32")))
    np.testing.assert_allclose(found, by_hand.mixed(smoothed, LAM, PARTNER), atol=1e-6)


@pytest.mark.parametrize("name", ["targets", "label", "labels", "class", None])
@pytest.mark.parametrize("who", ["layer", "policy", "map"])
def test_images_are_never_mixed_without_their_target(name, who):
    x, y = np.random.rand(8, 4, 4, 3).astype("float32"), np.eye(8, dtype="float32")
    batch = {"images": tf.constant(x), **({name: tf.constant(y)} if name else {})}
    policy = keras_mixup.MixUp(1.0, seed=1, jit_compile=False)
    mixers = {
        "layer": keras_mixup.layers.MixUp(1.0, per="batch", seed=1),
        "policy": policy,
        "map": lambda batch: next(
            iter(
                tf.data.Dataset.from_tensors(batch).map(
                    lambda batch: policy.at_step(0, batch)
                )
            )
        ),
    }
    try:
        mixed = mixers[who](dict(batch))
    except ValueError as error:
        assert name != "labels"
        assert "images" in str(error)
        assert name is None or name in str(error)
        return
    np.testing.assert_allclose(
        mixed["images"], by_hand.mixed(x, LAM, PARTNER), atol=1e-5
    )
    np.testing.assert_allclose(mixed[name], by_hand.mixed(y, LAM, PARTNER), atol=1e-5)


class AddIfThere(keras.layers.Layer):
    """An optional second input."""

    def call(self, a, b=None):
        return a if b is None else a + b

    def compute_output_spec(self, a, b=None):
        return keras.KerasTensor(a.shape, a.dtype)


def with_optional_input():
    keras.utils.set_random_seed(1)
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b", optional=True)
    hidden = AddIfThere()(a, b)
    return keras.Model({"a": a, "b": b}, keras.layers.Dense(3)(hidden))


def with_a_second_output():
    keras.utils.set_random_seed(1)
    inputs = keras.Input((4,))
    heads = [keras.layers.Dense(3, name="c"), keras.layers.Dense(2, name="d")]
    return keras.Model(inputs, [head(inputs) for head in heads])


@pytest.mark.parametrize("alpha", [0.0, 1.0])
@pytest.mark.parametrize("form", ["input", "target"])
def test_none_in_a_nest(form, alpha):
    sparse = by_hand.sparse_loss()
    if form == "input":
        network, x, y, loss = with_optional_input(), {"a": X, "b": None}, Y, sparse
        weights = network.layers[-1].get_weights()
    else:
        network, x = with_a_second_output(), X
        y, loss = [Y, None], [sparse, None]
        weights = network.get_layer("c").get_weights()
    model = keras_mixup.MixUpModel(network, keras_mixup.MixUp(alpha, seed=1))
    model.compile(by_hand.still(), loss)
    found = model.fit(x, y, batch_size=8, shuffle=False, verbose=0).history["loss"][0]
    lam = LAM if alpha else 1.0
    logits = by_hand.mixed(X, lam, PARTNER) @ weights[0] + weights[1]
    own, other = (by_hand.cross_entropies(logits, y) for y in (Y, Y[PARTNER]))
    assert found == pytest.approx((lam * own + (1 - lam) * other).mean(), abs=1e-5)


def through_numpy(tensor):
    """The same values, of a rank that the graph does not know."""
    return tf.numpy_function(lambda array: array, [tensor], tensor.dtype)


@pytest.mark.parametrize(
    ("place", "part"),
    [
        *[("pipeline", part) for part in ("features", "labels", "weights", "boxes")],
        *[("fit", part) for part in ("labels", "weights")],
    ],
)
def test_what_has_no_rank_is_named(place, part):
    batches = tf.data.Dataset.from_tensor_slices((X, Y)).batch(4)
    without = {
        "features": lambda x, y: (through_numpy(x), y),
        "labels": lambda x, y: (x, through_numpy(y)),
        "weights": lambda x, y: (x, y, through_numpy(tf.ones(4))),
        "boxes": lambda x, y: {
            "images": x,
            "bounding_boxes": {
                "boxes": through_numpy(tf.zeros((4, 2, 4))),
                "classes": tf.zeros((4, 2)),
            },
        },
    }[part]
    with pytest.raises(ValueError, match="Unknown rank of") as caught:
        if place == "pipeline":
            next(iter(batches.map(without).map(keras_mixup.MixUp(1.0, num_classes=3))))
        else:
            model = keras_mixup.MixUpModel(by_hand.linear(4), keras_mixup.MixUp(1.0))
            model.compile("sgd", by_hand.sparse_loss())
            model.fit(batches.map(without), verbose=0)
    assert "set_shape" in str(caught.value) or "ensure_shape" in str(caught.value)


def test_same_class_of_several_targets_asks_which():
    generator = np.random.default_rng(0)
    x = np.arange(64, dtype="float32")[:, None]
    kind, other = generator.integers(0, 4, 64), generator.integers(0, 4, 64)
    pure = []
    for names in (("a_kind", "b_other"), ("z_kind", "b_other")):
        mixup = keras_mixup.MixUp(
            1.0, pairing="same_class", num_classes=dict.fromkeys(names, 4), seed=1
        )
        try:
            _, y = mixup((x, dict(zip(names, (kind, other), strict=True))))
        except ValueError as error:
            assert names[0] in str(error)
            assert names[1] in str(error)
            pure.append("refused")
        else:
            pure.append(
                [float((y[name].numpy().max(1) > 0.999).mean()) for name in names]
            )
    assert pure[0] == pure[1]


def test_same_class_takes_booleans():
    x = np.arange(16, dtype="float32")[:, None]
    y = np.random.default_rng(0).integers(0, 2, 16).astype(bool)
    mixup = keras_mixup.MixUp(1.0, pairing="same_class", num_classes=2, seed=1)
    features, rows = mixup((x, y))
    np.testing.assert_allclose(rows, np.eye(2)[y.astype(int)], atol=1e-6)
    assert np.abs(features - x).max() > 0.01


def nested():
    keras.utils.set_random_seed(1)
    inputs = keras.Input((4,))
    q, r = keras.layers.Dense(3, name="z"), keras.layers.Dense(2, name="r")
    return keras.Model(inputs, {"q": {"z": q(inputs)}, "r": r(inputs)})


def test_nested_outputs_with_a_weight():
    generator = np.random.default_rng(0)
    y = {"q": {"z": generator.random((8, 3))}, "r": generator.random((8, 2))}
    w = generator.random(8).astype("float32")
    network = nested()
    model = keras_mixup.MixUpModel(network, keras_mixup.MixUp(1.0, seed=1))
    model.compile(by_hand.still(), {"q": {"z": "mse"}, "r": "mse"})
    found = model.fit(
        X, y, sample_weight=w, batch_size=8, shuffle=False, verbose=0
    ).history["loss"][0]
    predicted = network(by_hand.mixed(X, LAM, PARTNER).astype("float32"))
    total = LAM * w + (1 - LAM) * w[PARTNER]
    expected = 0.0
    for target, output in (
        (y["q"]["z"], predicted["q"]["z"]),
        (y["r"], predicted["r"]),
    ):
        rows = by_hand.mixed(w[:, None] * target, LAM, PARTNER) / total[:, None]
        expected += (total * ((output - rows) ** 2).numpy().mean(-1)).mean()
    assert found == pytest.approx(expected, abs=1e-5)
    given = {"q": {"z": w}, "r": w}
    _, _, weights = keras_mixup.MixUp(1.0, seed=1)((X, y, given))
    np.testing.assert_allclose(weights["q"]["z"], total, atol=1e-6)
