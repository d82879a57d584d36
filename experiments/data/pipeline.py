"""The input pipeline, in order of cost: what is cheap to keep is done once.

Decode, cache, shuffle, repeat, batch, augment, mix, prefetch; where the decoded
examples do not fit in memory, they are shuffled encoded and decoded afterwards. The
order of an epoch is that of (seed, epoch), the augmentation of a batch that of (seed,
step): a run that is resumed sees what it would have seen.
"""

import tensorflow as tf

from experiments.data.service import distributed, fingerprint, in_chunks
from keras_mixup import keys
from keras_mixup.steps import Step


@tf.autograph.experimental.do_not_convert
def training_batches(
    examples,
    count,
    batch_size,
    seed,
    first_epoch=0,
    decode=None,
    cache=True,
    augment=None,
    augment_alone=False,
    mix=None,
    shuffle_buffer=None,
    service=None,
    drop_remainder=False,
):
    """Endless shuffled batches, from the start of an epoch on.

    `ceil(count / batch_size)` of them are an epoch, whose last may be smaller; with
    `drop_remainder` that one is left out.

    `decode` is a function of an example, `augment` of (batch, key), with a key of
    `keras_mixup.keys`; with `augment_alone` it is given examples one by one, as
    batches of one, since their sizes differ before. `mix` is a function of (step,
    batch), with a `keras_mixup.Step` counted from the first epoch on, such as `at_step`
    of a seeded `keras_mixup.MixUp`. `cache` keeps decoded examples in memory.
    `shuffle_buffer` examples are shuffled at a time, all by default. `service` is the
    address of a tf.data service that makes the batches: then nothing is cached.
    """
    cache = cache and not service
    examples = in_chunks(examples, count) if service else examples
    if decode is not None and cache:
        examples = examples.map(decode, tf.data.AUTOTUNE)
    if cache:
        examples = examples.cache()
    buffer = min(count, shuffle_buffer or count)

    def ready(step, batch):
        if augment is not None and not augment_alone:
            batch = augment(batch, keys.make_key(seed, step.index))
        return batch if mix is None else mix(step, batch)

    def epoch_of(epoch):
        # A global seed would enter the order, and admits no tensor beside it.
        tf.compat.v1.set_random_seed(None)
        key = keys.make_key(seed, epoch)
        shuffled = examples.shuffle(buffer, tf.cast(key[0], tf.int64))
        if decode is not None and not cache:
            shuffled = shuffled.map(decode, tf.data.AUTOTUNE)
        if augment is not None and augment_alone:

            def augmented(index, example):
                key = keys.make_key(seed, epoch, index)
                return alone(lambda batch: augment(batch, key), example)

            numbered = _numbered(shuffled, service)
            shuffled = numbered.map(augmented, tf.data.AUTOTUNE)
        batches = shuffled.batch(batch_size, drop_remainder)
        if service:
            batches = _numbered(batches, service).map(
                lambda number, batch: ready(Step(number), batch), tf.data.AUTOTUNE
            )
            batches = distributed(batches, service, batch_size)
        return batches

    batches = tf.data.Dataset.range(first_epoch, tf.int64.max).flat_map(epoch_of)
    if service:
        return batches.prefetch(tf.data.AUTOTUNE)
    whole, rest = divmod(count, batch_size)
    steps_per_epoch = whole + bool(rest and not drop_remainder)
    return at_steps(batches, first_epoch * steps_per_epoch, ready)


@tf.autograph.experimental.do_not_convert
def at_steps(batches, first_step, function):
    """Batches changed by a function of (step, batch); the first is of `first_step`."""
    changed = batches.enumerate(first_step).map(
        lambda step, batch: function(Step(step), batch), tf.data.AUTOTUNE
    )
    return changed.prefetch(tf.data.AUTOTUNE)


@tf.autograph.experimental.do_not_convert
def evaluation_batches(
    examples,
    batch_size,
    decode=None,
    cache=True,
    transform=None,
    transform_alone=False,
    one_hot=0,
):
    """All examples (features, label) in their order, in batches, each changed alike.

    `transform` is a function of a batch, or with `transform_alone` of each example as a
    batch of one; `one_hot` the number of classes, where labels are to become rows.
    """
    if decode is not None:
        examples = examples.map(decode, tf.data.AUTOTUNE)
    if transform is not None and transform_alone:
        examples = examples.map(
            lambda *example: alone(lambda batch: transform(*batch), example),
            tf.data.AUTOTUNE,
        )
    batches = examples.batch(batch_size)
    if transform is not None and not transform_alone:
        batches = batches.map(transform, tf.data.AUTOTUNE)
    if one_hot:
        batches = batches.map(lambda x, y: (x, tf.one_hot(y, one_hot)))
    if cache:
        batches = batches.cache()
    return batches.prefetch(tf.data.AUTOTUNE)


def alone(function, example):
    """A function of batches, of one example."""
    changed = function(tf.nest.map_structure(lambda part: part[tf.newaxis], example))
    return tf.nest.map_structure(lambda part: part[0], changed)


def _numbered(dataset, service):
    """Elements with a number each: its place, or where a service makes them, its hash.

    Of a service each worker counts for itself.
    """
    if not service:
        return dataset.enumerate()
    return dataset.map(
        lambda *parts: (fingerprint(parts), parts if len(parts) > 1 else parts[0])
    )
