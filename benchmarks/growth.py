"""How time and memory of the mixing grow with the batch: 32 to 4,096 images.

Float32 images of 224 x 224 x 3 in memory. Time: microseconds an image of the compiled
function that `Dataset.map` calls, batch sizes taking turns. Memory: what the peak of a
process, set back to what it holds (Linux: /proc/self/clear_refs), rises by when it
mixes a batch, in batches; one is the result itself. Each size has its own process, and
so has CutMix, with one box a batch and with one box an example.
"""

import ctypes
import pathlib

from benchmarks import allocators, command, report, turns
from benchmarks.contestants import ALPHAS, CUTMIX, MIXUP

BATCH_SIZES = (32, 128, 512, 2048, 4096)
IMAGE = (224, 224, 3)
# The longest time an image over the shortest.
FLAT = 1.2
# Whose memory is measured, and the extra batches at most: the result is one.
EXTRA = {
    "MixUp": (MIXUP, "batch", 1.1),
    "CutMix": (CUTMIX, "batch", 1.2),
    "CutMix, one box an example": (CUTMIX, "example", 1.2),
}
PROCESS = pathlib.Path("/proc/self")


def main(arguments=None):
    """Measures, prints the table, writes the result."""
    parser = command.parser_of("growth", __doc__, 9, 0.5)
    command.conclude("growth", parser.parse_args(arguments), measured, table)


def measured(flags):
    """What the result file keeps."""
    return {
        "memory": {
            memory: allocators.apart(memory, measure, flags.rounds, flags.seconds)
            for memory in allocators.VARIABLES
        },
        "extra_batches": {
            name: {
                str(size): allocators.apart(
                    allocators.GIVEN_BACK, extra, size, policy, per
                )
                for size in BATCH_SIZES
            }
            for name, (policy, per, _) in EXTRA.items()
        },
        "targets": {
            "longest_over_shortest": FLAT,
            "extra_batches": {name: most for name, (*_, most) in EXTRA.items()},
        },
    }


def measure(rounds, seconds):
    """One process: the times of all sizes."""
    mix, images = compiled(), images_of(max(BATCH_SIZES))

    def time_of(size):
        x = images[:size]
        batch = (x, labels_of(size))

        def iterate(count):
            for _ in range(count):
                mix(*batch)
            return count

        iterate(2)
        return 1e6 / (size * turns.repeat(iterate, seconds))

    found = turns.in_rounds(list(BATCH_SIZES), rounds, time_of)
    times = {size: turns.median_interval(found[size]) for size in found}
    longest, shortest = (
        choose(times, key=lambda size: times[size]["median"]) for choose in (max, min)
    )
    # Of two sizes, not of each round's extremes: these lie apart by noise alone.
    pairs = zip(found[longest], found[shortest], strict=True)
    return {
        "microseconds_an_image": times,
        "longest_over_shortest": turns.median_interval([a / b for a, b in pairs]),
        "rounds": found,
    }


def compiled(policy=MIXUP, per="batch"):
    """The mixing as a compiled function of (images, labels)."""
    import tensorflow as tf

    import keras_mixup

    mix = getattr(keras_mixup, policy)(ALPHAS[policy], per=per)
    return tf.function(mix, autograph=False)


def images_of(size):
    """Random images."""
    import tensorflow as tf

    return tf.random.uniform([size, *IMAGE])


def labels_of(size):
    """One-hot labels."""
    import tensorflow as tf

    return tf.one_hot(tf.range(size) % 10, 10)


def extra(size, policy, per):
    """What the peak lies above what the process held before, in batches."""
    mix = compiled(policy, per)
    images, labels = images_of(size), labels_of(size)
    # The first call compiles, which takes memory of its own.
    mix(images, labels)
    ctypes.CDLL(None).malloc_trim(0)
    (PROCESS / "clear_refs").write_text("5")
    before = kilobytes("VmRSS")
    mixed = mix(images, labels)
    taken = kilobytes("VmHWM") - before
    del mixed
    return taken * 1024 / (4 * images.shape.num_elements())


def kilobytes(name):
    """An entry of the process's status."""
    lines = (PROCESS / "status").read_text().splitlines()
    entries = dict(line.split(":", 1) for line in lines)
    return int(entries[name].split()[0])


def table(result):
    """The Markdown table of a result."""
    cells, targets = result["memory"], result["targets"]
    extras, aims = result["extra_batches"], targets["extra_batches"]
    if not isinstance(aims, dict):
        # A file from before CutMix.
        extras, aims = {"": extras}, {"": aims}
    rows = [
        [
            f"{int(size):,}",
            *(
                report.interval(cell["microseconds_an_image"][size], ".1f")
                for cell in cells.values()
            ),
            *(f"{extra[size]:.2f}" for extra in extras.values()),
        ]
        for size in next(iter(extras.values()))
    ]
    ratios = [
        f"memory {memory}: {report.interval(ratio, '.2f')}, "
        f"{report.at_most(ratio, targets['longest_over_shortest'])}"
        for memory, cell in cells.items()
        for ratio in [cell["longest_over_shortest"]]
    ]
    lines = []
    for name, extra in extras.items():
        most = max(extra.values())
        verdict = "met" if most <= aims[name] else "missed"
        of_it = f"Extra batches{name and f', {name}'}"
        lines.append(f"{of_it}: at most {most:.2f}, <= {aims[name]}: {verdict}.")
    head = ["Batch", *(f"Microseconds an image, memory {name}" for name in cells)]
    head += [f"Extra batches at the peak{name and f', {name}'}" for name in extras]
    return report.markdown(head, rows) + (
        f"\n\nLongest over shortest, {'; '.join(ratios)}. {' '.join(lines)}"
    )


if __name__ == "__main__":
    main()
