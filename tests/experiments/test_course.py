"""The course of a run and its record, piece by piece: no network is trained."""

import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from experiments import classifier
from experiments.engine import non_finite, record
from experiments.engine.course import Epochs
from experiments.settings import Settings

COUNT, BATCH, STEPS = 20, 8, 3


@pytest.mark.parametrize(
    ("max_steps", "epochs", "steps", "seen"),
    [(0, 3, 9, 60), (2, 1, 2, 16), (3, 1, 3, 20), (4, 2, 6, 40), (99, 3, 9, 60)],
)
def test_a_course_can_be_tried_out_for_a_few_steps(max_steps, epochs, steps, seen):
    sets = {"test": tf.data.Dataset.range(7).batch(1)}
    course = Epochs(None, COUNT, BATCH, sets, None, 3, max_steps)
    state = types.SimpleNamespace(epochs=[], batch=0)
    course.batches = lambda first: tf.data.Dataset.range(9)
    (stage,) = course.stages(state)
    assert (stage["initial_epoch"], stage["epochs"]) == (0, epochs)
    assert epochs * stage["steps_per_epoch"] == steps
    assert course.examples_seen == seen
    assert len(course.sets["test"]) == min(7, max_steps or 7)
    # An optimizer's schedule does not take part in this.
    assert course.last_step(1) == STEPS + stage["steps_per_epoch"] - 1


def test_an_open_epoch_is_a_stage_of_its_own():
    def stages(done, batch):
        course = Epochs(
            lambda first: tf.data.Dataset.range(10 * first, 10 * first + 9),
            *(COUNT, BATCH, {}, None, 4),
        )
        state = types.SimpleNamespace(epochs=[{}] * done, batch=batch)
        return [
            (int(next(iter(stage.pop("x")))), *stage.values())
            for stage in course.stages(state)
        ]

    # The first batch, the epoch, the one after the last, and the steps of each.
    assert stages(0, 0) == [(0, 0, 4, 3)]
    assert stages(2, 0) == [(20, 2, 4, 3)]
    assert stages(1, 2) == [(12, 1, 2, 1), (20, 2, 4, 3)]
    assert stages(3, 1) == [(31, 3, 4, 2)]
    assert stages(4, 0) == []


def test_one_logit_is_a_classifier_of_two_classes():
    # The sigmoids are .5, .9, .1 and .9: right, right, right and wrong.
    x = np.log([[1.0], [9.0], [1 / 9], [9.0]]).astype("float32")
    one_unit = keras.Sequential([keras.Input((1,)), keras.layers.Identity()])

    def of(labels):
        batches = tf.data.Dataset.from_tensor_slices((x, labels)).batch(3)
        return record.reliability(one_unit, batches)

    found = of(np.array([[0.0], [1.0], [0.0], [0.0]], "float32"))
    assert found["count"] == [0] * 7 + [1] + [0] * 5 + [3, 0]
    assert found["accuracy"][7] == 1
    assert found["accuracy"][13] == pytest.approx(2 / 3)
    assert found["confidence"][13] == pytest.approx(0.9)


def test_a_mixed_label_of_one_logit_is_hit_where_its_heavier_part_is():
    logits, y = np.array([[2.0], [-1.0], [0.5]]), np.array([[0.7], [0.6], [0.0]])
    np.testing.assert_array_equal(classifier.hits(y, logits), [1, 0, 0])
    settings = Settings(mix_in="pipeline")
    one, three = (classifier.Mixing(1.0, 5, classes, settings) for classes in (1, 3))
    assert one.on_host
    # Its labels stay a column.
    assert (one.rows, three.rows) == (0, 3)


def test_a_batch_of_a_service_is_not_asked_for_again():
    watch = non_finite.StopAtNonFiniteLoss(10, None, lambda: 2)
    watch.on_epoch_begin(1)
    message = "nan at step 15 .*came from a tf.data service and cannot be had again"
    with pytest.raises(non_finite.NonFiniteLoss, match=message):
        watch.on_train_batch_end(3, {"loss": float("nan")})


def test_what_is_not_finite_in_a_batch_is_named():
    x, y = np.zeros((4, 2, 2), "float32"), np.zeros((4, 3), "float32")
    x[[1, 3], 0, 1] = np.nan, np.inf
    assert non_finite.non_finite((x, y)) == [
        "the features of its batch: 2 of 4 examples are not finite, the first in row 1"
    ]
    x[[1, 3], 0, 1], y[2, 1] = 0, -np.inf
    assert non_finite.non_finite((tf.cast(x, tf.bfloat16), y)) == [
        "the labels of its batch: 1 of 4 examples are not finite, the first in row 2"
    ]
    assert non_finite.non_finite((np.zeros((4, 2), "uint8"), np.arange(4))) == []


def test_rows_of_epochs_that_are_done_again_leave_the_log(tmp_path):
    path = tmp_path / "log.csv"
    record.keep_rows(path, 1)
    path.write_text("epoch,loss\n0,3.0\n1,2.0\n2,1.0\n")
    record.keep_rows(path, 2)
    assert path.read_text() == "epoch,loss\n0,3.0\n1,2.0\n"
    # Lines end as they did, and what a full disk cut off is no line.
    path.write_bytes(b"epoch,loss\r\n0,3.0\r\n1,2")
    record.keep_rows(path, 2)
    assert path.read_bytes() == b"epoch,loss\r\n0,3.0\r\n"
