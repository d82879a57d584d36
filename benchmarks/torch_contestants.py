"""The contestants in PyTorch: torchvision's and timm's mixup of a batch in memory.

    python -m benchmarks.torch_contestants "timm Mixup 64x224x224x3 uint8"

Run by `workers.py`, in a process of its own. The same number of batches lies in memory
as for the others. Images lie as PyTorch has them, channels first; uint8 is cast to
float32 first, since neither mixes it. Both draw one lam a batch, as they do by default.
timm mixes in place, and so does its contestant.
"""

import contextlib
import itertools
import sys

from benchmarks.contestants import ALPHA, CLASSES, distinct_batches

NAMES = ("torchvision.transforms.v2.MixUp", "timm Mixup")


def names(size):
    """The contestants that take such a batch: torchvision's takes images alone."""
    return NAMES if len(size) == 4 else NAMES[1:]


def loop_of(name, size, dtype):
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
        mix = _mixing(name)

        def iterate(count):
            for images, labels in itertools.islice(batches, count):
                mix(images.float() if dtype == "uint8" else images, labels)
            return count

        return iterate
    return None


def _mixing(name):
    if name == NAMES[0]:
        from torchvision.transforms import v2

        return v2.MixUp(alpha=ALPHA, num_classes=CLASSES)
    from timm.data.mixup import Mixup

    return Mixup(mixup_alpha=ALPHA, num_classes=CLASSES, label_smoothing=0.0)


if __name__ == "__main__":
    from benchmarks import workers

    *words, size, dtype = sys.argv[1].split()
    workers.serve(loop_of(" ".join(words), tuple(map(int, size.split("x"))), dtype))
