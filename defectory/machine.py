"""What computes here, by name."""

import platform
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")  # proc_cpuinfo(5)


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
