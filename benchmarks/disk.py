"""Records a second from disk, and where their time goes.

Two sets are written as TFRecord files: 32 x 32 images as raw bytes, as CIFAR has them,
and 64 x 64 images as JPEG files of quality 90 (smooth pictures with some noise, of
about the size that photographs take). The pipeline reads, decodes, augments (padding
and crop, flip), batches by 128 and mixes, as the experiments do. Pipelines that end
after each stage take turns; what a stage costs is the difference to the stage before,
of one round. Files stay in the system's cache, so reading is not the disk's own speed.
"""

import pathlib
import tempfile

from benchmarks import command, report, turns

BATCH, CLASSES = 128, 10
# name: (side of an image, records, whether they are JPEG files)
SETS = {"CIFAR, raw 32 x 32": (32, 12_800, False), "JPEG, 64 x 64": (64, 6400, True)}
STAGES = ("read", "decode", "augment", "mix")


def main(arguments=None):
    """Measures, prints the table, writes the result."""
    parser = command.parser_of("disk", __doc__, 9, 1.0)
    command.conclude("disk", parser.parse_args(arguments), measured, table)


def measured(flags):
    """What the result file keeps."""
    with tempfile.TemporaryDirectory() as folder:
        cells = {name: measure(name, pathlib.Path(folder), flags) for name in SETS}
    return {
        "cells": cells,
    }


def measure(name, folder, flags):
    """One set: records a second of each pipeline, and microseconds of each stage."""
    side, count, jpeg = SETS[name]
    path = folder / f"{side}.tfrecord"
    write(path, side, count, jpeg)
    iterators = {s: iter(pipeline(path, side, jpeg, s)) for s in STAGES}
    for iterator in iterators.values():
        turns.consume(iterator, flags.seconds)
    rates = turns.in_rounds(
        list(STAGES),
        flags.rounds,
        lambda stage: BATCH * turns.turn(iterators[stage], flags.seconds),
    )
    costs, before = {}, [0.0] * flags.rounds
    for stage in STAGES:
        times = [1e6 / rate for rate in rates[stage]]
        costs[stage] = turns.median_interval(
            [time - former for time, former in zip(times, before, strict=True)]
        )
        before = times
    return {
        "bytes_a_record": path.stat().st_size / count,
        "rounds": rates,
        "records_per_second": {s: turns.median_interval(rates[s]) for s in STAGES},
        "microseconds_of_a_record": costs,
    }


def write(path, side, count, jpeg):
    """Writes a file of records: an image and a label each."""
    import numpy as np
    import tensorflow as tf

    generator = np.random.default_rng(0)
    coarse = generator.uniform(0, 255, (count, 6, 6, 3)).astype("float32")
    with tf.io.TFRecordWriter(str(path)) as writer:
        for start in range(0, count, 1000):
            smooth = tf.image.resize(
                coarse[start : start + 1000], [side, side], "bicubic"
            )
            noise = generator.normal(0, 6, smooth.shape)
            images = np.clip(np.round(smooth + noise), 0, 255).astype("uint8")
            for index, image in enumerate(images):
                encoded = tf.io.encode_jpeg(image, quality=90).numpy() if jpeg else b""
                features = {
                    "image": _bytes(encoded or image.tobytes()),
                    "label": tf.train.Feature(
                        int64_list=tf.train.Int64List(value=[index % CLASSES])
                    ),
                }
                example = tf.train.Example(features=tf.train.Features(feature=features))
                writer.write(example.SerializeToString())


def _bytes(value):
    import tensorflow as tf

    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def pipeline(path, side, jpeg, last):
    """Endless batches, up to a stage."""
    import tensorflow as tf

    import keras_mixup
    from experiments.data import augmentation

    auto = tf.data.AUTOTUNE
    spec = {
        "image": tf.io.FixedLenFeature([], tf.string),
        "label": tf.io.FixedLenFeature([], tf.int64),
    }

    def decode(record):
        parsed = tf.io.parse_single_example(record, spec)
        if jpeg:
            image = tf.io.decode_jpeg(parsed["image"], 3)
        else:
            image = tf.reshape(tf.io.decode_raw(parsed["image"], tf.uint8), [-1])
        return tf.reshape(image, [side, side, 3]), parsed["label"]

    def augment(step, batch):
        key = keras_mixup.keys.make_key(0, step)
        images = augmentation.flip(augmentation.pad_and_crop(batch[0], key), key)
        return step, (images, batch[1])

    mixup = keras_mixup.MixUp(1.0, num_classes=CLASSES, seed=0)
    records = tf.data.TFRecordDataset(str(path)).repeat()
    if last != "read":
        records = records.map(decode, auto)
    batches = records.batch(BATCH, drop_remainder=True).enumerate()
    if last in ("augment", "mix"):
        batches = batches.map(augment, auto)
    if last == "mix":
        batches = batches.map(
            lambda step, batch: mixup.at_step(keras_mixup.Step(step), batch), auto
        )
    return batches.prefetch(2)


def table(result):
    """The Markdown table of a result."""
    rows = []
    for name, cell in result["cells"].items():
        for stage in STAGES:
            rows.append(
                [
                    f"{name}, {cell['bytes_a_record']:,.0f} bytes",
                    f"up to {stage}",
                    report.interval(cell["records_per_second"][stage], ",.0f"),
                    report.interval(cell["microseconds_of_a_record"][stage], ".1f"),
                ]
            )
    head = ["Records", "Pipeline", "Records/s", "Microseconds of its last stage"]
    return report.markdown(head, rows)


if __name__ == "__main__":
    main()
