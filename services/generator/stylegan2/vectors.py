"""Vectors of the processor that Numba compiles for: how many numbers they hold, and code on them given to LLVM as such.

From loops over numbers LLVM makes nothing as good: it cannot see that what is read and what is written are apart, and
asks so at every entrance.
"""

from collections.abc import Callable, Sequence
from typing import Any

import llvmlite.binding
import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic


def _features() -> frozenset[str]:
    """Of the processor that Numba compiles for: this one, or what NUMBA_CPU_FEATURES says ("+avx,+avx2,-avx512f")."""
    if numba.config.CPU_FEATURES is not None:  # type: ignore[attr-defined]
        features = numba.config.CPU_FEATURES.split(",")  # type: ignore[attr-defined]
        return frozenset(name[1:] for name in features if name.startswith("+"))
    return frozenset(name for name, has in llvmlite.binding.get_host_cpu_features().items() if has)


FEATURES = _features()
LANES = 16 if "avx512f" in FEATURES else 8  # numbers of a vector
ALIGNED = 4 * LANES  # bytes of a vector of float32, which torch's memory is a multiple of
CONTRACT = ("contract",)  # a product and a sum may be one operation

Sums = Callable[[Sequence[Any]], Sequence[Any]]


def lacking() -> str:
    """Why the loops would be slow on this processor, empty where they are not: a product would call a function."""
    if {"avx2", "fma"} <= FEATURES or "neon" in FEATURES:
        return ""
    return "the processor multiplies and adds no vectors at once (AVX2 with FMA, or NEON)"


class Vector:
    """A vector in LLVM's code, with the operators of a number."""

    def __init__(self, builder: Any, value: Any) -> None:
        self._builder = builder
        self.value = value

    def __add__(self, other: "Vector") -> "Vector":
        return Vector(self._builder, self._builder.fadd(self.value, other.value, flags=CONTRACT))

    def __sub__(self, other: "Vector") -> "Vector":
        return Vector(self._builder, self._builder.fsub(self.value, other.value, flags=CONTRACT))

    def __mul__(self, factor: float) -> "Vector":
        kind = self.value.type
        return Vector(
            self._builder, self._builder.fmul(self.value, ir.Constant(kind, [factor] * LANES), flags=CONTRACT)
        )


class Memory:
    """Reads and writes vectors of one kind of number at addresses in LLVM's code."""

    def __init__(self, context: Any, builder: Any, zero: Any) -> None:
        self._builder = builder
        number = context.get_value_type(zero)
        self._kind, self._size = ir.VectorType(number, LANES), context.get_abi_sizeof(number)

    def behind(self, address: Any, index: Any) -> Any:
        """The address of a number so many numbers behind another."""
        return self._builder.add(address, self._builder.mul(index, ir.Constant(index.type, self._size)))

    def read(self, address: Any) -> Vector:
        """The vector there."""
        place = self._builder.inttoptr(address, self._kind.as_pointer())
        return Vector(self._builder, self._builder.load(place, align=self._size))

    def spread(self, address: Any) -> Vector:
        """The number there, on every lane."""
        number = self._builder.load(self._builder.inttoptr(address, self._kind.element.as_pointer()), align=self._size)
        undefined = ir.Constant(self._kind, ir.Undefined)
        one = self._builder.insert_element(undefined, number, ir.Constant(ir.IntType(32), 0))
        everywhere = ir.Constant(ir.VectorType(ir.IntType(32), LANES), None)
        return Vector(self._builder, self._builder.shuffle_vector(one, undefined, everywhere))

    def zeros(self) -> Vector:
        """A vector of them."""
        return Vector(self._builder, ir.Constant(self._kind, None))

    def sum_with_product(self, total: Vector, one: Vector, other: Vector) -> Vector:
        """total + one * other, rounded once."""
        name = f"llvm.fma.v{LANES}f{8 * self._size}"
        fma = cgutils.get_or_insert_function(self._builder.module, ir.FunctionType(self._kind, [self._kind] * 3), name)
        return Vector(self._builder, self._builder.call(fma, [one.value, other.value, total.value]))

    def near(self, address: Any, index: Any) -> Vector:
        """The vector so many numbers behind an address."""
        return self.read(self.behind(address, index))

    def product(self, one: Vector, other: Vector) -> Vector:
        """one * other."""
        return Vector(self._builder, self._builder.fmul(one.value, other.value))

    def where_positive(self, vector: Vector, one: Vector, other: Vector) -> Vector:
        """The lanes of one where those of a vector are above zero, of the other elsewhere."""
        positive = self._builder.fcmp_ordered(">", vector.value, self.zeros().value)
        return Vector(self._builder, self._builder.select(positive, one.value, other.value))

    def sum_of_lanes(self, vector: Vector) -> Any:
        """A number: the sum of a vector's, in an order that is the same each time."""
        number = self._kind.element
        name = f"llvm.vector.reduce.fadd.v{LANES}f{8 * self._size}"
        reduce = cgutils.get_or_insert_function(
            self._builder.module, ir.FunctionType(number, [number, self._kind]), name
        )
        return self._builder.call(reduce, [ir.Constant(number, -0.0), vector.value], fastmath=("reassoc",))

    def write(self, vector: Vector, address: Any, streamed: bool = False) -> None:
        """Write it; streamed, past the caches, to a multiple of ALIGNED."""
        place = self._builder.inttoptr(address, self._kind.as_pointer())
        store = self._builder.store(vector.value, place, align=ALIGNED if streamed else self._size)
        if streamed:
            store.set_metadata("nontemporal", self._builder.module.add_metadata([ir.Constant(ir.IntType(32), 1)]))


@intrinsic
def behind(typing, address, index, zero):  # type: ignore[no-untyped-def]
    """The address of a number so many numbers, of the type of zero, behind another."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return Memory(context, builder, signature.args[2]).behind(arguments[0], arguments[1])

    return types.int64(types.int64, types.int64, zero), generate


@intrinsic
def move(typing, source, target, zero):  # type: ignore[no-untyped-def]
    """Copy a vector from one address to another."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        memory = Memory(context, builder, signature.args[2])
        memory.write(memory.read(arguments[0]), arguments[1])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, zero), generate


def square(sums: Sums, values: Sequence[Sequence[Any]]) -> list[Sequence[Any]]:
    """M v M^T of a square of values, for the sums that are the product with the matrix M."""
    columns = [sums(column) for column in zip(*values, strict=True)]  # [j][p]
    return [sums(row) for row in zip(*columns, strict=True)]  # [p][q]


def transform(
    sums: Sums, side: int, *, source_table: bool = False, target_table: bool = False, streamed: bool = False,
    added: bool = False,
) -> Any:  # fmt: skip
    """Code that takes M v M^T of a square of vectors, all at once in registers.

    A side whose places lie anywhere is given as the address of a table of addresses, row by row; else the first place's
    address is given, and how many numbers the next one lies behind it. Each has an offset, in numbers, of the vector.

    Args:
        side: of the square that is read.
        added: to what is there, in place of overwriting it.
    """

    @intrinsic
    def code(typing, source, source_step, source_offset, target, target_step, target_offset, zero):  # type: ignore[no-untyped-def]
        def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
            source, source_step, source_offset, target, target_step, target_offset, _ = arguments
            memory = Memory(context, builder, signature.args[6])

            def place(base, step, offset, number, table):  # type: ignore[no-untyped-def]
                constant = ir.Constant(ir.IntType(64), number)
                if table:
                    entry = builder.gep(builder.inttoptr(base, ir.IntType(64).as_pointer()), [constant])
                    return memory.behind(builder.load(entry), offset)
                return memory.behind(base, builder.add(builder.mul(step, constant), offset))

            read = [
                [
                    memory.read(place(source, source_step, source_offset, row * side + column, source_table))
                    for column in range(side)
                ]
                for row in range(side)
            ]
            done = [vector for row in square(sums, read) for vector in row]
            for number, vector in enumerate(done):
                address = place(target, target_step, target_offset, number, target_table)
                memory.write(vector + memory.read(address) if added else vector, address, streamed)
            return context.get_dummy_value()

        length = types.int64
        return types.void(length, length, length, length, length, length, zero), generate

    return code
