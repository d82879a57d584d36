"""What this machine computes with: its cores, and whether it multiplies bfloat16."""

import os
import pathlib
import warnings

# What /proc/cpuinfo calls the instructions.
MULTIPLIES_BFLOAT16 = {"avx512_bf16", "amx_bf16"}


def cores():
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0))


def multiplies_bfloat16():
    """Whether the processor has instructions that multiply bfloat16."""
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False
    for line in text.splitlines():
        if line.startswith("flags"):
            return bool(MULTIPLIES_BFLOAT16 & set(line.split()))
    return False


def precision(name):
    """Keras's dtype policy for a setting: "auto" is the quickest that is safe.

    That is bfloat16 where the processor multiplies it, and float32 elsewhere.
    """
    if name == "auto":
        return "mixed_bfloat16" if multiplies_bfloat16() else "float32"
    if name == "mixed_bfloat16" and not multiplies_bfloat16():
        warnings.warn(
            "This processor does not multiply bfloat16 (it has neither of "
            f"{sorted(MULTIPLIES_BFLOAT16)}): a step on it may take several times as "
            "long as in float32. --precision auto chooses.",
            stacklevel=2,
        )
    return name
