"""The machine that a number was measured on: the processor, the GPU and the package versions."""

import importlib.metadata
import os
import platform
import subprocess
from typing import TypeVar

from resnet_keras import cpu

_RECORDED_FLAGS = ("avx2", "avx512f", "avx512_vnni", *cpu.BFLOAT16_FLAGS)
_PACKAGES = ("tensorflow", "keras", "numpy", "torch", "jax")

T = TypeVar("T")


def describe() -> dict[str, str | int | float]:
    """Returns a JSON object about this machine.

    It contains nothing that identifies the machine or its owner, such as a host name or a path.
    """
    info = cpu.cpu_info()
    flags = info.get("flags", "").split()
    return {
        "cpu": cpu.cpu_name(),
        "cpu_family_model_stepping": "/".join(
            info.get(key, "?") for key in ("cpu family", "model", "stepping")
        ),
        "cores": cpu.available_cores(),
        "memory_gb": _memory_gb(),
        "flags": " ".join(flag for flag in _RECORDED_FLAGS if flag in flags),
        "bfloat16_hardware": " ".join(cpu.bfloat16_flags()),
        "system": platform.system(),
        "python": platform.python_version(),
        **{name: _version(name) for name in _PACKAGES},
        "load_average": round(os.getloadavg()[0], 1),
    }


def gpu() -> str:
    """Returns the names of the NVIDIA GPUs and the version of their driver, or an empty string."""
    query = ("--query-gpu=name,driver_version", "--format=csv,noheader")
    try:
        completed = subprocess.run(
            ("nvidia-smi", *query), capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return "; ".join(", driver ".join(line.split(", ")) for line in completed.stdout.splitlines())


def has_bfloat16() -> bool:
    """Returns whether the processor computes in bfloat16 instead of emulating it with float32."""
    return bool(cpu.bfloat16_flags())


def by_preference(bfloat16: T, float32: T) -> tuple[T, T]:
    """Returns the two alternatives, the one that is faster on this machine first."""
    return (bfloat16, float32) if has_bfloat16() else (float32, bfloat16)


def _memory_gb() -> float:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""
