"""The contestants in PyTorch: torchvision and timm mix a batch in memory.

    python -m benchmarks.torch_contestants "MixUp timm Mixup 64x224x224x3 uint8"

Run by `workers.py`, in a process of its own. The same number of batches lies in memory
as for the others. Images lie as PyTorch has them, channels first; uint8 is cast to
float32 first, but for torchvision's CutMix, which alone gives labels beside uint8. Both
draw one lam a batch, as they do by default; of CutMix timm draws one box an example, as
ours does. timm mixes in place, and so does its contestant.
"""

import contextlib
import itertools
import sys

from benchmarks.contestants import ALPHAS, CLASSES, CUTMIX, MIXUP, distinct_batches

TIMM = "timm Mixup"


def names(size, policy):
    """The contestants that take such a batch: torchvision's takes images alone."""
    of_torchvision = f"torchvision.transforms.v2.{policy}"
    return (of_torchvision, TIMM) if len(size) == 4 else (TIMM,)


def gives(policy, name, dtype):
    """The dtype of the mixed images."""
    keeps = dtype != "uint8" or (policy == CUTMIX and name != TIMM)
    return dtype if keeps else "float32"


def loop_of(policy, name, size, dtype):
    """Function of `turns.repeat`, or None where the peer is not installed."""
    with contextlib.suppress(ImportError):
        import torch

        def batch():
            images = torch.randint(0, 256, size, dtype=torch.uint8)
            if len(size) == 4:
                images = images.permute(0, 3, 1, 2).contiguous()
            labels = torch.randint(0, CLASSES, size[:1])
            return images.to(getattr(torch, dtype)), labels

        batches = itertools.cycle([batch() for _ in range(distinct_batches(size))])
        mix = _mixing(policy, name)
        mixed_dtype = getattr(torch, gives(policy, name, dtype))

        def iterate(count):
            for images, labels in itertools.islice(batches, count):
                mix(images.to(mixed_dtype), labels)
            return count

        return iterate
    return None


def _mixing(policy, name):
    alpha = ALPHAS[policy]
    if name != TIMM:
        from torchvision.transforms import v2

        return getattr(v2, policy)(alpha=alpha, num_classes=CLASSES)
    from timm.data.mixup import Mixup

    how = {
        MIXUP: {"mixup_alpha": alpha},
        CUTMIX: {"mixup_alpha": 0.0, "cutmix_alpha": alpha, "mode": "elem"},
    }
    return Mixup(num_classes=CLASSES, label_smoothing=0.0, **how[policy])


if __name__ == "__main__":
    from benchmarks import workers

    policy, *words, size, dtype = sys.argv[1].split()
    size = tuple(map(int, size.split("x")))
    workers.serve(loop_of(policy, " ".join(words), size, dtype))
