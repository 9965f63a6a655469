"""What a number was measured on: the processor, and the versions that computed."""

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

# By which Linux names bfloat16 arithmetic: AMX tiles, and AVX-512's dot product.
BFLOAT16_FLAGS = ("amx_bf16", "avx512_bf16")
_OF_INTEREST = ("avx2", "avx512f", "avx512_vnni", *BFLOAT16_FLAGS)
_PACKAGES = ("tensorflow", "keras", "numpy", "torch", "jax")


def describe() -> dict[str, str | int | float]:
    """Returns JSON values about this machine: nothing that names it or its owner."""
    info = _cpu_info()
    flags = info.get("flags", "").split()
    return {
        "cpu": info.get("model name") or platform.processor() or platform.machine(),
        "cpu_family_model_stepping": "/".join(
            info.get(key, "?") for key in ("cpu family", "model", "stepping")
        ),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else _cores(),
        "memory_gb": _memory_gb(),
        "flags": " ".join(flag for flag in _OF_INTEREST if flag in flags),
        "bfloat16_hardware": " ".join(flag for flag in BFLOAT16_FLAGS if flag in flags),
        "system": platform.system(),
        "python": platform.python_version(),
        **{name: _version(name) for name in _PACKAGES},
        "load_average": round(os.getloadavg()[0], 1),
    }


def gpu() -> str:
    """Returns the NVIDIA GPUs' names and driver in words; empty where there is none."""
    query = ("--query-gpu=name,driver_version", "--format=csv,noheader")
    try:
        answer = subprocess.run(
            ("nvidia-smi", *query), capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return "; ".join(", driver ".join(line.split(", ")) for line in answer.stdout.splitlines())


def has_bfloat16() -> bool:
    """Whether the processor computes in bfloat16, rather than through float32."""
    return bool(describe()["bfloat16_hardware"])


def preference() -> int:
    """Returns the step that puts `(bfloat16, float32)` in the order this machine prefers."""
    return 1 if has_bfloat16() else -1


def _cores():
    return os.cpu_count() or 1


def _memory_gb():
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)


def _version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _cpu_info():
    """Returns the first processor's entries of /proc/cpuinfo; empty where there is none."""
    try:
        first = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0]
    except OSError:
        return {}
    pairs = (line.split(":", 1) for line in first.splitlines() if ":" in line)
    return {key.strip(): value.strip() for key, value in pairs}
