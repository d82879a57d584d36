"""How memory comes to a batch: with the system's pages anew each time, or kept.

glibc gives a block of more than 32 MB back to the system as soon as it is free, and
asks for the next one anew, whose pages the system clears one by one: 9,400 of them for
a batch of 64 x 224 x 224 x 3 floats. Three variables of its environment make a process
keep what it was given. What is measured apart runs in a process of its own, with those
variables or without.
"""

import importlib
import json
import math
import os
import subprocess
import sys

BY_DEFAULT, KEPT, GIVEN_BACK = "by default", "kept", "given back"
# With oneDNN, which it switches on by itself where the CPU has AVX-512, TensorFlow
# keeps freed memory in a pool of its own: to see what a call takes, it has to be off.
_ENVIRONMENT = {GIVEN_BACK: {"TF_ENABLE_ONEDNN_OPTS": "0"}}
VARIABLES = {
    BY_DEFAULT: {},
    KEPT: {
        "MALLOC_MMAP_MAX_": "0",
        "MALLOC_TRIM_THRESHOLD_": "8000000000",
        "MALLOC_ARENA_MAX": "1",
    },
}
LARGEST_KEPT_BY_DEFAULT = 32 * 2**20
# Seconds after which a process hangs, rather than measures.
LONGEST = 3600


class Failed(RuntimeError):
    """A process that measured apart gave nothing."""


def of_size(shape):
    """The ways that differ for float32 batches of that shape."""
    return tuple(VARIABLES)[: 1 + (4 * math.prod(shape) > LARGEST_KEPT_BY_DEFAULT)]


def apart(memory, function, *arguments):
    """What a function of a benchmark's module gives, in a process with that memory.

    Arguments and result pass as JSON.

    Raises:
        Failed: where it ended before its time, or did not end.
    """
    module = function.__module__
    if module == "__main__":
        module = sys.modules[module].__spec__.name
    call = json.dumps([module, function.__name__, arguments])
    variables = {"TF_CPP_MIN_LOG_LEVEL": "3", **(VARIABLES | _ENVIRONMENT)[memory]}
    try:
        process = subprocess.run(
            [sys.executable, "-m", "benchmarks.allocators", call],
            check=True,
            stdout=subprocess.PIPE,
            env={**os.environ, **variables},
            text=True,
            timeout=LONGEST,
        )
        return json.loads(process.stdout.splitlines()[-1])
    except (subprocess.SubprocessError, ValueError, IndexError) as error:
        raise Failed(f"{function.__name__}{arguments}: {error!r}") from error


if __name__ == "__main__":
    module, name, passed = json.loads(sys.argv[1])
    print(json.dumps(getattr(importlib.import_module(module), name)(*passed)))
