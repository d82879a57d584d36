"""The one dataset of a labeled and an unlabeled one."""

import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from keras_mixup import labeled_and_unlabeled

X = np.arange(20, dtype="float32").reshape(10, 2)
Y = np.arange(10) % 3


def dataset(*arrays, size=2, drop=False):
    arrays = arrays[0] if len(arrays) == 1 else arrays
    return tf.data.Dataset.from_tensor_slices(arrays).batch(size, drop_remainder=drop)


def labels_of(both):
    return [batch["labeled"][1].numpy().tolist() for batch in both]


def test_an_epoch_is_one_pass_over_the_longer_and_the_shorter_begins_anew():
    both = labeled_and_unlabeled(dataset(X[:4], Y[:4]), dataset(X, size=3))
    assert len(both) == 4
    assert labels_of(both) == [[0, 1], [2, 0], [0, 1], [2, 0]]
    found = np.concatenate([batch["unlabeled"] for batch in both])
    np.testing.assert_array_equal(found, X)
    # Each epoch is a pass of its own.
    assert labels_of(both) == [[0, 1], [2, 0], [0, 1], [2, 0]]


def test_the_unlabeled_dataset_may_be_the_shorter_one():
    both = labeled_and_unlabeled(dataset(X, Y), dataset(X[:2]))
    assert len(both) == 5
    for batch in both:
        np.testing.assert_array_equal(batch["unlabeled"], X[:2])


def test_an_endless_one_is_paired_with_a_pass_over_the_other():
    labeled = dataset(X[:4], Y[:4]).repeat()
    assert len(labeled_and_unlabeled(labeled, dataset(X))) == 5
    assert len(labeled_and_unlabeled(dataset(X, Y), dataset(X).repeat())) == 5
    both = labeled_and_unlabeled(labeled, dataset(X).repeat())
    assert int(both.cardinality()) == tf.data.INFINITE_CARDINALITY


@pytest.mark.parametrize("form", ["x", "(x,)", "(x, -1)", "(x, None)"])
def test_the_labels_of_unlabeled_examples_are_left_out(form):
    forms = {
        "x": lambda x: x,
        "(x,)": lambda x: (x,),
        "(x, -1)": lambda x: (x, -tf.ones(2, tf.int32)),
        "(x, None)": lambda x: (x, None),
    }
    both = labeled_and_unlabeled(dataset(X, Y), dataset(X).map(forms[form]))
    assert both.element_spec["unlabeled"].shape.as_list() == [None, 2]


def test_weights_and_dicts_of_inputs_stay():
    weights = np.linspace(0, 1, 10, dtype="float32")
    x = {"a": X, "b": X[:, 0]}
    labeled = tf.data.Dataset.from_tensor_slices((x, Y, weights)).batch(5)
    both = labeled_and_unlabeled(labeled, dataset(x, size=5))
    first = next(iter(both))
    np.testing.assert_array_equal(first["labeled"][2], weights[:5])
    np.testing.assert_array_equal(first["unlabeled"]["b"], X[:5, 0])


def test_shuffled_labels_come_in_another_order_in_each_repetition():
    labeled = tf.data.Dataset.from_tensor_slices((X, np.arange(10)))
    labeled = labeled.shuffle(10, seed=1).batch(10)
    batches = labels_of(labeled_and_unlabeled(labeled, dataset(X, size=3)))
    assert all(sorted(one) == list(range(10)) for one in batches)
    assert len(set(map(tuple, batches))) == 4


ONE_HOT = np.eye(3, dtype="float32")[Y]
WRONG = {
    "a labeled dataset of fewer examples than a batch": (
        lambda: (dataset(X[:3], Y[:3], size=4, drop=True), dataset(X)),
        "Expected at least one batch.*drop_remainder=True",
    ),
    "no unlabeled examples": (
        lambda: (dataset(X, Y), dataset(X).take(0)),
        "`unlabeled`. Expected at least one batch",
    ),
    "another shape": (
        lambda: (dataset(X, Y), dataset(X[:, :1])),
        "shapes and dtypes of the labeled x.*float32 .None, 1.",
    ),
    "another dtype": (
        lambda: (dataset(X, Y), dataset(X.astype("uint8"))),
        "shapes and dtypes of the labeled x.*uint8",
    ),
    "another structure": (
        lambda: (dataset(X, Y), dataset({"a": X})),
        "shapes and dtypes of the labeled x",
    ),
    "no batches": (
        lambda: (dataset(X, Y).unbatch(), dataset(X).unbatch()),
        "call `batch` on single examples",
    ),
    "an unknown length": (
        lambda: (dataset(X, Y), dataset(X).filter(lambda x: True)),
        "`unlabeled`. Expected a dataset whose number of batches is known",
    ),
    "labels that are missing": (
        lambda: (dataset(X), dataset(X)),
        "`labeled`. Expected a dataset of batches .x, y.",
    ),
    "several targets": (
        lambda: (dataset(X, Y).map(lambda x, y: (x, {"a": y})), dataset(X)),
        "with one target y",
    ),
    "weights of unlabeled examples": (
        lambda: (dataset(X, Y), dataset(X, Y, Y)),
        "an unlabeled example has no weight",
    ),
    "arrays": (
        lambda: (X, dataset(X)),
        "`labeled`. Expected a tf.data.Dataset.*as_dataset",
    ),
    "token ids": (
        lambda: (dataset(X.astype("int32"), Y), dataset(X.astype("int32"))),
        "`labeled`. Expected x of floats or uint8.*embedded",
    ),
    "class numbers as floats": (
        lambda: (dataset(X[:3], Y[:3] + 0.0, size=3), dataset(X), 3),
        "integer labels or rows of 3 classes",
    ),
    "a class without labels": (
        lambda: (dataset(X, Y), dataset(X), 5),
        r"none of \[3, 4\]",
    ),
    "rows of too few classes": (
        lambda: (dataset(X, ONE_HOT), dataset(X), 4),
        "rows of 4 classes",
    ),
    "a class number out of range": (
        lambda: (dataset(X, Y), dataset(X), 2),
        r"labels in \[0, 2\)",
    ),
    "labels that never end": (
        lambda: (dataset(X, Y).repeat(), dataset(X), 3),
        "Expected a labeled dataset that ends",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_is_refused_in_a_sentence(name):
    arguments, message = WRONG[name]
    with pytest.raises(ValueError, match=f"(?s){message}"):
        labeled_and_unlabeled(*arguments())


def test_all_classes_are_there():
    assert len(labeled_and_unlabeled(dataset(X, Y), dataset(X), num_classes=3)) == 5
    assert len(labeled_and_unlabeled(dataset(X, ONE_HOT), dataset(X), 3)) == 5
    absent = ONE_HOT * [1, 1, 0]
    with pytest.raises(ValueError, match=r"none of \[2\]"):
        keras_mixup.labeled_and_unlabeled(dataset(X, absent), dataset(X), 3)
