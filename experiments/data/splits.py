"""Splits as TFDS writes them, such as "train[:20000]" and "train[20000:]+test"."""

from experiments.data.sources import UnknownData


def ranges(split, sizes):
    """The parts of a split: a list of (name, first, end).

    Args:
        split: Text as TFDS takes it: slices, percentages and sums.
        sizes: Dict of the number of examples by name.
    """
    import tensorflow_datasets as tfds

    infos = {
        name: tfds.core.SplitInfo(name=name, shard_lengths=[size], num_bytes=0)
        for name, size in sizes.items()
    }
    parts = tfds.core.ReadInstruction.from_spec(split).to_absolute(infos)
    return [
        (
            part.splitname,
            part.from_ or 0,
            sizes[part.splitname] if part.to is None else part.to,
        )
        for part in parts
    ]


def choose(splits, parts):
    """Examples by split, slices and sums included, from lists of examples by name."""
    sizes = {name: len(part) for name, part in parts.items()}
    check_disjoint(splits, sizes)
    return {
        split: [
            example
            for name, first, end in ranges(split, sizes)
            for example in parts[name][first:end]
        ]
        for split in splits
    }


def check_disjoint(splits, sizes):
    """Raises where two splits share examples, or one has none.

    What is tested on must not be trained on; the message names the two.
    """
    taken = []
    for split in splits:
        parts = [(*part, split) for part in ranges(split, sizes)]
        if not any(end > first for _, first, end, _ in parts):
            raise UnknownData(
                "Invalid value received for argument `splits`. Expected splits with "
                f"examples. Received: {split!r}, which has none"
            )
        for name, first, end, _ in parts:
            for other_name, other_first, other_end, other in taken:
                if name == other_name and max(first, other_first) < min(end, other_end):
                    raise UnknownData(
                        "Invalid value received for argument `splits`. Expected splits "
                        "that share no examples, since one is trained on and one tested "
                        f"on. Received: {other!r} and {split!r}"
                    )
        taken.extend(parts)
