"""A mixed batch with what made it, for training loops of your own."""

import typing

from keras_mixup import label_rules, mixing, targets


class MixedBatch(typing.NamedTuple):
    """A mixed batch with what made it: `policy(batch, details=True)`.

    K is the policy's `examples`, and 1 where alpha or `probability` is 0.

    Attributes:
        x: The mixed features.
        y: The mixed targets.
        sample_weight: The mixed weights, or None.
        targets: The K unmixed targets, each in the structure of y: those of the batch,
            then those of its partners.
        shares: The K shares of the targets, each of shape () or (batch,); None where
            the label rule is a union, which has none.
        partners: The K - 1 partners, index tensors (batch,); none of `between`, whose
            partners are the second batch.
        mask: K masks, of which the true one says what a position shows; None where all
            positions share alike. Of a `RandomChoice` that may average they are K
            float weights of each position.
    """

    x: object
    y: object
    sample_weight: object
    targets: tuple
    shares: tuple | None
    partners: tuple
    mask: tuple | None


def detailed(mixed, read, draw, policy):
    """The `MixedBatch` of a mixed tuple.

    Args:
        mixed: (x, y) or (x, y, sample_weight).
        read: The `batches.Batch` of the unmixed batch, and of a second one.
        draw: `draws.Draw`.
        policy: The `Policy` that has mixed it.
    """
    if not isinstance(mixed, tuple):
        raise ValueError(
            "A MixedBatch is made of a tuple. Expected (x, y) or (x, y, sample_weight) "
            "with details=True. Received: a dict"
        )
    x, y, *weight = mixed
    parts = [one.targets for one in read][: len(draw.coefficients)]
    parts = mixing.gather_parts(parts, draw.partners)
    shares = targets.target_coefficients(draw.coefficients, policy.targets)
    if policy.label_rule is not None:
        leaves, path = [part[0] for part in parts], read[0].paths[0]
        shares = label_rules.shares_by(policy, shares, leaves, path)
    has_shares = policy.label_rule != label_rules.UNION
    return MixedBatch(
        x,
        y,
        weight[0] if weight else None,
        tuple(read[0].put_targets(part) for part in parts),
        tuple(shares) if has_shares else None,
        tuple(draw.partners),
        None if draw.masks is None else tuple(draw.masks),
    )
