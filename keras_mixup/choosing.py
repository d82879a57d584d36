"""One of several draws, by conditions of which one holds, as one draw."""

import tensorflow as tf

from keras_mixup import draws, mixing
from keras_mixup.regions import Region


def merged(found):
    """The coefficients and partners of the draw that is chosen."""
    first = found[0][1]
    return draws.Draw(
        [
            chosen([(c, own.coefficients[k]) for c, own in found])
            for k in range(len(first.coefficients))
        ],
        [
            chosen([(c, own.partners[k]) for c, own in found])
            for k in range(len(first.partners))
        ],
    )


def weights(own, rank, kind):
    """The K weights of the positions, of one rank and dtype."""
    found = own.masks
    if found is None:
        found = [
            mixing.expand_to_rank(tf.reshape(c, [-1]), rank) for c in own.coefficients
        ]
    return [tf.cast(one, kind) for one in found]


def sources(found, grid):
    """Regions that say alone where the positions of the partners come from, or None."""
    moved = [own for _, own in found if own.regions and own.regions[0].sources]
    if not moved:
        return None
    same = [tf.range(size)[tf.newaxis] for size in grid.sizes]
    regions = []
    for k in range(len(moved[0].regions)):
        own = [(c, (one.regions or [None] * (k + 1))[k]) for c, one in found]
        own = [(c, same if r is None or not r.sources else r.sources) for c, r in own]
        axes = range(len(same))
        regions.append(
            Region(None, None, [chosen([(c, s[a]) for c, s in own]) for a in axes])
        )
    return regions


def chosen(pairs):
    """The tensor whose condition, () or (batch,), holds: of one it does."""
    (_, result), *others = pairs
    for condition, other in others:
        if isinstance(other, tf.RaggedTensor):
            rows = tf.broadcast_to(condition, [other.nrows()])
            here = tf.gather(rows, other.value_rowids())
            values = chosen([(~here, result.flat_values), (here, other.flat_values)])
            result = other.with_flat_values(values)
            continue
        rank = max(result.shape.rank, other.shape.rank)
        result = tf.where(mixing.expand_to_rank(condition, rank), other, result)
    return result


def one_a_box(weight, part):
    """A weight of each image, or each box, as one of each box of a dict of boxes."""
    classes = next(part[key] for key in ("labels", "classes") if key in part)
    weight = mixing.expand_to_rank(tf.cast(weight, tf.float32), 2)
    return weight + tf.zeros_like(classes, dtype=tf.float32)
