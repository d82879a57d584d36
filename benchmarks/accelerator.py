"""On a GPU: mixing there beside the peers, against a copy, and in the train step.

    python -m benchmarks.accelerator

Measures on the device what `pipeline`, `limit` and `train_step` measure on the host:
the contestants of `Dataset.map` as compiled functions on batches that lie on the
device, the time of the mixing over that of a copy, a step of MixUpModel over one
without mixing. `--device CPU:0` tries the command out where there is no GPU.
"""

from benchmarks import command, contestants, limit, report, train_step, turns
from benchmarks.pipeline import DTYPES, SIZES

NAMES = ("CIFAR", "ImageNet", "spectrograms", "table")


def main(arguments=None):
    """Measures, prints the tables, writes the result."""
    parser = command.parser_of("accelerator", __doc__, 15, 0.5)
    parser.add_argument("--device", default="GPU:0", help="(GPU:0)")
    parser.add_argument("--sizes", nargs="+", choices=NAMES, default=NAMES)
    flags = parser.parse_args(arguments)
    check_device(flags.device)
    command.conclude("accelerator", flags, measured, table)


def check_device(name):
    """Ends the command unless TensorFlow sees the device."""
    import tensorflow as tf

    seen = [device.name.split(":", 1)[1] for device in tf.config.list_logical_devices()]
    if not any(device.endswith(name) for device in seen):
        raise SystemExit(
            f"Invalid value received for argument `device`. Expected one of {seen}. "
            f"Received: {name}"
        )


def measured(flags):
    """What the result file keeps."""
    import tensorflow as tf

    with tf.device(flags.device):
        cells = {
            f"{name}, {dtype}": in_place(SIZES[name], dtype, flags)
            for name in flags.sizes
            for dtype in DTYPES
        }
        copies = limit.measure(flags.rounds, flags.seconds)
        steps = {
            name: {**train_step.measure(network, how, flags), "target": target}
            for name, (network, how, target) in train_step.CELLS.items()
        }
    # NumPy's copy is the host's.
    for values in (copies["milliseconds"], copies["mixing_over_copy"]):
        values.pop(limit.COPIES[1])
    details = [
        tf.config.experimental.get_device_details(device)
        for device in tf.config.list_physical_devices("GPU")
    ]
    return {
        "gpus": [detail.get("device_name") for detail in details],
        "mixing": cells,
        "limit": {
            "size": limit.SIZE,
            "target": limit.TARGET,
            "memory": {"of the device": copies},
        },
        "train_step": {"cells": steps},
    }


def in_place(size, dtype, flags):
    """One cell: images per second of compiled functions on a batch of the device."""
    import tensorflow as tf

    forms = contestants.make_batches(size, dtype)
    loops, dtypes = {}, {}
    for name, (form, function) in contestants.contestants(size, dtype).items():
        if function is not None:
            batch = tf.nest.map_structure(tf.identity, next(iter(forms[form])))
            batch = batch if isinstance(batch, tuple) else (batch,)
            mixing = tf.function(function, autograph=False)
            dtypes[name] = mixing(*batch)["images"].dtype.name
            loops[name] = loop_of(mixing, batch)
            turns.repeat(loops[name], 0.3)
    rates = turns.in_rounds(
        list(loops),
        flags.rounds,
        lambda name: size[0] * turns.repeat(loops[name], flags.seconds),
    )
    ours = {name: rates[contestants.ours_beside(name, dtypes)] for name in rates}
    return {
        name: {
            "rounds": rates[name],
            "gives": dtypes[name],
            "images_per_second": turns.median_interval(rates[name]),
            "ours_over_it": turns.median_interval(
                [a / b for a, b in zip(ours[name], rates[name], strict=True)]
            ),
        }
        for name in rates
    }


def loop_of(function, batch):
    """Function of `turns.repeat`: calls, to the end of what the device does."""
    import tensorflow as tf

    def iterate(count):
        for _ in range(count):
            function(*batch)
        tf.test.experimental.sync_devices()
        return count

    return iterate


def table(result):
    """The three Markdown tables of a result, and its GPUs."""
    rows = []
    for where, cell in result["mixing"].items():
        for name, its in cell.items():
            ratio, peer = its["ours_over_it"], name in contestants.PEERS
            rows.append(
                [
                    where,
                    f"`{name}`",
                    report.interval(its["images_per_second"], ",.0f"),
                    "" if name == contestants.OURS else report.interval(ratio, ".2f"),
                    report.at_least(ratio, 1.0) if peer else "",
                ]
            )
    head = ["Batch", "Contestant", "Images/s", "Ours / it", "Target"]
    parts = [report.markdown(head, rows)]
    for module, name in ((limit, "limit"), (train_step, "train_step")):
        settings = {"settings": result["settings"]}
        parts.append(module.table({**result[name], **settings}))
    return "\n\n".join([*parts, f"GPUs: {result['gpus'] or 'none'}"])


if __name__ == "__main__":
    main()
