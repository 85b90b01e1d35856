"""Freed memory stays in the process: seen by the faults that using a block again costs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from defectory.errors import Exhausted, InvalidInput
from defectory.memory import memory_for

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


HUGE = """
import resource
import torch
from defectory.memory import keep_freed_memory
assert keep_freed_memory()
used = int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()  # ru_maxrss knows what the parent had
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
block = torch.ones(64 << 18)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before, used >> 20)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a matter of glibc")
def test_large_blocks_come_in_huge_pages_of_which_none_is_taken_beforehand() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "THP_MEM_ALLOC_ENABLE"}
    said = subprocess.check_output([sys.executable, "-c", HUGE], env=environment, text=True)
    faults, used_mib = map(int, said.split())
    huge = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    if huge.exists() and "[never]" not in huge.read_text():
        assert faults < PAGES / 4  # of 64 MiB
    assert used_mib < 1024


SHORT = """
import resource, sys
import numpy as np
from defectory.errors import Exhausted
from defectory.imaging import encode_png, network_input_of
from defectory.memory import memory_for
data = encode_png(np.zeros((6000, 6000, 3), np.uint8))
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (40 << 20),) * 2)
try:
    with memory_for("an image of 6000x6000 pixels"):
        network_input_of(data, 64)
except Exhausted as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a matter of rlimits")
def test_an_image_for_which_there_is_no_memory_is_no_broken_image() -> None:
    said = subprocess.check_output([sys.executable, "-c", SHORT], text=True)
    assert said == "there is not enough memory for an image of 6000x6000 pixels\n"


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(InvalidInput, match="odd"), memory_for("x"):
        raise InvalidInput("odd")
    with pytest.raises(Exhausted, match="for the picture a, 3x4"), memory_for("the picture a, 3x4"):
        raise MemoryError
