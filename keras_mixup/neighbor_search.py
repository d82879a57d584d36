"""The search behind the nearest-neighbor table: exact, in blocks, each pair once.

A distance counts for both of its ends, so only blocks on and above the diagonal are
computed: half of the products of a search row by row. Each row keeps the nearest so
    far.
"""

import numpy as np

# Float64 numbers in a block of queries, of examples or of distances: 256 MiB each.
BLOCK = 2**25


def blocks(features, k):
    """Gives the neighbors of one block of rows after the other.

    Args:
        features: Array (n, size) of finite numbers.
        k: Integer >= 1.

    Yields:
        `(rows, found)`: a slice, and int32 indices (rows, min(k, n - 1)), nearest first
        and of two at the same distance the lower index first.

    Raises:
        ImportError: without scikit-learn.
    """
    try:
        from sklearn.metrics import pairwise
    except ImportError as error:
        raise ImportError(
            "`nearest_neighbors` needs scikit-learn. "
            "Write: pip install 'keras_mixup[neighbors]'"
        ) from error

    n, size = features.shape
    k = min(k, n - 1)
    height, width = max(1, BLOCK // max(n, size)), max(1, BLOCK // size)
    distances, indices = np.full((n, k), np.inf), np.zeros((n, k), np.int32)

    def keep_nearest(row, columns, new):
        # Columns come in ascending order: of ties a stable sort leaves the lower first.
        both = np.concatenate([distances[row], new])
        near = np.flatnonzero(both <= np.partition(both, k - 1)[k - 1])
        near = near[np.argsort(both[near], kind="stable")[:k]]
        distances[row] = both[near]
        indices[row] = np.concatenate([indices[row], columns])[near]

    for start in range(0, n, height):
        # Given float32, scikit-learn computes in float64 but rounds the result to
        # float32, whose 24 bits cannot tell the distances of images apart.
        queries = features[start : start + height].astype(np.float64)
        strip = np.empty((len(queries), n - start))
        for left in range(start, n, width):
            strip[:, left - start : left - start + width] = (
                pairwise.euclidean_distances(
                    queries,
                    features[left : left + width].astype(np.float64),
                    squared=True,
                )
            )
        np.fill_diagonal(strip, np.inf)
        stop = start + len(queries)
        if k:
            to_the_right = np.arange(start, n, dtype=np.int32)
            for i, row in enumerate(strip):
                keep_nearest(start + i, to_the_right, row)
            below, furthest = strip[:, len(queries) :].T, distances[stop:, -1:]
            nearer = below < furthest
            for j in np.flatnonzero(nearer.any(axis=1)):
                rows = np.flatnonzero(nearer[j])
                keep_nearest(
                    stop + j, to_the_right[rows], strip[rows, stop - start + j]
                )
        yield slice(start, stop), indices[start:stop]
