"""The count of batches, from which a train step's draws follow."""

import tensorflow as tf

from keras_mixup import keys, mixing


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


def drawn(model, data, paths, labels):
    """The draw of the next train step of a model, and its key.

    Args:
        model: A model with `mixup`, `seed` and `step`.
        data: What the count has to wait for.
        paths: The path of each target that is there.
        labels: These targets.
    """
    with behind(data):
        step = next_step(model.step)
    key = keys.make_key(model.seed, step, keys.replica_in_sync())
    size = mixing.batch_size_of(labels[0])
    alpha = model.mixup.alpha_at(step)
    given = model.mixup.goes_by(labels, paths)
    return model.mixup.draw(size, key, alpha, given), key
