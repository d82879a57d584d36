"""Splits as TFDS writes them, such as "train[:20000]" and "train[20000:]+test"."""

import itertools

import tensorflow_datasets as tfds

from experiments.data.sources import UnknownData


def ranges(split, sizes):
    """The parts of a split, from the number of examples by name: (name, range) each."""
    infos = {
        name: tfds.core.SplitInfo(name=name, shard_lengths=[size], num_bytes=0)
        for name, size in sizes.items()
    }
    try:
        parts = tfds.core.ReadInstruction.from_spec(split).to_absolute(infos)
    except ValueError as error:
        there = ", ".join(f"{size} in {name!r}" for name, size in sizes.items())
        text = " ".join(str(error).split())
        raise ValueError(f"{text} Found: {there or 'nothing'}") from error
    return [
        (part.splitname, range(sizes[part.splitname])[part.from_ : part.to])
        for part in parts
    ]


def choose(splits, parts):
    """Examples by split, slices and sums included, from lists of examples by name."""
    chosen = disjoint(splits, {name: len(part) for name, part in parts.items()})
    return {
        split: [parts[name][index] for name, indices in found for index in indices]
        for split, found in chosen.items()
    }


def disjoint(splits, sizes):
    """The parts of each split; raises where two share examples, or one has none."""
    found = [(split, ranges(split, sizes)) for split in splits]
    for split, parts in found:
        if not any(indices for _, indices in parts):
            raise UnknownData(
                "Invalid value received for argument `splits`. Expected splits with "
                f"examples. Received: {split!r}, which has none"
            )
    for (one, first), (other, second) in itertools.combinations(found, 2):
        for (name, a), (same, b) in itertools.product(first, second):
            if name == same and range(max(a.start, b.start), min(a.stop, b.stop)):
                raise UnknownData(
                    "Invalid value received for argument `splits`. Expected splits "
                    "that share no examples, since one is trained on and one tested "
                    f"on. Received: {one!r} and {other!r}"
                )
    return dict(found)
