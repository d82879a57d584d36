"""Top-k errors and the errors under attack, against loops."""

import functools

import hypothesis
import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import strategies as st

import keras_mixup
from keras_mixup.evaluation import adversarial_errors, fgsm, i_fgsm, top_k_errors
from tests.evaluation.classifiers import linear, network

GENERATOR = np.random.default_rng(2)
X = GENERATOR.uniform(60, 190, (23, 5)).astype("float32")
Y = GENERATOR.integers(0, 3, 23)
MODEL, OTHER = network(5, 3, seed=1), network(5, 3, seed=2)
KS = (1, 2)


def batches(*sizes):
    """Batches of X and Y of these sizes, in order."""
    start = 0
    for size in sizes:
        yield X[start : start + size], Y[start : start + size]
        start += size


def error_by_loop(scores, labels, k):
    missed = 0
    for row, label in zip(scores, labels, strict=True):
        rivals = [j for j in range(len(row)) if j != label and row[j] >= row[label]]
        missed += len(rivals) >= k or any(value != value for value in row)
    return 100 * missed / len(labels)


def test_top_k_errors_by_hand():
    scores = [[0.5, 0.3, 0.2], [0.1, 0.6, 0.3], [0.2, 0.3, 0.5], [0.4, 0.4, 0.2]]
    # Ranks of the labels: 1, 3, 2, and a tie for the first place, which counts as 2.
    assert top_k_errors(scores, [0, 0, 1, 0], (1, 2, 3)) == {
        "top_1": 75.0, "top_2": 25.0, "top_3": 0.0,
    }  # fmt: skip
    column = [[0], [0], [1], [0]]
    assert top_k_errors(scores, column, (2,)) == {"top_2": 25.0}
    assert top_k_errors(np.eye(2), np.array([False, False]), (1,)) == {"top_1": 50.0}
    assert top_k_errors(scores[:1], [2], (2, 3)) == {"top_2": 100.0, "top_3": 0.0}
    with pytest.raises(ValueError, match=r"labels of shape \(4, 2\)"):
        top_k_errors(scores, np.zeros((4, 2), int))
    nan = [[np.nan, 1.0, 0.0], [0.0, 1.0, np.nan]]
    assert top_k_errors(nan, [0, 1], (1, 3, 4)) == dict.fromkeys(
        ("top_1", "top_3", "top_4"), 100.0
    )


@hypothesis.given(seed=st.integers(0, 10**6), k=st.integers(1, 5))
def test_top_k_errors_by_loop_and_as_in_top_k_without_ties(seed, k):
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 5, 40)
    tied = generator.integers(0, 4, (40, 5)).astype("float32")
    assert top_k_errors(tied, labels, [k])[f"top_{k}"] == error_by_loop(tied, labels, k)
    scores = generator.permuted(np.tile(np.arange(5, dtype="float32"), (40, 1)), axis=1)
    hits = tf.math.in_top_k(labels, scores, k).numpy()
    expected = 100 * np.sum(~hits) / 40
    assert top_k_errors(scores, labels, [k])[f"top_{k}"] == expected
    rows = np.eye(5)[labels]
    assert top_k_errors(tf.constant(scores), rows, [k])[f"top_{k}"] == expected


def test_clean_errors_are_those_of_keras():
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    MODEL.compile(loss=loss, metrics=["accuracy"])
    accuracy = MODEL.evaluate(X, Y, verbose=0, return_dict=True)["accuracy"]
    found = adversarial_errors(MODEL, batches(10, 10, 3), attack=None)
    assert found["top_1"] == pytest.approx(100 * (1 - accuracy), abs=1e-4)
    assert found["top_5"] == 0


@pytest.mark.parametrize("attack", [fgsm, i_fgsm])
@pytest.mark.parametrize("source", [None, OTHER])
def test_white_and_black_box(attack, source):
    attack = functools.partial(attack, epsilon=20.0)
    perturbed = attack(source or MODEL, X, Y)
    scores = MODEL(perturbed, training=False).numpy()
    expected = {f"top_{k}": error_by_loop(scores, Y, k) for k in KS}
    found = adversarial_errors(MODEL, batches(10, 10, 3), attack, source, KS)
    assert found == pytest.approx(expected)


def test_white_box_is_worse_than_black_box_and_than_none():
    attack = functools.partial(i_fgsm, epsilon=20.0)
    y = MODEL(X).numpy().argmax(-1)
    errors = [
        adversarial_errors(MODEL, [(X, y)], used, source)["top_1"]
        for used, source in ((attack, MODEL), (attack, OTHER), (None, None))
    ]
    assert errors[0] > errors[1] > errors[2] == 0


def test_batches_weigh_by_their_size_and_may_be_a_dataset():
    # Examples 0 to 3 are right, 4 is wrong: 20 %, not the mean of 0 and 100.
    model = linear(np.eye(2))
    x = np.array([[9.0, 1.0]] * 5, "float32")
    y = np.array([0, 0, 0, 0, 1])
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(4)
    assert adversarial_errors(model, dataset, None, ks=(1,)) == {"top_1": 20.0}
    rows = dataset.map(lambda x, y: (tf.cast(x, tf.uint8), tf.one_hot(y, 2)))
    attack = functools.partial(fgsm, epsilon=3.0)
    assert adversarial_errors(model, rows, attack, ks=(1,)) == {"top_1": 20.0}
    # Beyond half the margin every right example is wrong, and the wrong one worse.
    attack = functools.partial(fgsm, epsilon=4.5)
    assert adversarial_errors(model, rows, attack, ks=(1,)) == {"top_1": 100.0}


class Subclassed(keras.Model):
    """Built by its first call, inside the compiled loop."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(3, activation="softmax")

    def call(self, x):
        return self.dense(x / 255)


@pytest.mark.parametrize("attack", [fgsm, i_fgsm])
def test_other_kinds_of_models(attack):
    attack = functools.partial(attack, epsilon=8.0)
    mixup = keras_mixup.MixUpModel(MODEL, keras_mixup.MixUp(seed=0))
    assert adversarial_errors(mixup, batches(23), attack) == adversarial_errors(
        MODEL, batches(23), attack
    )
    model = Subclassed()
    attack = functools.partial(attack, from_logits=False)
    found = adversarial_errors(model, batches(20, 3), attack, ks=KS)
    scores = model(attack(model, X, Y)).numpy()
    assert found == {f"top_{k}": error_by_loop(scores, Y, k) for k in KS}


def test_a_progress_bar(capsys):
    adversarial_errors(MODEL, list(batches(20, 3)), None, progress=True)
    assert "2/2" in capsys.readouterr().out
    adversarial_errors(MODEL, batches(20, 3), None, progress=True)
    assert "1/Unknown" in capsys.readouterr().out
    adversarial_errors(MODEL, batches(20, 3), None)
    assert not capsys.readouterr().out


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"attack": "fgsm"}, "`attack`. Expected a function"),
        (
            {"ks": (0,)},
            "`ks`. Expected a tuple of integers >= 1. Received: ks=\\(0,\\)",
        ),
        ({"ks": 5}, "`ks`. Expected a tuple"),
        ({"ks": ()}, "`ks`. Expected a tuple"),
        ({"batches": [(X, Y, Y)]}, "`batches`. Expected \\(x, y\\)"),
        ({"batches": X}, "`batches`. Expected \\(x, y\\). Received: ndarray"),
        ({"batches": []}, "No examples received"),
        (
            {"batches": [(X, Y + 1)]},
            "integers in \\[0, 3\\). Received: labels from 1 to 3",
        ),
        ({"batches": [(X, Y.astype("float32"))]}, "Invalid scores or labels"),
    ],
)
def test_wrong_arguments_are_told(changed, message):
    arguments = {"model": MODEL, "batches": [(X, Y)], "attack": None, **changed}
    with pytest.raises(ValueError, match=message):
        adversarial_errors(**arguments)
