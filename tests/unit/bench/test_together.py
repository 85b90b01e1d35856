"""The memory of several processes together is that of what each has for itself."""

from bench.together import Together
from bench.turns import HERE, run

OWN = "import subprocess, sys, time; own = bytearray(b'x') * (60 << 20); "
CHILD = f"{OWN} time.sleep(2)"
BOTH = f"{OWN} subprocess.run([sys.executable, '-c', {CHILD!r}], check=True)"


def test_processes_below_one_another_are_added_up() -> None:
    with Together() as memory:
        run(HERE, ["-c", BOTH])
    assert 120 < memory.peak_mib < 180, "two of 60 MiB, and twice Python itself"
    with Together() as nothing:
        pass
    assert nothing.peak_mib == 0
