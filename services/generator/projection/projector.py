"""Finds the w (and the noise) of pictures by descent.

Reference: Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN" (arXiv:1912.04958), section 5 and
appendix D: start at the mean of w, noise on w that ends after three quarters, learning rate with a ramp at both ends,
and a penalty that keeps the noise white, lest the picture hides in it. The distance is our own (`distance`).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from services.generator import latents
from services.generator.projection.distance import PictureDistance
from services.generator.rendering import classes_of
from services.generator.stylegan2.networks import Generator
from services.generator.stylegan2.placing import normal

W_SAMPLES = 10_000
LEARNING_RATE = 0.1
RAMP_UP, RAMP_DOWN = 0.05, 0.25  # shares of the steps
W_NOISE, W_NOISE_END = 0.05, 0.75  # in deviations of w; share of the steps at which it is gone
NOISE_PENALTY = 1e5
SMALLEST_NOISE_PX = 8

Progress = Callable[[int, int, Tensor], None]  # steps done, steps in all, distances (N,); may raise to stop


@dataclass(frozen=True)
class Projection:
    """What was found for N pictures."""

    w: Tensor  # (N, W)
    noise: list[Tensor]  # (N, 1, R, R) a layer
    images: Tensor  # (N, C, R, R), nominally in [-1, 1]
    distances: Tensor  # (N,)


def project(
    generator: Generator,
    targets: Tensor,
    distance: PictureDistance,
    steps: int,
    seed: int,
    progress: Progress,
    class_index: int | None = None,
) -> Projection:
    """Search for every target by itself, all at once.

    Args:
        targets: (N, C, R, R) in [-1, 1], where the generator is.
        distance: to these targets.
        seed: of the mean of w and of the noise.
        class_index: of the class whose mean of w the search starts from; None: that of all classes.
    """
    rng = torch.Generator().manual_seed(seed)
    mean, deviation = w_statistics(generator, rng, class_index)
    w, device = mean.repeat(len(targets), 1).requires_grad_(), mean.device
    noise = [normal((len(targets), 1, s, s), rng, device).requires_grad_() for s in generator.synthesis.noise_sizes]
    optimiser = torch.optim.Adam([w, *noise], betas=(0.9, 0.999), foreach=True)
    for step in range(steps):
        share = step / steps
        optimiser.param_groups[0]["lr"] = learning_rate(share)
        spread = deviation * W_NOISE * max(0.0, 1 - share / W_NOISE_END) ** 2
        moved = w + spread * normal(w.shape, rng, device)
        distances = distance(generator.synthesis(generator.styles_of(moved), noise))
        loss = distances.sum() + NOISE_PENALTY * sum(whiteness(x) for x in noise)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        with torch.no_grad():
            for x in noise:
                x.sub_(x.mean(dim=(2, 3), keepdim=True)).mul_(x.square().mean(dim=(2, 3), keepdim=True).rsqrt())
        progress(step + 1, steps, distances.detach())
    with torch.no_grad():
        images = generator.synthesis(generator.styles_of(w), noise)
        return Projection(w.detach(), [x.detach() for x in noise], images, distance(images))


def w_statistics(generator: Generator, rng: torch.Generator, class_index: int | None = None) -> tuple[Tensor, float]:
    """Mean (W,) of w over many z, and a class or all of them; root of the mean square distance to it."""
    chosen = () if class_index is None else (class_index,) * W_SAMPLES
    with torch.inference_mode():
        z = torch.randn(W_SAMPLES, generator.architecture.z_dim, generator=rng)
        w = latents.w_of(generator, z, classes=classes_of(generator, range(W_SAMPLES), chosen))
        mean = w.mean(dim=0)
        deviation = float((w - mean).square().sum(dim=1).mean().sqrt())
    return mean.clone(), deviation


def learning_rate(share: float) -> float:
    """At a share of the steps: linear up, cosine down."""
    down = 0.5 - 0.5 * math.cos(math.pi * min(1.0, (1 - share) / RAMP_DOWN))
    return LEARNING_RATE * down * min(1.0, share / RAMP_UP)


def whiteness(noise: Tensor) -> Tensor:
    """How much noise (N, 1, R, R) resembles itself one pixel on, at halving sizes; 0 for white noise."""
    total = torch.zeros((), device=noise.device)
    while True:
        for axis in (2, 3):
            total = total + (noise * noise.roll(1, dims=axis)).mean(dim=(1, 2, 3)).square().sum()
        if noise.shape[-1] <= SMALLEST_NOISE_PX:
            return total
        noise = F.avg_pool2d(noise, 2) * 2  # 2: white noise keeps its deviation


def psnr_db(a: Tensor, b: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of pictures (N, C, R, R) in [-1, 1] in decibels: (N,)."""
    error = (a.clamp(-1, 1) - b.clamp(-1, 1)).square().mean(dim=(1, 2, 3)).clamp(min=1e-10)
    return 10 * torch.log10(4 / error)
