"""LearningRateDrops, against plain loops and the rates of the paper."""

import json

import keras
import numpy as np
import pytest

import keras_mixup

PAPER_RATES = {
    # learning_rate, drops, warm_up, warm_up_from; then rates by epoch, by hand.
    "CIFAR": (
        (0.1, (100, 150), 0, 0.0),
        {0: 0.1, 99.999: 0.1, 100: 0.01, 149.999: 0.01, 150: 0.001, 199.999: 0.001},
    ),
    "ImageNet, 90 epochs": (
        (0.4, (30, 60, 80), 5, 0.1),
        {0: 0.1, 2.5: 0.25, 5: 0.4, 29.999: 0.4, 30: 0.04, 60: 0.004, 80: 0.0004},
    ),
    "speech": ((3e-3, (10, 20), 0, 0.0), {0: 3e-3, 10: 3e-4, 20: 3e-5, 29.999: 3e-5}),
}


@pytest.mark.parametrize("name", PAPER_RATES)
def test_the_papers_learning_rates(name):
    (rate, drops, warm_up, warm_up_from), by_epoch = PAPER_RATES[name]
    steps = 1000
    schedule = keras_mixup.LearningRateDrops(
        rate, drops, steps, warm_up=warm_up, warm_up_from=warm_up_from
    )
    for epoch, expected in by_epoch.items():
        found = float(schedule(round(epoch * steps)))
        assert found == pytest.approx(expected, rel=1e-6), epoch


def test_each_step_of_the_warm_up_is_as_in_a_plain_loop():
    schedule = keras_mixup.LearningRateDrops(
        0.4, (3, 5), steps_per_epoch=7, warm_up=2, warm_up_from=0.1, factor=0.5
    )
    for step in range(50):
        if step < 14:
            expected = 0.1 + 0.3 * step / 14
        elif step < 21:
            expected = 0.4
        elif step < 35:
            expected = 0.2
        else:
            expected = 0.1
        assert float(schedule(step)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_the_optimizer_follows_the_drops(jit_compile):
    schedule = keras_mixup.LearningRateDrops(1.0, (2,), steps_per_epoch=2, factor=0.25)
    network = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    network.compile(
        keras.optimizers.SGD(schedule),
        # The gradient of the bias is 1 at every step.
        loss=lambda y, y_pred: y_pred,
        jit_compile=jit_compile,
    )
    before = network.layers[0].bias.numpy()[0]
    network.fit(np.zeros((6, 1)), np.zeros((6, 1)), batch_size=1, verbose=0)
    moved = before - network.layers[0].bias.numpy()[0]
    assert moved == pytest.approx(4 * 1.0 + 2 * 0.25)


def test_learning_rate_drops_come_back_from_their_config():
    schedule = keras_mixup.LearningRateDrops(0.4, [30, 60], 10, 0.2, 5, 0.1)
    optimizer = keras.optimizers.SGD(schedule)
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(optimizer)))
    again = keras.saving.deserialize_keras_object(config)
    for step in (0, 25, 60, 300, 599, 600):
        optimizer.iterations.assign(step)
        again.iterations.assign(step)
        assert float(again.learning_rate) == float(optimizer.learning_rate)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"factor": 0.0}, "factor"),
        ({"steps_per_epoch": 0}, "steps_per_epoch"),
        ({"warm_up": -1}, "warm_up"),
        ({"warm_up_from": -0.1}, "warm_up_from"),
        ({"drops": (5, 5)}, "drops"),
        ({"drops": (60, 30)}, "drops"),
        ({"drops": (3, 30), "warm_up": 5}, "drops"),
        ({"drops": (0, 30)}, "drops"),
        ({"learning_rate": float("nan")}, "learning_rate"),
    ],
)
def test_learning_rate_drops_refuse(arguments, name):
    with pytest.raises(ValueError, match=f"argument `{name}`.*Received: {name}="):
        keras_mixup.LearningRateDrops(**{"learning_rate": 0.1, **arguments})
