"""ICTModel: one step by hand, its draws, its ways of running, what it refuses."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from keras_mixup import keys
from tests import oracles
from tests.training.few_labels_parts import (
    CLASSES,
    EAGER,
    U,
    X,
    Y,
    assert_same,
    both,
    compiled,
    gradient_of,
    linear,
    slope_of_square,
    softmax,
    weights_of,
)


def model_of(network=None, how=EAGER, mixup=None, from_logits=True, **options):
    mixup = mixup or keras_mixup.MixUp(1.0, seed=3)
    options = {"ramp_up": 3, "consistency": 10.0, "teacher_decay": 0.6, **options}
    made = keras_mixup.ICTModel(network or linear(), mixup, **options)
    return compiled(made, from_logits=from_logits, **how)


def draw_of(stream, step, size, per="batch"):
    """lam of each example and its partner, of the labeled or the unlabeled batch."""
    key = keys.make_key(3, step)
    if stream == "unlabeled":
        key = keys.fold_in(key, keys.Stream.UNLABELED)
    draw = keras_mixup.MixUp(1.0, per=per).draw(size, key, 1.0)
    lam = np.broadcast_to(draw.coefficients[0].numpy(), [size]).astype("float64")
    return lam[:, None], draw.partners[0].numpy()


def by_hand(steps, teacher_mixes="logits", mix_labeled=True, per="batch", weights=None):
    """Student and teacher after steps of a linear network, all sums written out."""
    kernel, bias = weights_of(linear())
    teacher = [kernel.copy(), bias.copy()]
    rows = np.eye(CLASSES)[Y]
    weights = np.ones(8) if weights is None else weights
    for step in range(steps):
        part = slice(4 * (step % 2), 4 * (step % 2) + 4)
        x, y, w = X[part].astype("float64"), rows[part], weights[part][:, None]
        u = U[4 * step : 4 * step + 4].astype("float64")
        lam, partner = draw_of("labeled", step, 4, per)
        if not mix_labeled:
            lam = np.ones_like(lam)
        x_mixed = lam * x + (1 - lam) * x[partner]
        weighted = lam * w * y + (1 - lam) * w[partner] * y[partner]
        total = weighted.sum(-1, keepdims=True)
        p = softmax(x_mixed @ kernel + bias)
        gradients = gradient_of(x_mixed, (total * p - weighted) / 4)
        lam, partner = draw_of("unlabeled", step, 4, per)
        guess = u @ teacher[0] + teacher[1]
        if teacher_mixes == "logits":
            target = softmax(lam * guess + (1 - lam) * guess[partner])
        else:
            target = lam * softmax(guess) + (1 - lam) * softmax(guess)[partner]
        u_mixed = lam * u + (1 - lam) * u[partner]
        q = softmax(u_mixed @ kernel + bias)
        weight = 10 * np.exp(-5 * (1 - min(step / 3, 1)) ** 2)
        further = gradient_of(u_mixed, weight * slope_of_square(q, target))
        kernel, bias = (
            one - 0.1 * (g + f)
            for one, g, f in zip((kernel, bias), gradients, further, strict=True)
        )
        share = min(1 - 1 / (step + 2), 0.6)
        teacher = [
            share * old + (1 - share) * new
            for old, new in zip(teacher, (kernel, bias), strict=True)
        ]
    return [kernel, bias, *teacher]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"teacher_mixes": "probabilities"},
        {"mix_labeled": False},
        {"per": "example"},
    ],
    ids=str,
)
def test_three_steps_are_those_by_hand(options):
    per = options.get("per", "batch")
    given = {name: value for name, value in options.items() if name != "per"}
    model = model_of(mixup=keras_mixup.MixUp(1.0, seed=3, per=per), **given)
    model.fit(both(), verbose=0)
    found = [*model.network.get_weights(), *model.teacher.get_weights()]
    assert_same(found, by_hand(3, **options), 2e-6)


def test_sample_weights_weigh_their_labels():
    weights = np.array([0.0, 2, 1, 1, 3, 0.5, 1, 1], "float32")
    model = model_of()
    model.fit(both(weights=weights), verbose=0)
    found = [*model.network.get_weights(), *model.teacher.get_weights()]
    assert_same(found, by_hand(3, weights=weights), 2e-6)


@pytest.mark.parametrize("teacher_mixes", ["logits", "probabilities"])
def test_probabilities_of_a_softmax_give_the_same_steps(teacher_mixes):
    options = {"teacher_mixes": teacher_mixes}
    model = model_of(linear(activation="softmax"), from_logits=False, **options)
    model.fit(both(), verbose=0)
    found = [*model.network.get_weights(), *model.teacher.get_weights()]
    assert_same(found, by_hand(3, **options), 2e-5)


def test_one_hot_labels_are_the_same_as_class_numbers():
    rows = tf.data.Dataset.from_tensor_slices((X, np.eye(3, dtype="float32")[Y]))
    unlabeled = tf.data.Dataset.from_tensor_slices(U).batch(4)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model = model_of(how={**EAGER, "loss": loss})
    model.fit(keras_mixup.labeled_and_unlabeled(rows.batch(4), unlabeled), verbose=0)
    found = [*model.network.get_weights(), *model.teacher.get_weights()]
    assert_same(found, by_hand(3), 2e-6)


def test_the_metrics_are_of_the_mixed_labeled_batch():
    model = model_of(how={**EAGER, "optimizer": keras.optimizers.SGD(0.0)})
    shown = model.fit(both(), verbose=0).history
    kernel, bias = weights_of(linear())
    accuracy, supervised, consistency, loss = [], [], [], []
    for step in range(3):
        part = slice(4 * (step % 2), 4 * (step % 2) + 4)
        lam, partner = draw_of("labeled", step, 4)
        x, y = X[part], np.eye(3)[Y[part]]
        p = softmax((lam * x + (1 - lam) * x[partner]) @ kernel + bias)
        mixed = lam * y + (1 - lam) * y[partner]
        supervised.append(-(mixed * np.log(p)).sum(-1).mean())
        hit = np.eye(3)[p.argmax(-1)]
        accuracy.append((mixed * hit).sum(-1).mean())
        u = U[4 * step : 4 * step + 4]
        lam, partner = draw_of("unlabeled", step, 4)
        # A linear network and the mix of its logits agree while the weights stay.
        mixed = (lam * u + (1 - lam) * u[partner]) @ kernel + bias
        guess = u @ kernel + bias
        target = softmax(lam * guess + (1 - lam) * guess[partner])
        consistency.append(np.square(softmax(mixed) - target).mean())
        weight = 10 * np.exp(-5 * (1 - step / 3) ** 2)
        loss.append(supervised[-1] + weight * consistency[-1])
    assert shown["accuracy"][0] == pytest.approx(np.mean(accuracy), abs=1e-6)
    assert shown["supervised_loss"][0] == pytest.approx(np.mean(supervised), abs=1e-6)
    assert shown["consistency_loss"][0] == pytest.approx(np.mean(consistency), abs=1e-6)
    assert shown["loss"][0] == pytest.approx(np.mean(loss), abs=1e-5)


def test_the_two_batches_have_draws_of_their_own():
    labeled = draw_of("labeled", 0, 64)
    unlabeled = draw_of("unlabeled", 0, 64)
    assert labeled[0][0] != unlabeled[0][0]
    assert (labeled[1] != unlabeled[1]).any()
    # That of the labeled batch is the one of a MixUpModel.
    lam = keras_mixup.sample_lambda(1.0, (), seed=3, step=0)
    np.testing.assert_allclose(labeled[0][0], lam)


@pytest.mark.parametrize(
    "how", [{}, {"steps_per_execution": 3}, {"jit_compile": True}], ids=str
)
def test_every_way_to_run_has_the_same_steps(how):
    model = model_of(how=how)
    model.fit(both(), verbose=0)
    found = [*model.network.get_weights(), *model.teacher.get_weights()]
    assert_same(found, by_hand(3), 1e-5)
    assert int(model.step.numpy()) == 3


def test_two_replicas_draw_for_themselves_and_move_one_network():
    with oracles.two_replicas().scope():
        model = model_of(how={})
        model.fit(both(), verbose=0)
    assert int(model.step.numpy()) == 3
    for weight in model.weights:
        values = getattr(weight.value, "values", [weight.value])
        assert_same(values[:1], values[1:] or values[:1])
    # Each replica has half of the batch, and pairs of it: no longer the steps above.
    assert np.abs(model.network.get_weights()[0] - by_hand(3)[0]).max() > 1e-4


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision(policy):
    keras.config.set_dtype_policy(policy)
    network = linear(keras.layers.Dense(4, "relu"))
    model = model_of(network, how={})
    scaled = isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert scaled == (policy == "mixed_float16")
    before = weights_of(network)
    history = model.fit(both(), validation_data=(X, Y), verbose=0).history
    assert np.isfinite([*history["loss"], *history["val_loss"]]).all()
    if scaled:
        model.optimizer.dynamic_scale.assign(1.0)
        model.fit(both(), verbose=0)
    assert np.abs(weights_of(network)[0] - before[0]).max() > 1e-4
    assert all(weight.dtype == "float32" for weight in model.teacher.weights)


def test_dropout_of_both_networks_goes_on():
    model = model_of(linear(keras.layers.Dropout(0.5)), how={})
    states = [
        variable
        for network in (model.network, model.teacher)
        for variable in network.non_trainable_variables
        if "seed" in variable.path
    ]
    assert len(states) == 2
    before = [state.numpy().tolist() for state in states]
    model.fit(both(), verbose=0)
    assert all(
        was != state.numpy().tolist() for was, state in zip(before, states, strict=True)
    )


def test_batches_of_two_sizes_and_uint8_images():
    def images(*shape):
        return np.random.default_rng(0).integers(0, 255, shape).astype("uint8")

    labeled = tf.data.Dataset.from_tensor_slices((images(6, 4, 4, 1), [0, 1] * 3))
    unlabeled = tf.data.Dataset.from_tensor_slices(images(10, 4, 4, 1))
    given = keras_mixup.labeled_and_unlabeled(labeled.batch(2), unlabeled.batch(5))
    layers = [keras.layers.Rescaling(1 / 255), keras.layers.Flatten()]
    network = keras.Sequential([keras.Input((4, 4, 1)), *layers, keras.layers.Dense(2)])
    history = model_of(network, how={}).fit(given, verbose=0).history
    assert 0 < history["supervised_loss"][0] < 3


POLICY = keras_mixup.MixUp
SPARSE = keras.losses.SparseCategoricalCrossentropy


def own_loss(y_true, y_pred):
    return keras.ops.mean(keras.ops.square(y_true - y_pred), axis=-1)


# The arguments of `fit` up to `validation_data`.
BEFORE_VALIDATION = both(), None, None, 1, 0, None, 0.0

REFUSED = {
    "a pairing by labels": (
        lambda: model_of(mixup=POLICY(pairing="same_class")),
        "no label to be paired by.*permutation",
    ),
    "another policy": (
        lambda: model_of(mixup=keras_mixup.CutMix()),
        "Expected keras_mixup.MixUp",
    ),
    "smoothed labels": (
        lambda: model_of(mixup=POLICY(label_smoothing=0.1)),
        "`label_smoothing` of a policy has no meaning",
    ),
    "the closer target": (
        lambda: model_of(mixup=POLICY(targets="closer")),
        "`targets` of a policy has no meaning",
    ),
    "a negative weight": (
        lambda: model_of(consistency=-1.0),
        "`consistency`. Expected a finite number >= 0",
    ),
    "a ramp of half a step": (
        lambda: model_of(ramp_up=0.5),
        "`ramp_up`. Expected a number of steps",
    ),
    "another mix": (
        lambda: model_of(teacher_mixes="labels"),
        "`teacher_mixes`",
    ),
    "a loss of quantities": (
        lambda: model_of(how={"loss": "mse"}),
        "compares probabilities of classes",
    ),
    "a loss of one's own": (
        lambda: model_of(how={"loss": own_loss}),
        "compares probabilities of classes",
    ),
    "no loss": (
        lambda: keras_mixup.ICTModel(linear(), POLICY()).compile("sgd"),
        "one output of classes.*loss=None",
    ),
    "losses by name": (
        lambda: model_of(how={"loss": {"dense": SPARSE()}}),
        "one output of classes",
    ),
    "an ignored class": (
        lambda: model_of(how={"loss": SPARSE(from_logits=True, ignore_class=1)}),
        "Expected ignore_class=None",
    ),
    "a sum": (
        lambda: model_of(how={"loss": SPARSE(from_logits=True, reduction="sum")}),
        'Expected reduction="sum_over_batch_size"',
    ),
    "logits that the loss takes for probabilities": (
        lambda: model_of(how={"loss": "sparse_categorical_crossentropy"}),
        "disagree whether .* holds logits",
    ),
    "labeled batches alone": (
        lambda: model_of().fit(X, Y),
        "Expected the dataset of keras_mixup.labeled_and_unlabeled",
    ),
    "class weights": (
        lambda: model_of().fit(both(), class_weight={0: 2.0}),
        "has no class weights.*sample_weight",
    ),
    "class weights by their place": (
        lambda: model_of().fit(*BEFORE_VALIDATION, None, True, {0: 2.0}),
        "has no class weights.*sample_weight",
    ),
    "one unit": (
        lambda: model_of(keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)]))
        .fit(both(), verbose=0),
        "two units and softmax",
    ),
    "a network of one's own training": (
        lambda: model_of(type("Own", (keras.Sequential,), {"train_step": None})()),
        "has its own train_step, which ICTModel would not call",
    ),
    "integers": (
        lambda: model_of(linear(dtype="int32")),
        "of dtype int32, which cannot hold a mixed example.*embedded",
    ),
    "ids that are floats": (
        lambda: model_of(linear(keras.layers.Embedding(9, 2), keras.layers.Flatten())),
        "goes into a layer that takes ids.*embedded",
    ),
    "ids that are floats, in a network that is not built": (
        lambda: model_of(
            keras.Sequential([keras.layers.Embedding(9, 2), keras.layers.Flatten()])
        ).fit(both()),
        "goes into a layer that takes ids.*embedded",
    ),
    "a mixing point": (
        lambda: model_of(linear(keras_mixup.layers.MixFeatures(name="point"))),
        "mixing point `point`, at which nothing would be mixed",
    ),
    "a weight that is no number": (
        lambda: model_of(consistency=True),
        "Expected a finite number >= 0. Received: consistency=True",
    ),
    "weights of losses": (
        lambda: model_of(how={"loss_weights": [2.0]}),
        "Expected loss_weights=None: `consistency`",
    ),
    "unlabeled examples for validation": (
        lambda: model_of().fit(both(), validation_data=both()),
        "evaluated on labeled examples alone",
    ),
    "unlabeled examples for validation by their place": (
        lambda: model_of().fit(*BEFORE_VALIDATION, both()),
        "evaluated on labeled examples alone",
    ),
    "unlabeled examples to evaluate": (
        lambda: model_of().evaluate(both()),
        "evaluated on labeled examples alone",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_it_cannot_honor_is_refused_in_a_sentence(name):
    call, message = REFUSED[name]
    with pytest.raises(ValueError, match=f"(?s){message}"):
        call()


def test_settings_stay_as_they_are():
    model = model_of()
    with pytest.raises(AttributeError, match="`consistency` of a ICTModel cannot"):
        model.consistency = 1.0


@pytest.mark.parametrize("labels", [Y + 1, Y - 1], ids=["3 of 3", "-1"])
def test_a_class_number_out_of_range_fails_in_a_sentence(labels):
    labeled = tf.data.Dataset.from_tensor_slices((X, labels)).batch(4)
    unlabeled = tf.data.Dataset.from_tensor_slices(U).batch(4)
    given = keras_mixup.labeled_and_unlabeled(labeled, unlabeled)
    message = r"numbers in \[0, 3\).*without a label belong in the unlabeled dataset"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        model_of(how={}).fit(given, verbose=0)
