"""Runs all programs, prints what becomes of each, and counts."""

import collections
import sys

import tensorflow as tf

from tests.matrix import backends, exports, hub, pipelines, training  # noqa: F401
from tests.matrix.programs import FAIL, PROGRAMS, REFUSED, outcome


def main(words):
    """Runs the programs whose area or name has one of these words, or all."""
    chosen = [
        one
        for one in PROGRAMS
        if not words or any(word in f"{one.area}, {one.name}" for word in words)
    ]
    counts = collections.Counter()
    for one in chosen:
        found, why = outcome(one)
        counts[found] += 1
        print(f"{found:13}  {one.area}: {one.name}", flush=True)
        if found in (FAIL, REFUSED):
            print(
                "\n".join(f"    {line}" for line in why.splitlines()[-8:]), flush=True
            )
    print(", ".join(f"{n} {word}" for word, n in counts.items()), f"of {len(chosen)}")
    return int(counts[FAIL] > 0)


if __name__ == "__main__":
    # One program has two replicas.
    cpu = tf.config.list_physical_devices("CPU")[0]
    both = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, both)
    sys.exit(main(sys.argv[1:]))
