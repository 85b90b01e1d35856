"""Products of small matrices, at the rate that the processor multiplies at.

MKL, which torch has, multiplies at half of that rate on AMD's processors. What is asked for here is simple: channels
are a multiple of 32, and one side lies in the cache. The innermost loop, ROWS by two vectors of sums in registers, is
given to LLVM as vectors: from a loop over numbers it makes nothing as good.
"""

import llvmlite.binding
import numba
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from services.generator.stylegan2.compiled import OPTIONS, pointer
from services.generator.stylegan2.gate import PANEL


def _features() -> frozenset[str]:
    """Of the processor that Numba compiles for: this one, or what NUMBA_CPU_FEATURES says ("+avx,+avx2,-avx512f")."""
    if numba.config.CPU_FEATURES is not None:  # type: ignore[attr-defined]
        features = numba.config.CPU_FEATURES.split(",")  # type: ignore[attr-defined]
        return frozenset(name[1:] for name in features if name.startswith("+"))
    return frozenset(name for name, has in llvmlite.binding.get_host_cpu_features().items() if has)


FEATURES = _features()
ROWS = 8  # whose sums are in registers together
VECTORS = 2  # of sums a row
LANES = 16 if "avx512f" in FEATURES else 8  # numbers of a vector
ALIGNED = 4 * LANES  # bytes of a vector of float32, which torch's memory is a multiple of
WIDTH = VECTORS * LANES  # columns whose sums are in registers together, a part of a panel
TOGETHER = 128  # rows whose products are summed before the sums are written


def lacking() -> str:
    """Why the loops would be slow on this processor, empty where they are not: a product would call a function."""
    if {"avx2", "fma"} <= FEATURES or "neon" in FEATURES:
        return ""
    return "the processor multiplies and adds no vectors at once (AVX2 with FMA, or NEON)"


def _block(rows: int, anew: bool):  # type: ignore[no-untyped-def]
    """The innermost loop: `rows` by two vectors of sums, each over `count` products.

    Of the left side a row or a step lies so many numbers behind the other, of the right a step and of the result a row.
    """

    @intrinsic
    def block(typing, left, left_row, left_step, right, right_step, result, result_row, count):  # type: ignore[no-untyped-def]
        def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
            left, left_row, left_step, right, right_step, result, result_row, count = arguments
            number = context.get_value_type(signature.args[0].dtype)
            vector = ir.VectorType(number, LANES)
            size = context.get_abi_sizeof(number)
            name = f"llvm.fma.v{LANES}f{8 * size}"
            fma = cgutils.get_or_insert_function(builder.module, ir.FunctionType(vector, [vector] * 3), name)
            undefined, zeros = ir.Constant(vector, ir.Undefined), ir.Constant(vector, None)
            first, all_first = ir.Constant(ir.IntType(32), 0), ir.Constant(ir.VectorType(ir.IntType(32), LANES), None)

            def at(base, index, more, kind):  # type: ignore[no-untyped-def]
                index = builder.add(index, ir.Constant(index.type, more))
                return builder.bitcast(builder.gep(base, [index]), kind.as_pointer())

            def times(index, factor):  # type: ignore[no-untyped-def]
                return builder.mul(index, ir.Constant(index.type, factor))

            places = [
                [at(result, times(result_row, row), v * LANES, vector) for v in range(VECTORS)] for row in range(rows)
            ]
            sums = [
                [cgutils.alloca_once_value(builder, zeros if anew else builder.load(p, align=size)) for p in row]
                for row in places
            ]
            with cgutils.for_range(builder, count) as loop:
                step = builder.mul(loop.index, right_step)
                factors = [builder.load(at(right, step, v * LANES, vector), align=size) for v in range(VECTORS)]
                for row in range(rows):
                    index = builder.add(times(left_row, row), builder.mul(loop.index, left_step))
                    one = builder.insert_element(undefined, builder.load(at(left, index, 0, number), align=size), first)
                    spread = builder.shuffle_vector(one, undefined, all_first)
                    for total, factor in zip(sums[row], factors, strict=True):
                        builder.store(builder.call(fma, [spread, factor, builder.load(total)]), total)
            for row in range(rows):
                for place, total in zip(places[row], sums[row], strict=True):
                    builder.store(builder.load(total), place, align=size)
            return context.get_dummy_value()

        length = types.int64
        return types.void(left, length, length, right, length, result, length, length), generate

    return block


_rows_anew, _row_anew, _rows_added = _block(ROWS, anew=True), _block(1, anew=True), _block(ROWS, anew=False)


def _copy(stream: bool):  # type: ignore[no-untyped-def]
    """WIDTH numbers, from one pointer to another; streamed, they go past the caches, and to multiples of ALIGNED."""

    @intrinsic
    def copy(typing, source, target):  # type: ignore[no-untyped-def]
        def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
            number = context.get_value_type(signature.args[0].dtype)
            vector, size = ir.VectorType(number, LANES), context.get_abi_sizeof(number)
            for v in range(VECTORS):
                at = [ir.Constant(ir.IntType(64), v * LANES)]
                source, target = (builder.bitcast(builder.gep(p, at), vector.as_pointer()) for p in arguments)
                store = builder.store(builder.load(source, align=size), target, align=ALIGNED if stream else size)
                if stream:
                    store.set_metadata("nontemporal", builder.module.add_metadata([ir.Constant(ir.IntType(32), 1)]))
            return context.get_dummy_value()

        return types.void(source, target), generate

    return copy


copy, stream = _copy(stream=False), _copy(stream=True)


@intrinsic
def drain(typing):  # type: ignore[no-untyped-def]
    """Let other threads see what this one has streamed."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), generate


@njit(**OPTIONS)
def multiply(left, right, result):  # type: ignore[no-untyped-def]
    """(T, I) by (O / 32, I, 32), see `kernels`, to (T, O)."""
    rows, inner = left.shape
    outputs, whole, zero = result.shape[1], rows // ROWS * ROWS, left.dtype.type(0)
    for column in range(0, outputs, WIDTH):
        b = pointer(right.ctypes.data, column // PANEL * PANEL * inner + column % PANEL, zero)
        for row in range(0, whole, ROWS):
            a = pointer(left.ctypes.data, row * inner, zero)
            _rows_anew(a, inner, 1, b, PANEL, pointer(result.ctypes.data, row * outputs + column, zero), outputs, inner)
        for row in range(whole, rows):
            a = pointer(left.ctypes.data, row * inner, zero)
            _row_anew(a, inner, 1, b, PANEL, pointer(result.ctypes.data, row * outputs + column, zero), outputs, inner)


@njit(**OPTIONS)
def sum_rows(left, right, column, result, anew):  # type: ignore[no-untyped-def]
    """Sum over T rows of (T, O) beside (T, WIDTH), to the columns from `column` on of (O, I), or add to them."""
    count, outputs = left.shape
    columns, zero = result.shape[1], left.dtype.type(0)
    b = pointer(right.ctypes.data, 0, zero)
    for output in range(0, outputs, ROWS):
        a = pointer(left.ctypes.data, output, zero)
        c = pointer(result.ctypes.data, output * columns + column, zero)
        if anew:
            _rows_anew(a, 1, outputs, b, WIDTH, c, columns, count)
        else:
            _rows_added(a, 1, outputs, b, WIDTH, c, columns, count)
