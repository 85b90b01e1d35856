"""How drawn augmentations are carried out on a batch: warping, colours, frequency bands, cut-out; differentiable twice.

Reference: Karras et al. 2020 (arXiv:2006.06676), appendix B.2 (warping through a wavelet-filtered image of twice the
resolution) and B.3 (frequency bands).

Images whose drawn transformation is the identity are passed on untouched; the others are computed as a smaller batch.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from services.generator.stylegan2.placing import place

# Orthogonal low-pass filters of the symlet wavelets (Daubechies 1992), sum sqrt(2).
SYM6 = (
    0.015404109327027373, 0.0034907120842174702, -0.11799011114819057, -0.048311742585633, 0.4910559419267466,
    0.787641141030194, 0.3379294217276218, -0.07263752278646252, -0.021060292512300564, 0.04472490177066578,
    0.0017677118642428036, -0.007800708325034148,
)  # fmt: skip
SYM2 = (-0.12940952255092145, 0.22414386804185735, 0.836516303737469, 0.48296291314469025)
# The wavelet is not symmetric: it moves an image by so many pixels (its centre of mass against its middle).
DELAY = (5.5 - sum(i * tap for i, tap in enumerate(SYM6)) / sum(SYM6)) / 2
REACH = 3  # pixels around an output pixel that the down-sampling filter sees: len(SYM6) / 4


def warp(images: Tensor, inverse: Tensor) -> Tensor:
    """Resample images under affine maps, mirrored at their borders, filtered against aliasing.

    Shapes:
        images: (N, C, H, W); inverse: (N, 3, 3), source of every target point in pixels from the centre
        returns: (N, C, H, W)
    """
    moved = ((inverse - torch.eye(3)).abs().amax(dim=(1, 2)) > 1e-6).nonzero().squeeze(1)
    if len(moved) == 0:
        return images
    if len(moved) == len(images):
        return _warp(images, inverse)
    at = place(moved, images.device)
    return images.index_copy(0, at, _warp(images.index_select(0, at), inverse[moved]))


def recolor(images: Tensor, color: Tensor) -> Tensor:
    """Apply affine maps of colours.

    Shapes:
        images: (N, C, H, W), C 1 to 4, of which alpha or a mask, the last of 2 and 4, stays as it is
        color: (N, 4, 4), on (r, g, b, 1)
        returns (N, C, H, W)
    """
    color = place(color, images.device)
    if images.shape[1] in (2, 4):
        return torch.cat([recolor(images[:, :-1], color), images[:, -1:]], dim=1)
    matrix, shift = color[:, :3, :3], color[:, :3, 3]
    if images.shape[1] == 1:  # grey is r = g = b, and the mean of what comes out
        gain = matrix.sum(dim=2).mean(dim=1)
        return torch.addcmul(shift.mean(dim=1)[:, None, None, None], images, gain[:, None, None, None])
    flat = torch.baddbmm(shift[:, :, None], matrix, images.flatten(2).contiguous())
    return flat.reshape(images.shape)


def equalise(images: Tensor, gains: Tensor) -> Tensor:
    """Amplify frequency bands: [0, pi/8], [pi/8, pi/4], [pi/4, pi/2], [pi/2, pi], mirrored at the borders.

    Shapes:
        images: (N, C, H, W); gains: (N, 4); returns (N, C, H, W)
    """
    changed = ((gains - 1).abs().amax(dim=1) > 1e-6).nonzero().squeeze(1)
    if len(changed) == 0:
        return images
    height, width = images.shape[2:]
    at, some = place(changed, images.device), place(gains[changed], images.device)
    rows = torch.einsum("nb,bij->nij", some, place(band_matrices(height), images.device))[:, None]  # (M, 1, H, H)
    columns = torch.einsum("nb,bij->nij", some, place(band_matrices(width), images.device))[:, None]
    return images.index_copy(0, at, rows @ images.index_select(0, at) @ columns.mT)


def cut_out(images: Tensor, centre: Tensor, side: Tensor) -> Tensor:
    """Set a square to zero (mid-grey).

    Shapes:
        images: (N, C, H, W); centre: (N, 2) x and y in [0, 1]; side: (N,) in [0, 1]; returns (N, C, H, W)
    """
    height, width = images.shape[2:]
    centre, side = place(centre, images.device), place(side, images.device)
    x = (torch.arange(width, device=images.device) + 0.5) / width
    y = (torch.arange(height, device=images.device) + 0.5) / height
    outside_x = (x[None] - centre[:, :1]).abs() >= side[:, None] / 2
    outside_y = (y[None] - centre[:, 1:]).abs() >= side[:, None] / 2
    return images * (outside_x[:, None, None, :] | outside_y[:, None, :, None])


def band_matrices(size: int) -> Tensor:
    """(4, size, size): each band's filter on a row of pixels that is mirrored at its ends."""
    bank = band_filters()
    reach = bank.shape[1] // 2
    return torch.stack([_correlation(taps, size, range(size), -reach) for taps in bank])


def band_filters() -> np.ndarray:
    """(4, T) symmetric filters of the four bands, whose sum is the unit impulse.

    With the symlet's low-pass H and high-pass G, a = H(z) H(1/z) / 2 and b = G(z) G(1/z) / 2 add up to 1; the bands are
    a(z) a(z^2) a(z^4), a(z) a(z^2) b(z^4), a(z) b(z^2) and b(z).
    """
    low = np.convolve(SYM2, SYM2[::-1]) / 2
    high_pass = np.array(SYM2[::-1]) * (-1.0) ** np.arange(len(SYM2))
    high = np.convolve(high_pass, high_pass[::-1]) / 2
    bands = [
        np.convolve(np.convolve(low, _spread(low, 2)), _spread(low, 4)),
        np.convolve(np.convolve(low, _spread(low, 2)), _spread(high, 4)),
        np.convolve(low, _spread(high, 2)),
        high,
    ]
    length = len(bands[0])
    return np.stack([np.pad(band, (length - len(band)) // 2) for band in bands])


def _spread(taps: np.ndarray, step: int) -> np.ndarray:
    """Zeros between the taps: the filter at z^step."""
    wide = np.zeros((len(taps) - 1) * step + 1)
    wide[::step] = taps
    return wide


def _mirrored(index: np.ndarray, size: int) -> np.ndarray:
    """Index into a row that goes on as its mirror image at both ends, without repeating the border pixel."""
    period = max(2 * (size - 1), 1)
    return np.abs((index + size - 1) % period - (size - 1)) if size > 1 else np.zeros_like(index)


def _correlation(taps: np.ndarray, size: int, starts: Sequence[int], offset: int) -> Tensor:
    """(len(starts), size): correlation of a mirrored row of `size` pixels with taps, from each start + offset on."""
    matrix = np.zeros((len(starts), size))
    for row, start in enumerate(starts):
        np.add.at(matrix[row], _mirrored(np.arange(len(taps)) + start + offset, size), taps)
    return torch.from_numpy(matrix).to(torch.get_default_dtype())


def _doubling(size: int, before: int, after: int) -> Tensor:
    """(2 (before + size + after), size): mirrors a row on both ends and doubles its resolution through the wavelet."""
    taps = 2 * np.array(SYM6) / np.sqrt(2)
    half = len(SYM6) // 4
    even, odd = (
        _correlation(phase, size, range(-before, size + after), offset)
        for phase, offset in ((taps[0::2], -half), (taps[1::2], 1 - half))
    )
    return torch.stack([even, odd], dim=1).flatten(0, 1)


def _halving(size: int) -> Tensor:
    """(size, 2 (size + 2 REACH)): back to the resolution of the image, cropping the border; undoes `_doubling`."""
    taps = np.array(SYM6[::-1]) / np.sqrt(2)
    matrix = torch.zeros(size, 2 * (size + 2 * REACH))
    for row in range(size):
        matrix[row, 2 * row + 1 : 2 * row + 1 + len(taps)] = torch.from_numpy(taps)
    return matrix


def _warp(images: Tensor, inverse: Tensor) -> Tensor:
    height, width = images.shape[2:]
    left, right, top, bottom = _margins(inverse, width, height)
    device = images.device
    # Separable filters as small dense matrices: two products are faster than any convolution of so few channels.
    doubling = place(_doubling(height, top, bottom), device), place(_doubling(width, left, right), device)
    source = doubling[0] @ images.contiguous() @ doubling[1].t()
    target = (height + 2 * REACH) * 2, (width + 2 * REACH) * 2
    y, x = ((torch.arange(size, device=device) + 0.5 - size / 2) / 2 for size in target)  # pixels from the centre
    x, y = x - DELAY, y - DELAY  # where the content of a pixel really is; source and target are off alike
    points = torch.stack([x.expand(target), y[:, None].expand(target), torch.ones(target, device=device)], dim=-1)
    at = torch.einsum("nij,hwj->nhwi", place(inverse[:, :2], device), points) + DELAY  # (N, H', W', 2)
    centre = torch.tensor([left + width / 2, top + height / 2])
    padded = torch.tensor([width + left + right, height + top + bottom])
    grid = (at + place(centre, device)) * 2 / place(padded, device) - 1  # grid_sample counts from -1 to 1
    return place(_halving(height), device) @ sample(source, grid) @ place(_halving(width), device).t()


def _margins(inverse: Tensor, width: int, height: int) -> tuple[int, int, int, int]:
    """How far the batch looks beyond the image: (left, right, top, bottom) in pixels, at most three images."""
    half_w, half_h = width / 2 + REACH, height / 2 + REACH
    corners = torch.tensor([[-half_w, half_w, half_w, -half_w], [-half_h, -half_h, half_h, half_h], [1.0] * 4])
    reached = inverse[:, :2] @ corners  # (N, 2, 4)
    low, high = reached.amin(dim=(0, 2)), reached.amax(dim=(0, 2))
    beyond = torch.stack([-low[0] - width / 2, high[0] - width / 2, -low[1] - height / 2, high[1] - height / 2])
    limit = torch.tensor([width, width, height, height]) * 3
    left, right, top, bottom = (torch.ceil(beyond).clamp(min=0) + 1).minimum(limit).int().tolist()
    return left, right, top, bottom


def sample(images: Tensor, grid: Tensor) -> Tensor:
    """Bilinear sampling, zero outside: (N, C, H, W) at (N, H', W', 2) -> (N, C, H', W'); the grid gets no gradient."""
    result: Tensor = _Sample.apply(images, grid)  # type: ignore[no-untyped-call]
    return result


class _Sample(torch.autograd.Function):
    """Sampling is linear in the image: its gradient is the transposed map, and the gradient of that is sampling again.

    torch's own grid_sample can be differentiated only once, and R1 needs twice.
    """

    @staticmethod
    def forward(ctx: Any, images: Tensor, grid: Tensor) -> Tensor:
        ctx.save_for_backward(grid)
        ctx.shape = images.shape
        return F.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (grid,) = ctx.saved_tensors
        spread: Tensor = _Spread.apply(gradients[0], grid, ctx.shape)  # type: ignore[no-untyped-call]
        return spread, None


class _Spread(torch.autograd.Function):
    """The transpose of `_Sample`."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, grid: Tensor, shape: torch.Size) -> Tensor:
        ctx.save_for_backward(grid)
        unused = values.new_zeros(()).expand(shape)
        spread: Tensor = torch.ops.aten.grid_sampler_2d_backward(
            values.contiguous(), unused, grid, 0, 0, False, (True, False)
        )[0]
        return spread

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (grid,) = ctx.saved_tensors
        return sample(gradients[0], grid), None, None
