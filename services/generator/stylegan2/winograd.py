"""3x3 convolutions with a quarter of the multiplications: Winograd's minimal filtering F(4x4, 3x3), on a CPU.

Reference: Lavin & Gray 2016, "Fast Algorithms for Convolutional Neural Networks" (arXiv:1509.09308), section 4.3.

An output tile of 4x4 pixels depends on 6x6 input pixels. With the matrices B, G, A of the paper it is
A^T [(G g G^T) * (B^T d B)] A: the product in the middle is one small matrix product over the channels for each of the
36 places, so nine multiplications a pixel become 36 / 16. The transforms are sums of neighbouring rows and columns,
done chunk by chunk so that they stay in the cache, and the whole block by block, for all tiles of a wide layer take
four times the memory of its activations. In fp32 the result is off by some 1e-5 of its size, a little more than the
direct sum's own rounding.

Activations are (N, C, H, W) in channels-last layout, H and W multiples of 4, with one pixel of zeros around.
"""

import math
from collections.abc import Iterator, Sequence
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

TILE = 4  # side of an output tile
POINTS = 6  # side of the input tile that it depends on
CHUNK = 2**20  # activations transformed together: their images in the caches, the calls still long
BLOCK = 3 * 2**20  # activations whose tiles are in memory together: 27 MiB, what the C library keeps is at most 32
IMAGES = 16  # that the tiles are taken for, see `_images`
LEAST_WIDTH = 128  # channels below which the transforms cost more than the multiplications saved
LEAST_TILES = 64  # of a batch; with fewer, the transforms of the kernels do
LEAST_TILES_KNOWN = 16  # where the kernels were transformed before
FEW_TILES = 128  # below which one call for many matrices beats a convolution for each on every processor

KERNEL = (
    (1 / 4, 0.0, 0.0), (-1 / 6, -1 / 6, -1 / 6), (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6), (1 / 24, -1 / 12, 1 / 6), (0.0, 0.0, 1.0),
)  # fmt: skip


def pays(x: Tensor, weight: Tensor, known: bool = False) -> bool:
    """Whether this is faster for activations (N, I, H, W) and a kernel (O, I, 3, 3), known transformed or not yet."""
    n, _, height, width = x.shape
    least = LEAST_TILES_KNOWN if known else LEAST_TILES
    return fits(weight) and height % TILE == 0 and width % TILE == 0 and n * height * width >= least * TILE**2


def fits(weight: Tensor) -> bool:
    """Whether a kernel (O, I, 3, 3) is wide enough, on this device and in this precision."""
    return weight.dtype == torch.float32 and weight.device.type == "cpu" and min(weight.shape[:2]) >= LEAST_WIDTH


def transformed_kernel(weight: Tensor) -> Tensor:
    """G g G^T: (O, I, 3, 3) -> (36, O, I), in memory in the order of the weights."""
    if weight.stride(0) < weight.stride(1):
        return transformed_kernel(weight.transpose(0, 1)).transpose(1, 2)
    outputs, inputs = weight.shape[:2]
    g = weight.new_tensor(KERNEL)
    taps = weight.permute(2, 3, 0, 1).reshape(9, -1)
    return (torch.kron(g, g) @ taps).reshape(POINTS**2, outputs, inputs)


def convolve(x: Tensor, kernel: Tensor) -> Tensor:
    """Correlate with 3x3 kernels, as conv2d does with padding 1.

    Shapes:
        x: (N, I, H, W); kernel: (36, O, I) from `transformed_kernel`; returns (N, O, H, W)
    """
    n, inputs, height, width = x.shape
    outputs = kernel.shape[1]
    y = torch.empty((n, outputs, height, width), dtype=x.dtype, memory_format=torch.channels_last)
    for images, rows in _blocks(n, height // TILE, width, max(inputs, outputs), BLOCK):
        places = _input_places(x, images, rows)
        tiles = [p.view(*places.shape[2:5], outputs) for p in _products(places, kernel)]
        _assemble(tiles, y.permute(0, 2, 3, 1)[images, rows.start * TILE : rows.stop * TILE])
    return y


def correlate(x: Tensor, gradient: Tensor) -> Tensor:
    """The gradient of a 3x3 kernel: sum over all pixels of activations beside what came out.

    Shapes:
        x: (N, I, H, W); gradient: (N, O, H, W); returns (O, I, 3, 3)
    """
    n, inputs, height, width = x.shape
    outputs = gradient.shape[1]
    total: Tensor | None = None
    for images, rows in _blocks(n, height // TILE, width, max(inputs, outputs), BLOCK):
        part = _sums(_input_places(x, images, rows), _gradient_places(gradient, images, rows))
        total = part if total is None else total.add_(part)
    assert total is not None
    g = x.new_tensor(KERNEL)
    taps = torch.kron(g, g).t() @ total.reshape(POINTS**2, -1)
    return taps.reshape(3, 3, outputs, inputs).permute(2, 3, 0, 1)


def _products(places: Tensor, kernel: Tensor) -> Sequence[Tensor]:
    """Of each place (6, 6, images, rows, W/4, I), its tiles' T activations by the kernel (36, O, I): 36 of (T, O)."""
    tiles = places.shape[2:5].numel()
    if _by_matrices(tiles):
        return torch.bmm(places.view(POINTS**2, tiles, -1), kernel.transpose(1, 2)).unbind()
    products = zip(_images(places), kernel[..., None, None].unbind(), strict=True)
    return [F.conv2d(place, k).permute(0, 2, 3, 1).reshape(tiles, -1) for place, k in products]


def _sums(places: Tensor, gradients: Tensor) -> Tensor:
    """Of each place, the sum over its tiles of gradients beside activations: (36, O, I)."""
    inputs, outputs = places.shape[-1], gradients.shape[-1]
    if _by_matrices(places.shape[2:5].numel()):
        return torch.bmm(gradients.view(POINTS**2, -1, outputs).transpose(1, 2), places.view(POINTS**2, -1, inputs))
    unused = places.new_empty(()).expand(outputs, inputs, 1, 1)
    return torch.stack(
        [
            torch.ops.aten.convolution_backward(
                gradient, place, unused, None, [1, 1], [0, 0], [1, 1], False, [0, 0], 1, [False, True, False]
            )[1]
            for place, gradient in zip(_images(places), _images(gradients), strict=True)
        ]
    )


def _images(places: Tensor) -> list[Tensor]:
    """(6, 6, images, rows, W/4, C) -> 36 of (B, C, T / B, 1), of T tiles in all.

    A 1x1 convolution of sixteen images is the fastest product of two matrices where MKL's is slow; one of fewer images
    is half as fast on one thread.
    """
    tiles = math.prod(places.shape[2:5])
    images = math.gcd(tiles, IMAGES)
    flat = places.view(POINTS**2, images, tiles // images, 1, places.shape[-1])
    return [place.permute(0, 3, 1, 2) for place in flat]


def _by_matrices(tiles: int) -> bool:
    """Whether one product of 36 matrices is faster than a convolution for each place."""
    return tiles < FEW_TILES or _has_fast_matrices()


@cache
def _has_fast_matrices() -> bool:
    """Whether MKL is here and computes with vectors as wide as the processor's.

    It gives AMD's its code for AVX2: half of what they can from Zen 5 on, the first to know AVX-VNNI. This is a
    property of the processor, not a measurement, so that the same machine always computes the same.
    """
    known = torch.cpu.get_capabilities()
    half = str(known.get("cpu_name")).startswith("AMD") and bool(known.get("avx_vnni"))
    return torch.backends.mkl.is_available() and not half


def _blocks(n: int, tall: int, width: int, channels: int, most: int) -> Iterator[tuple[slice, slice]]:
    """Images, and rows of tiles, to take together: parts of about the same size, of so many activations or a row."""
    row = TILE * width * channels
    parts = math.ceil(n / max(1, most // (tall * row)))
    bands = math.ceil(tall / max(1, most // row)) if parts == n else 1
    for part in range(parts):
        for band in range(bands):
            yield _share(n, part, parts), _share(tall, band, bands)


def _share(count: int, part: int, parts: int) -> slice:
    return slice(count * part // parts, count * (part + 1) // parts)


def _input_places(x: Tensor, images: slice, rows: slice) -> Tensor:
    """B^T d B of a block's tiles: (N, C, H, W) -> (6, 6, images, rows, W/4, C)."""
    channels, height, width = x.shape[1:]
    pixels = x.permute(0, 2, 3, 1)[images]
    n, tall = len(pixels), rows.stop - rows.start
    places = x.new_empty(POINTS, POINTS, n, tall, width // TILE, channels)
    for i, r in _blocks(n, tall, width, channels, CHUNK):
        first, last = (rows.start + r.start) * TILE - 1, (rows.start + r.stop) * TILE + 1
        padded = x.new_zeros(i.stop - i.start, last - first, width + 2, channels)
        inside = slice(max(first, 0), min(last, height))
        padded[:, inside.start - first : inside.stop - first, 1:-1] = pixels[i, inside]
        down = x.new_empty(POINTS, len(padded), r.stop - r.start, width + 2, channels)
        _input_sums([padded[:, k : k + last - first - 5 : TILE] for k in range(POINTS)], list(down))
        across = [down[:, :, :, k : k + width - 3 : TILE] for k in range(POINTS)]
        _input_sums(across, [places[:, k, i, r] for k in range(POINTS)])
    return places


def _input_sums(d: Sequence[Tensor], out: Sequence[Tensor]) -> None:
    """B^T along one axis: six neighbours to six sums."""
    a, b = torch.sub(d[4], d[2], alpha=4), torch.sub(d[3], d[1], alpha=4)
    torch.add(a, b, out=out[1])
    torch.sub(a, b, out=out[2])
    torch.sub(d[4], d[2], out=a)
    torch.sub(d[3], d[1], out=b)
    torch.add(a, b, alpha=2, out=out[3])
    torch.sub(a, b, alpha=2, out=out[4])
    torch.sub(d[0], d[2], out=b)
    torch.add(a, b, alpha=4, out=out[0])
    torch.sub(d[5], d[3], out=a)
    torch.sub(d[1], d[3], out=b)
    torch.add(a, b, alpha=4, out=out[5])


def _assemble(tiles: Sequence[Tensor], pixels: Tensor) -> None:
    """A^T m A of a block's tiles: 36 of (images, rows, W/4, C) to its pixels (images, 4 rows, W, C)."""
    n, tall, wide, channels = tiles[0].shape
    for i, r in _blocks(n, tall, wide * TILE, channels, CHUNK):
        up = pixels.new_empty(TILE, POINTS, i.stop - i.start, r.stop - r.start, wide, channels)
        for j in range(POINTS):
            _output_sums([tiles[POINTS * k + j][i, r] for k in range(POINTS)], list(up[:, j]))
        part = pixels[i, r.start * TILE : r.stop * TILE]
        part = part.unflatten(1, (-1, TILE)).unflatten(3, (wide, TILE)).permute(4, 2, 0, 1, 3, 5)
        _output_sums([up[:, j] for j in range(POINTS)], list(part))  # part: (x, y, images, rows, columns, C)


def _output_sums(m: Sequence[Tensor], out: Sequence[Tensor]) -> None:
    """A^T along one axis: six products to four pixels."""
    a, b = m[1] + m[2], m[3] + m[4]
    torch.add(a, b, out=out[0])
    out[0].add_(m[0])
    torch.add(a, b, alpha=4, out=out[2])
    torch.sub(m[1], m[2], out=a)
    torch.sub(m[3], m[4], out=b)
    torch.add(a, b, alpha=2, out=out[1])
    torch.add(a, b, alpha=8, out=out[3])
    out[3].add_(m[5])


def _gradient_places(gradient: Tensor, images: slice, rows: slice) -> Tensor:
    """A dy A^T of a block's tiles: (N, C, H, W) -> (6, 6, images, rows, W/4, C)."""
    channels, _, width = gradient.shape[1:]
    pixels = gradient.permute(0, 2, 3, 1)[images, rows.start * TILE : rows.stop * TILE].unflatten(1, (-1, TILE))
    n, tall = pixels.shape[:2]
    places = gradient.new_empty(POINTS, POINTS, n, tall, width // TILE, channels)
    for i, r in _blocks(n, tall, width, channels, CHUNK):
        down = gradient.new_empty(POINTS, i.stop - i.start, r.stop - r.start, width, channels)
        _gradient_sums(list(pixels[i, r].unbind(2)), list(down))
        across = down.unflatten(3, (width // TILE, TILE)).unbind(4)
        _gradient_sums(list(across), [places[:, k, i, r] for k in range(POINTS)])
    return places


def _gradient_sums(y: Sequence[Tensor], out: Sequence[Tensor]) -> None:
    """A along one axis: four pixels to six places, the transpose of `_output_sums`."""
    out[0].copy_(y[0])
    a, b = y[0] + y[2], y[1] + y[3]
    torch.add(a, b, out=out[1])
    torch.sub(a, b, out=out[2])
    torch.add(y[0], y[2], alpha=4, out=a)
    torch.add(y[1], y[3], alpha=4, out=b)
    torch.add(a, b, alpha=2, out=out[3])
    torch.sub(a, b, alpha=2, out=out[4])
    out[5].copy_(y[3])
