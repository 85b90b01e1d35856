"""What computes here, by name."""

import platform
from pathlib import Path


def processor() -> str:
    """The processor's model, or at least its architecture."""
    known = Path("/proc/cpuinfo")
    for line in known.read_text().splitlines() if known.exists() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
