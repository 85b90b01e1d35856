"""How far a device's pictures and gradients lie from those of a CPU in double precision, second derivatives too.

Everything that is drawn is drawn once, on the CPU, and given to both.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bench.gpu.works import AUGMENT_P, SEED, Work
from defectory.job_settings.rendering import HALF_RESOLUTIONS, Precision
from services.generator.stylegan2 import loss
from services.generator.stylegan2.augment import draw_augmentation
from services.generator.stylegan2.networks import Discriminator, Generator, build
from services.generator.stylegan2.precision import CLAMP, use_precision
from services.generator.training.device import configure

COLUMNS = ("what", "fp32 off", "at most", "fp16 off", "at most", "right")
AT_MOST: Mapping[str, tuple[float, float]] = {  # as shares of the double-precision value's norm, in fp32 and in fp16
    "pictures": (1e-4, 0.02),
    "logits": (1e-3, 0.05),
    "gradients of G": (1e-3, 0.1),
    "gradients of D": (1e-3, 0.1),
    "gradients of the path length, second derivatives": (5e-3, 0.2),
    "gradients of R1, second derivatives": (5e-3, 0.2),
}


@dataclass(frozen=True)
class Drawn:
    """What is drawn for a comparison, on the CPU.

    Shapes:
        z: (N, Z); noise: a (N, 1, R, R) for each layer; real, direction: (N, 3, R, R)
    """

    z: Tensor
    noise: Sequence[Tensor]
    real: Tensor
    direction: Tensor

    def to(self, device: str, dtype: torch.dtype) -> "Drawn":
        """The same numbers there."""
        z, real, direction = (x.to(device, dtype) for x in (self.z, self.real, self.direction))
        return Drawn(z, [layer.to(device, dtype) for layer in self.noise], real, direction)


def compare(work: Work, device: str) -> tuple[list[list[str]], bool]:
    """The table's rows, and whether all is within its bound."""
    configure(torch.device(device, 0) if device == "cuda" else torch.device(device), tf32=False)
    architecture = work.architecture.model_copy(update={"conv_clamp": CLAMP})
    networks, drawn = build(architecture, SEED), _drawn(work, build(architecture, SEED)[0])
    exact = _values(networks, drawn, "cpu", torch.float64, "fp32")
    plain = _values(networks, drawn, device, torch.float32, "fp32")
    half = _values(networks, drawn, device, torch.float32, "fp16") if device == "cuda" else plain
    rows, right = [], True
    for name, (most, most_half) in AT_MOST.items():
        off, off_half = _off(plain[name], exact[name]), _off(half[name], exact[name])
        within = off <= most and off_half <= most_half
        right = right and within
        rows.append([name, f"{off:.1e}", f"{most:g}", f"{off_half:.1e}", f"{most_half:g}", "yes" if within else "NO"])
    return rows, right


def _drawn(work: Work, generator: Generator) -> Drawn:
    rng = torch.Generator().manual_seed(SEED)
    image = work.batch, 3, work.resolution_px, work.resolution_px
    noise = [torch.randn(work.batch, 1, side, side, generator=rng) for side in generator.synthesis.noise_sizes]
    z = torch.randn(work.batch, work.architecture.z_dim, generator=rng)
    return Drawn(z, noise, torch.rand(image, generator=rng) * 2 - 1, torch.randn(image, generator=rng))


def _values(
    networks: tuple[Generator, Discriminator], drawn: Drawn, device: str, dtype: torch.dtype, precision: Precision
) -> dict[str, Tensor]:
    """Everything that is compared, computed there, in float64 on the CPU."""
    g, d = (copy.deepcopy(network).to(device, dtype) for network in networks)
    for network in (g, d):
        use_precision(network, precision, HALF_RESOLUTIONS)
    at = drawn.to(device, dtype)
    ws = g.mapping(at.z)[:, None].expand(-1, g.architecture.styles, -1)
    images = g.synthesis(ws, at.noise)
    logits = d(_augmented(images, device))
    compared = {"pictures": images, "logits": logits}
    compared["gradients of G"] = _gradients(loss.generator_loss(logits), g)
    fake = images.detach()
    seen = d(torch.cat([_augmented(at.real, device), _augmented(fake, device)]), sets=2)
    compared["gradients of D"] = _gradients(loss.discriminator_loss(*seen.chunk(2)), d)
    ws = g.mapping(at.z)[:, None].expand(-1, g.architecture.styles, -1)
    lengths = loss.path_lengths(g.synthesis(ws, at.noise), ws, at.direction)
    penalty, _ = loss.path_length_penalty(lengths, torch.zeros((), device=device, dtype=dtype), 2.0)
    compared["gradients of the path length, second derivatives"] = _gradients(penalty, g)
    real = at.real.clone().requires_grad_()
    compared["gradients of R1, second derivatives"] = _gradients(
        loss.r1_penalty(real, d(_augmented(real, device)), 1.0), d
    )
    return {name: value.detach().to("cpu", torch.float64) for name, value in compared.items()}


def _augmented(images: Tensor, device: str) -> Tensor:
    """The same augmentation on every device, in single precision, as it is in a training."""
    rng = torch.Generator().manual_seed(SEED)
    where = images.device
    drawn = draw_augmentation(tuple(images.shape), AUGMENT_P, "bgc", rng, where)
    return drawn.apply(images.float()).to(images.dtype)


def _gradients(value: Tensor, network: nn.Module) -> Tensor:
    gradients = torch.autograd.grad(value, list(network.parameters()), retain_graph=True, allow_unused=True)
    return torch.cat([gradient.flatten() for gradient in gradients if gradient is not None])


def _off(value: Tensor, exact: Tensor) -> float:
    return float((value - exact).norm() / exact.norm())
