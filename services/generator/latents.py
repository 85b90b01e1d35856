"""Moving in latent space: w of seeds, ways from one latent to the next, pictures of any w.

References: Karras et al. 2019 (arXiv:1812.04948): W is less entangled than Z, section 4.1; White 2016, "Sampling
Generative Networks" (arXiv:1609.04468): spherical interpolation in Z, whose Gaussian lies near a sphere.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from services.generator.rendering import batch_size, classes_of, colours_of, latents_of, to_pixels
from services.generator.stylegan2.networks import Generator
from services.generator.stylegan2.placing import place


def z_of(generator: Generator, seeds: Sequence[int]) -> Tensor:
    """(N, Z) the latents of seeds, where the generator is."""
    z = torch.from_numpy(latents_of(seeds, generator.architecture.z_dim)).float()
    return place(z, generator.mapping.w_average.device)


@torch.inference_mode()
def w_of(generator: Generator, z: Tensor, classes: Tensor | None = None) -> Tensor:
    """Intermediate latents (N, W) of latents (N, Z), and of classes (N,) where the network has some."""
    device = generator.mapping.w_average.device
    w: Tensor = generator.mapping(place(z, device), None if classes is None else place(classes, device))
    return w


def w_of_seeds(generator: Generator, seeds: Sequence[int], classes: Sequence[int] = ()) -> Tensor:
    """(N, W) of seeds, of N chosen classes or each of its own."""
    return w_of(generator, z_of(generator, seeds), classes_of(generator, seeds, classes))


@torch.inference_mode()
def pictures(generator: Generator, ws: Tensor) -> np.ndarray:
    """Pictures of styles, without masks, with constant noise; in batches of one size, so company changes no byte.

    Shapes:
        ws: (N, styles, W); returns (N, R, R, C) uint8
    """
    size = batch_size(generator.architecture.resolution_px)
    parts = []
    for start in range(0, len(ws), size):
        part = ws[start : start + size]
        filled = torch.cat([part, part[-1:].expand(size - len(part), -1, -1)])
        parts.append(to_pixels(generator.synthesis(filled, "const")[: len(part)]))
    return colours_of(np.concatenate(parts), generator.architecture)


def lerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """The straight way from a (N, D) to b (N, D): t (N, 1) in [0, 1]."""
    return a + t * (b - a)


def slerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """The way from a (N, D) to b (N, D) along the sphere, lengths in proportion: t (N, 1) in [0, 1]."""
    length_a, length_b = a.norm(dim=1, keepdim=True), b.norm(dim=1, keepdim=True)
    unit_a, unit_b = a / length_a, b / length_b
    angle = torch.arccos((unit_a * unit_b).sum(dim=1, keepdim=True).clamp(-1, 1))
    sine = torch.sin(angle)
    along = (torch.sin((1 - t) * angle) * unit_a + torch.sin(t * angle) * unit_b) / sine
    straight = sine < 1e-6  # the same direction: there is no sphere to go along
    return torch.where(straight, lerp(a, b, t), along * lerp(length_a, length_b, t))
