"""The random numbers of a phase, drawn for the whole batch at once, and their rows for a part of it.

What is drawn depends on seed and step only, not on how a batch is cut up or on how many processes train.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from services.generator.stylegan2.networks import Generator
from services.generator.stylegan2.placing import normal, place


@dataclass(frozen=True)
class Latents:
    """What generated images are made from.

    Shapes:
        z, mixed: (N, Z), the second from style `crossover` on, or None; classes: (N,) int64 or None
        noise: a (N, 1, R, R) for each layer
    """

    z: Tensor
    mixed: Tensor | None
    crossover: int
    noise: Sequence[Tensor]
    classes: Tensor | None

    def rows(self, part: slice) -> "Latents":
        """Of a part of the batch."""
        return Latents(
            self.z[part],
            None if self.mixed is None else self.mixed[part],
            self.crossover,
            [layer[part] for layer in self.noise],
            None if self.classes is None else self.classes[part],
        )

    def synthesise(self, generator: Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Images (N, C, R, R), the latents (N, styles, D) that they are made from, and w (N, D) before mixing."""
        styles = generator.architecture.styles
        w = generator.mapping(self.z, self.classes)
        ws = w[:, None].expand(-1, styles, -1)
        if self.mixed is not None:
            other = generator.mapping(self.mixed, self.classes)[:, None].expand(-1, styles - self.crossover, -1)
            ws = torch.cat([ws[:, : self.crossover], other], dim=1)
        images: Tensor = generator.synthesis(ws, self.noise)
        return images, ws, w.detach()


def draw_latents(
    generator: Generator,
    count: int,
    style_mixing: float,
    real_classes: Tensor | None,
    rng: torch.Generator,
    device: torch.device,
) -> Latents:
    """Draw for a batch.

    Args:
        style_mixing: probability that the batch mixes two styles.
        real_classes: (M,) int64 of all training images, from which classes are drawn as often as they come; or None.
        rng: the only source of randomness, on the CPU.
    """
    size, styles = generator.architecture.z_dim, generator.architecture.styles
    z = torch.randn(count, size, generator=rng)
    mixed, crossover = None, styles
    if float(torch.rand((), generator=rng)) < style_mixing:
        crossover = int(torch.randint(1, styles, (), generator=rng))
        mixed = place(torch.randn(count, size, generator=rng), device)
    noise = [normal((count, 1, side, side), rng, device) for side in generator.synthesis.noise_sizes]
    classes = None
    if real_classes is not None:
        classes = place(real_classes[torch.randint(len(real_classes), (count,), generator=rng)], device)
    return Latents(place(z, device), mixed, crossover, noise, classes)
