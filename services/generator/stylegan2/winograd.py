"""3x3 convolutions with a quarter of the multiplications: Winograd's minimal filtering F(4x4, 3x3), on a CPU.

Reference: Lavin & Gray 2016, "Fast Algorithms for Convolutional Neural Networks" (arXiv:1509.09308), section 4.3.

An output tile of 4x4 pixels depends on 6x6 input pixels. With the matrices B, G, A of the paper it is
A^T [(G g G^T) * (B^T d B)] A: the product in the middle is one small matrix product over the channels for each of the
36 places, so nine multiplications a pixel become 36 / 16. The transforms are sums of neighbouring rows and columns,
done chunk by chunk so that they stay in the cache. In fp32 the result is off by some 1e-5 of its size, a little more
than the direct sum's own rounding.

Activations are (N, C, H, W) in channels-last layout, H and W multiples of 4, with one pixel of zeros around.
"""

import math
from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

TILE = 4  # side of an output tile
POINTS = 6  # side of the input tile that it depends on
CHUNK = 2**20  # activations transformed together: their images in the caches, the calls still long
IMAGES = 16  # that the tiles are taken for, see `_images`
LEAST_WIDTH = 128  # channels below which the transforms cost more than the multiplications saved
LEAST_TILES = 128  # of a batch; with fewer, the transforms of the kernels do

KERNEL = (
    (1 / 4, 0.0, 0.0), (-1 / 6, -1 / 6, -1 / 6), (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6), (1 / 24, -1 / 12, 1 / 6), (0.0, 0.0, 1.0),
)  # fmt: skip


def pays(x: Tensor, weight: Tensor) -> bool:
    """Whether this is the faster way for activations (N, I, H, W) and a kernel (O, I, 3, 3)."""
    n, _, height, width = x.shape
    return fits(weight) and height % TILE == 0 and width % TILE == 0 and n * height * width >= LEAST_TILES * TILE**2


def fits(weight: Tensor) -> bool:
    """Whether a kernel (O, I, 3, 3) is wide enough, on this device and in this precision."""
    return weight.dtype == torch.float32 and weight.device.type == "cpu" and min(weight.shape[:2]) >= LEAST_WIDTH


def transformed_kernel(weight: Tensor) -> Tensor:
    """G g G^T: (O, I, 3, 3) -> (36, O, I)."""
    outputs, inputs = weight.shape[:2]
    g = weight.new_tensor(KERNEL)
    taps = weight.permute(2, 3, 0, 1).reshape(9, -1)
    return (torch.kron(g, g) @ taps).reshape(POINTS**2, outputs, inputs)


def convolve(x: Tensor, kernel: Tensor) -> Tensor:
    """Correlate with 3x3 kernels, as conv2d does with padding 1.

    Shapes:
        x: (N, I, H, W); kernel: (36, O, I) from `transformed_kernel`; returns (N, O, H, W)
    """
    n, _, height, width = x.shape
    outputs = kernel.shape[1]
    places = _images(_input_places(x))
    products = [F.conv2d(place, k[:, :, None, None]) for place, k in zip(places, kernel, strict=True)]
    tiles = [p.permute(0, 2, 3, 1).reshape(n, height // TILE, width // TILE, outputs) for p in products]
    return _assembled(tiles, n, height, width)


def correlate(x: Tensor, gradient: Tensor) -> Tensor:
    """The gradient of a 3x3 kernel: sum over all pixels of activations beside what came out.

    Shapes:
        x: (N, I, H, W); gradient: (N, O, H, W); returns (O, I, 3, 3)
    """
    inputs, outputs = x.shape[1], gradient.shape[1]
    pairs = zip(_images(_input_places(x)), _images(_gradient_places(gradient)), strict=True)
    unused = x.new_empty(()).expand(outputs, inputs, 1, 1)
    sums = torch.stack([_kernel_gradient(place, spread, unused) for place, spread in pairs])
    g = x.new_tensor(KERNEL)
    return (torch.kron(g, g).t() @ sums.reshape(POINTS**2, -1)).reshape(3, 3, outputs, inputs).permute(2, 3, 0, 1)


def _kernel_gradient(x: Tensor, gradient: Tensor, like: Tensor) -> Tensor:
    """(O, I): of a 1x1 convolution."""
    result: Tensor = torch.ops.aten.convolution_backward(
        gradient, x, like, None, [1, 1], [0, 0], [1, 1], False, [0, 0], 1, [False, True, False]
    )[1]
    return result


def _images(places: Tensor) -> list[Tensor]:
    """(6, 6, N, H/4, W/4, C) -> 36 of (B, C, T / B, 1), of T tiles in all.

    A 1x1 convolution of sixteen images is the fastest product of two matrices that torch has on every CPU: MKL's is
    half as fast on some, and so is a convolution of fewer images on one thread.
    """
    tiles = math.prod(places.shape[2:5])
    images = math.gcd(tiles, IMAGES)
    flat = places.view(POINTS**2, images, tiles // images, 1, places.shape[-1])
    return [place.permute(0, 3, 1, 2) for place in flat]


def _chunks(n: int, height: int, width: int, channels: int) -> Iterator[tuple[slice, slice]]:
    """Images and tile rows to take together."""
    images = max(1, CHUNK // (height * width * channels))
    rows = height // TILE if images > 1 else max(1, CHUNK // (TILE * width * channels))
    for start in range(0, n, images):
        for row in range(0, height // TILE, rows):
            yield slice(start, min(start + images, n)), slice(row, min(row + rows, height // TILE))


def _input_places(x: Tensor) -> Tensor:
    """B^T d B of every tile: (N, C, H, W) -> (6, 6, N, H/4, W/4, C)."""
    n, channels, height, width = x.shape
    pixels = x.permute(0, 2, 3, 1)
    places = x.new_empty(POINTS, POINTS, n, height // TILE, width // TILE, channels)
    for images, rows in _chunks(n, height, width, channels):
        count, tall = images.stop - images.start, rows.stop - rows.start
        first, last = rows.start * TILE - 1, rows.stop * TILE + 1
        padded = x.new_zeros(count, last - first, width + 2, channels)
        inside = slice(max(first, 0), min(last, height))
        padded[:, inside.start - first : inside.stop - first, 1:-1] = pixels[images, inside]
        down = x.new_empty(POINTS, count, tall, width + 2, channels)
        _input_sums([padded[:, k : k + TILE * tall - 3 : TILE] for k in range(POINTS)], list(down))
        across = [down[:, :, :, k : k + width - 3 : TILE] for k in range(POINTS)]
        _input_sums(across, [places[:, k, images, rows] for k in range(POINTS)])
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


def _assembled(tiles: Sequence[Tensor], n: int, height: int, width: int) -> Tensor:
    """A^T m A of every tile: 36 of (N, H/4, W/4, C) -> (N, C, H, W)."""
    channels = tiles[0].shape[-1]
    whole = torch.empty((n, channels, height, width), dtype=tiles[0].dtype, memory_format=torch.channels_last)
    pixels = whole.permute(0, 2, 3, 1)
    for images, rows in _chunks(n, height, width, channels):
        count, tall = images.stop - images.start, rows.stop - rows.start
        up = pixels.new_empty(TILE, POINTS, count, tall, width // TILE, channels)
        for j in range(POINTS):
            _output_sums([tiles[POINTS * i + j][images, rows] for i in range(POINTS)], list(up[:, j]))
        block = pixels[images, rows.start * TILE : rows.stop * TILE]
        block = block.unflatten(1, (tall, TILE)).unflatten(3, (width // TILE, TILE)).permute(4, 2, 0, 1, 3, 5)
        _output_sums([up[:, j] for j in range(POINTS)], list(block))  # block: (x, y, N, rows, columns, C)
    return whole


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


def _gradient_places(gradient: Tensor) -> Tensor:
    """A dy A^T of every tile: (N, C, H, W) -> (6, 6, N, H/4, W/4, C)."""
    n, channels, height, width = gradient.shape
    pixels = gradient.permute(0, 2, 3, 1)
    places = gradient.new_empty(POINTS, POINTS, n, height // TILE, width // TILE, channels)
    for images, rows in _chunks(n, height, width, channels):
        count, tall = images.stop - images.start, rows.stop - rows.start
        block = pixels[images, rows.start * TILE : rows.stop * TILE].unflatten(1, (tall, TILE))
        down = gradient.new_empty(POINTS, count, tall, width, channels)
        _gradient_sums(list(block.unbind(2)), list(down))
        across = down.unflatten(3, (width // TILE, TILE)).unbind(4)
        _gradient_sums(list(across), [places[:, k, images, rows] for k in range(POINTS)])
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
