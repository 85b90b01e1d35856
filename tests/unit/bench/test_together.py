"""The memory of several processes together is that of what each has for itself."""

import subprocess
import sys

from bench.turns import HERE

OWN = "import subprocess, sys, time; own = bytearray(b'x') * (60 << 20); "
CHILD = f"{OWN} time.sleep(2)"
BOTH = f"{OWN} subprocess.run([sys.executable, '-c', {CHILD!r}], check=True)"
MEASURED = f"""
from bench.together import Together
from bench.turns import HERE, run
with Together() as memory:
    run(HERE, ["-c", {BOTH!r}])
with Together() as nothing:
    pass
print(memory.peak_mib, nothing.peak_mib)
"""


def test_processes_below_one_another_are_added_up() -> None:
    # In a process of its own: below the tests' are servers that other tests use.
    done = subprocess.run([sys.executable, "-c", MEASURED], cwd=HERE, capture_output=True, text=True, check=True)
    both, nothing = map(float, done.stdout.split())
    assert 120 < both < 180, "two of 60 MiB, and twice Python itself"
    assert nothing == 0
