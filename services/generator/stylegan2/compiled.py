"""Loops that Numba compiles (no container needs a compiler), on the threads that torch computes with.

Numba has threads of its own, but of two pools on the same cores each waits awake while the other works. So a compiled
loop goes to the OpenMP runtime that torch is linked with, by the call that compilers make of `#pragma omp parallel`
(GOMP_parallel: GNU libgomp's manual, "Implementing PARALLEL construct"; LLVM's runtime has it too).

A loop is a function of one argument, the address of a task: `fields(address)` are its numbers. Each thread runs it, and
does one piece of the work after the other: `take(address)` says which. So nobody waits for a core that is busy with
something else.
"""

import ctypes
import os
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite.binding
import numba
import torch
from llvmlite import ir
from numba import carray, cfunc, njit, types
from numba.extending import intrinsic

from services.generator.stylegan2 import loop_cache

OPTIONS: dict[str, Any] = {"error_model": "numpy", "fastmath": {"contract"}}  # fused multiply-adds, in no other order
NUMBERS: dict[torch.dtype, tuple[Any, Any]] = {
    torch.float32: (types.float32, ctypes.c_float),
    torch.float64: (types.float64, ctypes.c_double),
}

_torch = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"))  # finds what it is linked with too
llvmlite.binding.add_symbol("omp_get_thread_num", ctypes.cast(_torch.omp_get_thread_num, ctypes.c_void_p).value)
_thread_number = types.ExternalFunction("omp_get_thread_num", types.int32())


def run(loop: Callable[[Any], None], dtype: torch.dtype, **fields: int) -> None:
    """Run a loop on every thread, until all of them are through.

    Args:
        loop: compiled on first use, and kept in Numba's cache.
        dtype: of the activations, torch.float32 or float64.
        fields: of the task: sizes, and addresses of tensors.
    """
    code, structure = _compiled(loop, dtype, tuple(fields))
    task = structure(0, *fields.values(), 0)
    _torch.GOMP_parallel(ctypes.c_void_p(code.address), ctypes.byref(task), torch.get_num_threads(), 0)


@cache
def _compiled(
    loop: Callable[[Any], None], dtype: torch.dtype, names: tuple[str, ...]
) -> tuple[Any, type[ctypes.Structure]]:
    """A compiled loop, and its task: how many pieces are taken, the fields, and a zero of the activations' type."""
    number, unit = NUMBERS[dtype]
    integers: list[tuple[str, Any]] = [(name, types.int64) for name in ("taken", *names)]
    record = types.Record.make_c_struct([*integers, ("zero", number)])
    members = [*((name, ctypes.c_int64) for name, _ in integers), ("zero", unit)]
    structure = type("Task", (ctypes.Structure,), {"_fields_": members})
    signature = types.void(types.CPointer(record))
    if _kept():
        with suppress(RuntimeError):  # the folder cannot be written to any more
            return cfunc(signature, cache=True, **OPTIONS)(loop), structure
    return cfunc(signature, **OPTIONS)(loop), structure


@cache
def _kept() -> bool:
    """Whether there is a folder that compiled loops can be kept in; Numba then takes it, and no other."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = loop_cache.folder(home, Path(__file__).parent, (numba.__version__, llvmlite.__version__))
    if folder is None:
        return False
    numba.config.CACHE_DIR = str(folder)  # type: ignore[attr-defined]
    numba.config.CACHE_LOCATOR_CLASSES = "UserProvidedCacheLocator"  # type: ignore[attr-defined]
    return True


@njit(**OPTIONS)
def fields(address):  # type: ignore[no-untyped-def]
    """The fields of a task."""
    return carray(address, (1,))[0]


@njit(**OPTIONS)
def thread():  # type: ignore[no-untyped-def]
    """The number of this one."""
    return _thread_number()


@intrinsic
def take(typing, address):  # type: ignore[no-untyped-def]
    """The number of a piece of work that no thread has taken yet; they are counted from 0, without an end."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        taken = builder.bitcast(arguments[0], ir.IntType(64).as_pointer())  # the first field
        return builder.atomic_rmw("add", taken, ir.Constant(ir.IntType(64), 1), "monotonic")

    return types.int64(address), generate


@intrinsic
def pointer(typing, address, start, zero):  # type: ignore[no-untyped-def]
    """To one of the numbers, of the type of zero, at an address."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        base = builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))
        return builder.gep(base, [arguments[1]])

    return types.CPointer(zero)(address, types.int64, zero), generate


@njit(**OPTIONS)
def numbers(address, shape, zero):  # type: ignore[no-untyped-def]
    """The array of numbers, of the type of zero, at an address."""
    return carray(pointer(address, 0, zero), shape)
