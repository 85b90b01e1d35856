"""Adaptive discriminator augmentation: which transformations are drawn, how often, and in which order.

Reference: Karras et al. 2020, "Training Generative Adversarial Networks with Limited Data" (arXiv:2006.06676),
section 2 and appendix B: 18 transformations in 6 groups, each applied with probability p, independently per image.
All are differentiable twice, as R1 needs (see `transforms.py` for how they are carried out).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from types import MappingProxyType

import torch
from torch import Tensor

from defectory.alike import one_of
from defectory.errors import InvalidInput
from services.generator.stylegan2 import transforms
from services.generator.stylegan2.placing import normal, place

GROUPS = ("blit", "geom", "color", "filter", "noise", "cutout")

PRESETS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        **{group: (group,) for group in GROUPS},
        "bg": ("blit", "geom"),
        "bgc": ("blit", "geom", "color"),
        "bgcf": ("blit", "geom", "color", "filter"),
        "bgcfn": ("blit", "geom", "color", "filter", "noise"),
        "bgcfnc": GROUPS,
    }
)

# Strengths, from the paper's appendix B.
TRANSLATE_INT = 0.125  # of the image's side
SCALE_STD = 0.2  # log2
TRANSLATE_STD = 0.125  # of the image's side
BRIGHTNESS_STD = 0.2
CONTRAST_STD = 0.5  # log2
SATURATION_STD = 1.0  # log2
BAND_STD = 1.0  # log2
NOISE_STD = 0.1
CUTOUT_SIZE = 0.5  # of the image's side
BAND_POWER = (10 / 13, 1 / 13, 1 / 13, 1 / 13)  # expected share of a natural image's power (1/f) in the four bands


@dataclass(frozen=True)
class Drawn:
    """What happens to every image of a batch; None: nothing of that group.

    Shapes:
        geometry: (N, 3, 3), see `draw_geometry`; color: (N, 4, 4); bands: (N, 4); sigma: (N,); noise: (N, C, H, W)
        centre: (N, 2) and side: (N,) of what is cut out
    """

    geometry: Tensor | None = None
    color: Tensor | None = None
    bands: Tensor | None = None
    sigma: Tensor | None = None
    noise: Tensor | None = None
    centre: Tensor | None = None
    side: Tensor | None = None

    def rows(self, part: slice) -> "Drawn":
        """Of a part of the batch."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return Drawn(**{name: None if value is None else value[part] for name, value in values.items()})

    def apply(self, images: Tensor) -> Tensor:
        """Carry it out on images (N, C, H, W), on their device.

        Colours are changed where they are: alpha or a mask, the last of 2 or 4 channels, goes through. Bands, noise and
        cut-outs are corruptions of the whole image, that channel included.
        """
        if self.geometry is not None:
            images = transforms.warp(images, self.geometry)
        if self.color is not None:
            images = transforms.recolor(images, self.color)
        if self.bands is not None:
            images = transforms.equalise(images, self.bands)
        if self.sigma is not None and self.noise is not None:
            images = images + self.noise * place(self.sigma, images.device)[:, None, None, None]
        if self.centre is not None and self.side is not None:
            images = transforms.cut_out(images, self.centre, self.side)
        return images


def draw_augmentation(shape: Sequence[int], p: float, preset: str, rng: torch.Generator, device: torch.device) -> Drawn:
    """Draw what happens to a batch.

    Args:
        shape: of the images, (N, C, H, W), C 1 to 4.
        p: probability of each transformation, in [0, 1].
        preset: a name in `PRESETS`.
        rng: the only source of randomness, on the CPU.
        device: of the images.

    Raises:
        InvalidInput: an unknown preset.
    """
    if preset not in PRESETS:
        right = one_of(preset, PRESETS)
        raise InvalidInput(f"there is no augmentation preset {preset!r}: {right}", {"augment_preset": right})
    if p <= 0:
        return Drawn()
    groups = PRESETS[preset]
    n, channels, height, width = shape
    draw = Draw(n, p, rng)
    drawn: dict[str, Tensor] = {}
    if "blit" in groups or "geom" in groups:
        drawn["geometry"] = draw_geometry(draw, groups, width, height)
    if "color" in groups:
        drawn["color"] = draw_color(draw, channels)
    if "filter" in groups:
        drawn["bands"] = draw_bands(draw)
    if "noise" in groups:
        drawn["sigma"] = draw.gated(draw.normal().abs() * NOISE_STD, 0.0)
        drawn["noise"] = normal(shape, rng, device)
    if "cutout" in groups:
        drawn["side"] = draw.gated(torch.full((n,), CUTOUT_SIZE), 0.0)
        drawn["centre"] = torch.stack([draw.uniform(), draw.uniform()], dim=1)
    return Drawn(**drawn)


def augment(images: Tensor, p: float, preset: str, rng: torch.Generator) -> Tensor:
    """Transform every image with the groups of a preset; with p 0 they are returned as they are."""
    return draw_augmentation(images.shape, p, preset, rng, images.device).apply(images)


class Draw:
    """Random parameters of a batch, each replaced by its neutral value with probability 1 - p."""

    def __init__(self, n: int, p: float, rng: torch.Generator) -> None:
        self.n = n
        self.p = p
        self._rng = rng

    def uniform(self, low: float = 0.0, high: float = 1.0) -> Tensor:
        """(N,) in [low, high)."""
        return low + (high - low) * torch.rand(self.n, generator=self._rng)

    def normal(self) -> Tensor:
        """(N,) standard normal."""
        return torch.randn(self.n, generator=self._rng)

    def integer(self, below: int) -> Tensor:
        """(N,) in {0, …, below - 1}, as floats."""
        return torch.floor(self.uniform() * below)

    def log2_normal(self, std: float) -> Tensor:
        """(N,) whose log2 is normal."""
        return torch.exp2(self.normal() * std)

    def gated(self, value: Tensor, neutral: float, p: float | None = None) -> Tensor:
        """The value with probability p, else the neutral one."""
        return torch.where(self.uniform() < (self.p if p is None else p), value, torch.full_like(value, neutral))


def draw_geometry(draw: Draw, groups: tuple[str, ...], width: int, height: int) -> Tensor:
    """Draw what happens to the image plane.

    Returns:
        (N, 3, 3): source point of every target point, homogeneous, in pixels from the image's centre, y downwards.
    """
    # The target point is G times the source point; its inverse is what the resampling needs. Inverses multiply from the
    # right, in the paper's order.
    inverse = torch.eye(3).expand(draw.n, 3, 3)
    if "blit" in groups:
        flip = draw.gated(draw.integer(2), 0)
        inverse = inverse @ scaling(1 - 2 * flip, torch.ones(draw.n))
        quarter = draw.gated(draw.integer(4), 0)
        inverse = inverse @ rotation(-math.pi / 2 * quarter)
        shift = [draw.uniform(-TRANSLATE_INT, TRANSLATE_INT), draw.uniform(-TRANSLATE_INT, TRANSLATE_INT)]
        apply = draw.gated(torch.ones(draw.n), 0)
        inverse = inverse @ translation(-torch.round(shift[0] * width) * apply, -torch.round(shift[1] * height) * apply)
    if "geom" in groups:
        scale = draw.gated(draw.log2_normal(SCALE_STD), 1)
        inverse = inverse @ scaling(1 / scale, 1 / scale)
        p_rotation = 1 - math.sqrt(1 - draw.p)  # before and after the stretch: p in all
        inverse = inverse @ rotation(-draw.gated(draw.uniform(-math.pi, math.pi), 0, p_rotation))
        stretch = draw.gated(draw.log2_normal(SCALE_STD), 1)
        inverse = inverse @ scaling(1 / stretch, stretch)
        inverse = inverse @ rotation(-draw.gated(draw.uniform(-math.pi, math.pi), 0, p_rotation))
        apply = draw.gated(torch.ones(draw.n), 0)
        inverse = inverse @ translation(
            -draw.normal() * TRANSLATE_STD * width * apply, -draw.normal() * TRANSLATE_STD * height * apply
        )
    return inverse


def draw_color(draw: Draw, channels: int) -> Tensor:
    """Draw an affine map of colours: (N, 4, 4), applied to (r, g, b, 1)."""
    identity = torch.eye(4).expand(draw.n, 4, 4)
    luma = torch.tensor([1.0, 1.0, 1.0, 0.0]) / math.sqrt(3)
    along = torch.outer(luma, luma)  # projection on the axis of grey
    brightness = draw.gated(draw.normal() * BRIGHTNESS_STD, 0)
    shift = torch.zeros(draw.n, 4, 4)
    shift[:, :3, 3] = brightness[:, None]
    color = identity + shift
    contrast = draw.gated(draw.log2_normal(CONTRAST_STD), 1)
    color = torch.diag_embed(torch.stack([contrast, contrast, contrast, torch.ones(draw.n)], dim=1)) @ color
    flip = draw.gated(draw.integer(2), 0)
    color = (identity - 2 * along * flip[:, None, None]) @ color
    if channels >= 3:  # grey has neither hue nor saturation
        hue = draw.gated(draw.uniform(-math.pi, math.pi), 0)
        color = rotation_about(luma[:3], hue) @ color
        saturation = draw.gated(draw.log2_normal(SATURATION_STD), 1)
        color = (along + (torch.eye(4) - along) * saturation[:, None, None]) @ color
        color = color.clone()
        color[:, 3] = torch.tensor([0.0, 0.0, 0.0, 1.0])
    return color


def draw_bands(draw: Draw) -> Tensor:
    """Draw gains of the four frequency bands, (N, 4); the expected power of the image stays what it was."""
    gains = torch.ones(draw.n, 4)
    power = torch.tensor(BAND_POWER)
    for band in range(4):
        one = torch.ones(draw.n, 4)
        one[:, band] = draw.gated(draw.log2_normal(BAND_STD), 1)
        gains = gains * one / (power * one.square()).sum(dim=1, keepdim=True).sqrt()
    return gains


def scaling(x: Tensor, y: Tensor) -> Tensor:
    """(N,), (N,) -> (N, 3, 3)."""
    return torch.diag_embed(torch.stack([x, y, torch.ones_like(x)], dim=1))


def translation(x: Tensor, y: Tensor) -> Tensor:
    """(N,), (N,) in pixels -> (N, 3, 3)."""
    matrix = torch.eye(3).repeat(len(x), 1, 1)
    matrix[:, 0, 2], matrix[:, 1, 2] = x, y
    return matrix


def rotation(angle: Tensor) -> Tensor:
    """(N,) in radians -> (N, 3, 3)."""
    matrix = torch.eye(3).repeat(len(angle), 1, 1)
    cos, sin = angle.cos(), angle.sin()
    matrix[:, 0, 0], matrix[:, 0, 1], matrix[:, 1, 0], matrix[:, 1, 1] = cos, -sin, sin, cos
    return matrix


def rotation_about(axis: Tensor, angle: Tensor) -> Tensor:
    """Rodrigues' formula: unit axis (3,), angles (N,) in radians -> (N, 4, 4)."""
    x, y, z = axis.tolist()
    cross = torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
    matrix = torch.eye(4).repeat(len(angle), 1, 1)
    matrix[:, :3, :3] = cos * torch.eye(3) + sin * cross + (1 - cos) * torch.outer(axis, axis)
    return matrix
