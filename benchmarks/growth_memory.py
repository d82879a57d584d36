"""One process of `growth.py`: the extra batches at the peak of one mixing."""

import resource
import sys


def main(size):
    """Mixes a few images to load what loading takes, then a batch of this size."""
    from benchmarks.growth import compiled, images_of, labels_of

    mix = compiled()
    mix(images_of(8), labels_of(8))
    images = images_of(size)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    mixed = mix(images, labels_of(size))
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    del mixed
    # Kilobytes on Linux.
    print((after - before) * 1024 / (4 * images.shape.num_elements()))


if __name__ == "__main__":
    main(int(sys.argv[1]))
