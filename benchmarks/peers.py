"""What each peer does where others went wrong: a cell of the table is what it did.

    python -m benchmarks.peers        # the peers that are installed: make bench
    python -m benchmarks.readme       # puts the table into docs/peers.md

A row is one small program, and a cell says in words what came out of it. So a cell
changes by itself where a peer has mended its fault. A peer that is not installed, or
that has no such function, has an empty cell.
"""

import functools
import importlib.metadata
import importlib.util
import itertools

import tensorflow as tf

from benchmarks import command
from benchmarks.peer_faults import FAULTS, batch_of
from benchmarks.peer_mixers import HERE, MIXERS

PACKAGES = ("keras", "keras_cv", "timm", "torchvision")


def main(arguments=None):
    """Tries all, prints the table, writes the result."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    both = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, both)
    flags = command.parser_of("peers", __doc__, 1).parse_args(arguments)
    command.conclude("peers", flags, measured, table)


def measured(flags):
    """The cells by row and peer, and the versions of the peers."""
    del flags
    versions = {
        name: importlib.metadata.version(name.replace("_", "-"))
        for name in PACKAGES
        if importlib.util.find_spec(name)
    }
    for peer, policy in itertools.product((*versions, HERE), ("MixUp", "CutMix")):
        # Where a plain batch fails, it is this program that is wrong and not the peer.
        MIXERS[peer](policy)(batch_of())
    cells = {
        row: {peer: cell(peer, *program) for peer in (*versions, HERE)}
        for row, program in FAULTS.items()
    }
    return {"versions": versions, "cells": cells}


def cell(peer, policy, run):
    """What a program came to with a peer's policy, in words."""
    try:
        return run(functools.partial(MIXERS[peer], policy)) or ""
    except Exception as error:
        return f"raises {type(error).__name__}"


def table(result):
    """The cells as Markdown."""
    versions = result["versions"]
    head = ["", *(f"{name} {version}" for name, version in versions.items()), "here"]
    lines = [head, ["---"] * len(head)]
    for row, cells in result["cells"].items():
        lines.append([row, *(cells[peer] for peer in (*versions, HERE))])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    main()
