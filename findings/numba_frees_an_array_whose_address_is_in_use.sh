#!/usr/bin/env bash
# numba 0.68.1: an array is freed behind its last use, though the function goes on and works with its address.
#
# One would guess, as in Python, that a local array lives until its function returns. Compiled code lets go of it behind
# the last line that names it: after `at = room.ctypes.data` in front of a loop that works with `at` alone, `room` is
# free before the loop begins. The next array of that size gets the same address, in the same function or in another
# thread. While every thread has a heap of its own nothing is seen of it; glibc lets threads share one when there are
# many (8 a core), or when MALLOC_ARENA_MAX says so, and then two threads compute in one place, without a word.
#
# Defectory's gradients of kernels were wrong so in processes with many threads. They ask for the address within the
# loop, which uses the array for as long.
set -euo pipefail
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && cd "$folder"
python3 -m venv venv && venv/bin/pip install --quiet --disable-pip-version-check numba==0.68.1 numpy==2.4.6
cat > freed.py <<'PY'
import numba
import numpy as np
from numba import njit

SIZE, TURNS = 50_000, 5


@njit
def address_kept(out):
    room = np.empty(SIZE)
    at = room.ctypes.data
    for turn in range(TURNS):
        other = np.empty(SIZE)
        out[turn] = other.ctypes.data == at


@njit
def array_kept(out):
    room = np.empty(SIZE)
    for turn in range(TURNS):
        at = room.ctypes.data
        other = np.empty(SIZE)
        out[turn] = other.ctypes.data == at


def address_kept_in_python():
    room = np.empty(SIZE)
    at = room.ctypes.data
    return [np.empty(SIZE).ctypes.data == at for _ in range(TURNS)]


taken = {}
for function in (address_kept, array_kept):
    out = np.zeros(TURNS, np.bool_)
    function(out)
    taken[function.__name__] = int(out.sum())
taken["in Python"] = sum(address_kept_in_python())
for name, turns in taken.items():
    print(f"numba {numba.__version__}, {name}: in {turns} of {TURNS} turns another array lies at the array's address")
assert taken["address_kept"] > 0, "the behaviour changed: the array lives on"
assert taken["array_kept"] == taken["in Python"] == 0, taken
PY
venv/bin/python freed.py
echo "numba 0.68.1: as described"
