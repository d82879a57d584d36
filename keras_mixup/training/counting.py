"""The count of batches, from which a train step's draws follow."""

import tensorflow as tf


def behind(data):
    """A context whose variables change only once the data are there.

    In a graph nothing else orders a counter behind the batch that it counts: without
    this the call that finds the end of a dataset of unknown length counts too.
    """
    parts = [part for part in tf.nest.flatten(data) if tf.is_tensor(part)]
    return tf.control_dependencies(parts)


def next_step(counter):
    """The index of a batch, from 0; the counter goes on by one."""
    step = tf.identity(counter.value)
    counter.assign_add(1)
    return step
