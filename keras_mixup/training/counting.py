"""The count of batches, from which a train step's draws follow."""

import tensorflow as tf


def new_counter(model):
    """A weight that counts batches.

    `optimizer.iterations` does not: where gradients are accumulated it counts fewer,
    and where a loss scale skips a step it stands still.
    """
    return model.add_weight(
        name="step",
        shape=(),
        dtype="int64",
        initializer="zeros",
        trainable=False,
        aggregation="only_first_replica",
    )


def new_flag(name):
    """A float32 variable of value 0 that every replica may set, the first decides."""
    aggregation = tf.VariableAggregation.ONLY_FIRST_REPLICA
    return tf.Variable(0.0, trainable=False, name=name, aggregation=aggregation)


def raise_flag(flag, value):
    """Sets the flag where the value is greater; None leaves it as it is."""
    if value is not None:
        flag.assign(tf.maximum(flag, value))


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
