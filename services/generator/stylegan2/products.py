"""Products of small matrices, at the rate that the processor multiplies at.

MKL, which torch has, multiplies at half of that rate on AMD's processors. What is asked for here is simple: channels
are a multiple of 32, and one side lies in the cache. The innermost loop keeps the sums of ROWS by two
vectors in registers.
"""

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from services.generator.stylegan2.compiled import OPTIONS
from services.generator.stylegan2.gate import PANEL
from services.generator.stylegan2.vectors import LANES, Memory, behind

ROWS = 8  # whose sums are in registers together
VECTORS = 2  # of sums a row
WIDTH = VECTORS * LANES  # columns whose sums are in registers together, a part of a panel
TOGETHER = 128  # rows whose products are summed before the sums are written
DEPTH = 256  # products that are summed before the sums are written, where both factors would not stay in the cache


def _block(rows: int, *, anew: bool, tables: bool = False):  # type: ignore[no-untyped-def]
    """The innermost loop: `rows` by two vectors of sums, each over `count` products.

    Of the left side a row or a step lies so many numbers behind the other, of the right a step or the second vector,
    of the result a row. With tables, the left side and the result are each the address of a table of the rows'
    addresses, and left_row and result_row say how many numbers behind these it begins.
    """

    @intrinsic
    def block(typing, left, left_row, left_step, right, right_step, right_vector, result, result_row, count, zero):  # type: ignore[no-untyped-def]
        def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
            left, left_row, left_step, right, right_step, right_vector, result, result_row, count, _ = arguments
            memory = Memory(context, builder, signature.args[9])

            def begin(base, step, row):  # type: ignore[no-untyped-def]
                number = ir.Constant(ir.IntType(64), row)
                if tables:
                    entry = builder.gep(builder.inttoptr(base, ir.IntType(64).as_pointer()), [number])
                    return memory.behind(builder.load(entry), step)
                return memory.behind(base, builder.mul(step, number))

            def lane(v):  # type: ignore[no-untyped-def]
                return ir.Constant(ir.IntType(64), v * LANES)

            lefts = [begin(left, left_row, row) for row in range(rows)]
            places = [
                [memory.behind(begin(result, result_row, row), lane(v)) for v in range(VECTORS)] for row in range(rows)
            ]
            sums = [
                [
                    cgutils.alloca_once_value(builder, (memory.zeros() if anew else memory.read(place)).value)
                    for place in row
                ]
                for row in places
            ]
            with cgutils.for_range(builder, count) as loop:
                near = memory.behind(right, builder.mul(loop.index, right_step))
                factors = [memory.read(near), memory.read(memory.behind(near, right_vector))]
                step = builder.mul(loop.index, left_step)
                for row in range(rows):
                    spread = memory.spread(memory.behind(lefts[row], step))
                    for total, factor in zip(sums[row], factors, strict=True):
                        added = memory.sum_with_product(type(spread)(builder, builder.load(total)), spread, factor)
                        builder.store(added.value, total)
            for row in range(rows):
                for place, total in zip(places[row], sums[row], strict=True):
                    memory.write(type(factors[0])(builder, builder.load(total)), place)
            return context.get_dummy_value()

        return types.void(*[types.int64] * 9, zero), generate

    return block


rows_anew, rows_added, _row_anew = _block(ROWS, anew=True), _block(ROWS, anew=False), _block(1, anew=True)
_listed_anew, _listed_added = _block(ROWS, anew=True, tables=True), _block(ROWS, anew=False, tables=True)


@intrinsic
def drain(typing):  # type: ignore[no-untyped-def]
    """Let other threads see what this one has streamed."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), generate


@njit(**OPTIONS)
def multiply(left, rows, inner, right, result, outputs, zero):  # type: ignore[no-untyped-def]
    """(T, I) by (O / 32, I, 32), see `kernels`, to (T, O), all at addresses."""
    whole = rows // ROWS * ROWS
    for column in range(0, outputs, WIDTH):
        b = behind(right, column // PANEL * PANEL * inner + column % PANEL, zero)
        for row in range(0, whole, ROWS):
            a, c = behind(left, row * inner, zero), behind(result, row * outputs + column, zero)
            rows_anew(a, inner, 1, b, PANEL, LANES, c, outputs, inner, zero)
        for row in range(whole, rows):
            a, c = behind(left, row * inner, zero), behind(result, row * outputs + column, zero)
            _row_anew(a, inner, 1, b, PANEL, LANES, c, outputs, inner, zero)


@njit(**OPTIONS)
def multiply_listed(lefts, rows, inner, right, results, column, anew, zero):  # type: ignore[no-untyped-def]
    """Rows of I numbers that lie anywhere, by (I, 32), to WIDTH columns of rows that lie anywhere; or added there.

    Args:
        lefts, results: addresses of tables of the rows' addresses, whose number ROWS divides.
        right: address of the first of the WIDTH columns, of 32.
    """
    for first in range(0, inner, DEPTH):
        count, b = min(DEPTH, inner - first), behind(right, first * PANEL, zero)
        for row in range(0, rows, ROWS):
            a, c = lefts + 8 * row, results + 8 * row
            if anew and first == 0:
                _listed_anew(a, first, 1, b, PANEL, LANES, c, column, count, zero)
            else:
                _listed_added(a, first, 1, b, PANEL, LANES, c, column, count, zero)
