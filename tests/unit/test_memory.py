"""Freed memory stays in the process: seen by the faults that using a block again costs."""

import os
import subprocess
import sys

import pytest

BLOCK_MIB = 64
PAGES = BLOCK_MIB * 256
USES = """
import resource, sys
import numpy as np
from defectory.memory import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory()
for _ in range(20):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(int(sys.argv[2]) << 17)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str, **environment: str) -> int:
    environment |= {"NUMPY_MADVISE_HUGEPAGE": "0"}  # else the kernel may map more than a page a fault
    command = [sys.executable, "-c", USES, how, str(BLOCK_MIB)]
    return int(subprocess.check_output(command, env={**os.environ, **environment}))


@pytest.mark.skipif(sys.platform != "linux", reason="a matter of glibc")
def test_a_large_block_is_faulted_in_again_only_where_it_was_given_back() -> None:
    assert faults("kept") < PAGES / 100
    assert faults("plain") > PAGES * 0.9


@pytest.mark.skipif(sys.platform != "linux", reason="a matter of glibc")
def test_what_the_environment_says_stays() -> None:
    thresholds = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    assert faults("kept", **thresholds) > PAGES * 0.9
