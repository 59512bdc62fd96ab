"""The machine that the benchmark ran on."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

import psutil


def machine() -> dict[str, object]:
    """Cores this process may use, memory in GiB, the CPU's name, the system."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cores": cores,
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "cpu": _cpu(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def _cpu() -> str:
    names = Path("/proc/cpuinfo")
    if names.exists():
        match = re.search(r"model name\s*:\s*(.+)", names.read_text(encoding="utf-8"))
        if match:
            return match.group(1).strip()
    return platform.processor()
