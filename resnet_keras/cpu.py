"""The processor: its model, its bfloat16 instructions and the number of cores."""

import os
import platform
from pathlib import Path

# Linux's names for bfloat16 instructions of processors: AMX tiles, and dot products of AVX-512.
BFLOAT16_FLAGS = ("amx_bf16", "avx512_bf16")


def cpu_info() -> dict[str, str]:
    """Returns what Linux knows about the first processor.

    Returns:
        The entries of `/proc/cpuinfo`, such as `"model name"` and `"flags"`. Empty on other
        systems.

    Example:

    >>> info = cpu_info()
    >>> not info or "processor" in info
    True
    """
    try:
        first = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0]
    except OSError:
        return {}
    pairs = (line.split(":", 1) for line in first.splitlines() if ":" in line)
    return {key.strip(): value.strip() for key, value in pairs}


def cpu_name() -> str:
    """Returns the model of the processor, such as `"AMD EPYC"`.

    Example:

    >>> len(cpu_name()) > 0
    True
    """
    return cpu_info().get("model name") or platform.processor() or platform.machine()


def bfloat16_flags() -> tuple[str, ...]:
    """Returns the processor's bfloat16 instructions.

    Returns:
        Those of `BFLOAT16_FLAGS` that the processor has. Empty if it would emulate bfloat16, which
        is slower than float32.

    Example:

    >>> set(bfloat16_flags()) <= set(BFLOAT16_FLAGS)
    True
    """
    flags = cpu_info().get("flags", "").split()
    return tuple(flag for flag in BFLOAT16_FLAGS if flag in flags)


def available_cores() -> int:
    """Returns the number of cores that this process may use.

    Example:

    >>> available_cores() >= 1
    True
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
