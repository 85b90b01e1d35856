"""What computes here: by name, how many cores, how much memory it has left, and where it may write."""

import os
import platform
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")  # proc_cpuinfo(5)


MEMINFO = Path("/proc/meminfo")  # proc_meminfo(5)
CGROUP = Path("/sys/fs/cgroup")  # of version 2: a container's own limit


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def available_memory() -> int | None:
    """Bytes that new work may take without swapping, and within the container's limit; None where nobody says."""
    left = []
    if MEMINFO.exists():
        lines = dict(line.split(":", 1) for line in MEMINFO.read_text().splitlines() if ":" in line)
        if "MemAvailable" in lines:
            left.append(int(lines["MemAvailable"].split()[0]) * 1024)
    limit, used = CGROUP / "memory.max", CGROUP / "memory.current"
    if limit.exists() and used.exists() and (text := limit.read_text().strip()).isdecimal():
        left.append(max(0, int(text) - int(used.read_text())))
    return min(left, default=None)


def processor() -> str:
    """The processor's model, or at least its architecture.

    With x86's numbers of family and model: virtual machines are told a name that generations share.
    """
    lines = CPUINFO.read_text().splitlines() if CPUINFO.exists() else []
    known = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    if "model name" not in known:
        return platform.machine()
    numbers = [f"{name} {known[key]}" for name, key in (("family", "cpu family"), ("model", "model")) if key in known]
    return f"{known['model name']} ({', '.join(numbers)})" if numbers else known["model name"]


def can_be_written(folder: Path) -> bool:
    """Whether files can be put into a folder that may have to be made first."""
    there = next(one for one in (folder, *folder.parents) if one.exists())
    return there.is_dir() and os.access(there, os.W_OK)
