"""Seeds to pixels: each image depends on its own seed and settings only, whatever else is in its batch.

Latents follow the field's convention: z = numpy.random.RandomState(seed).randn(1, z_dim). Noise "random" comes from a
second stream of the same seed. Every batch is filled up to one size, so that each convolution runs the same way.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from defectory.errors import FailedPrecondition
from defectory.job_settings.rendering import NoiseMode
from services.generator.stylegan2.networks import Architecture, Generator, Noise
from services.generator.stylegan2.placing import place

NOISE_STREAM = 1
HALF = 127  # a mask's value above which it shows a defect


class NotFinite(FailedPrecondition):
    """A network's values are not finite: its weights, or what it makes of them."""


def batch_size(resolution_px: int) -> int:
    """Images computed together: fixed by the resolution, because pixels must not depend on how many are asked for."""
    return 16 if resolution_px <= 128 else 4 if resolution_px <= 256 else 2


def render(
    generator: Generator,
    seeds: Sequence[int],
    *,
    truncation_psi: float,
    truncation_cutoff: int | None = None,
    noise_mode: NoiseMode,
    label: int | Sequence[int] | None = None,
    look: Callable[[], None] = lambda: None,
) -> np.ndarray:
    """Images of the seeds, of a class-conditional network those of a class, or each of its own.

    Without one, seed s gets s modulo classes. With a cutoff only so many styles, the coarsest, are truncated.
    `look` is called before every batch, and may raise.

    Shapes:
        seeds: N numbers in [0, 2^32); returns (N, R, R, C) uint8
    """
    size = batch_size(generator.architecture.resolution_px)
    every_label = [label] * len(seeds) if isinstance(label, int) else label or ()
    parts = []
    for start in range(0, len(seeds), size):
        look()
        part = slice(start, start + size)
        parts.append(
            _render(generator, seeds[part], every_label[part], size, truncation_psi, truncation_cutoff, noise_mode)
        )
    return np.concatenate(parts)


def colours_of(images: np.ndarray, architecture: Architecture) -> np.ndarray:
    """A network's images (…, C) without their masks, where they have some: what of them is a picture."""
    return images[..., : architecture.colours]


def defect_of(images: np.ndarray) -> np.ndarray:
    """Where the masks of images (…, C), their last channel, show a defect: bool (…)."""
    return images[..., -1] > HALF


def latents_of(seeds: Sequence[int], size: int) -> np.ndarray:
    """(N, size) the latents z of seeds."""
    random = np.random.RandomState()  # one for all: to make one takes longer than all the rest
    rows = []
    for seed in seeds:
        random.seed(seed)
        rows.append(random.randn(size))
    return np.stack(rows)


def classes_of(generator: Generator, seeds: Sequence[int], chosen: Sequence[int] = ()) -> Tensor | None:
    """(N,) int64 the class of each seed: the chosen ones, or s modulo classes of seed s; None for a network without."""
    count = generator.architecture.classes
    return torch.tensor(chosen or [seed % count for seed in seeds]) if count else None


def to_pixels(images: Tensor) -> np.ndarray:
    """Network output (N, C, R, R) in [-1, 1] as pixels (N, R, R, C) uint8.

    Raises:
        NotFinite: a value is not, as behind an overflow in fp16.
    """
    if not bool(torch.isfinite(images).all()):
        raise NotFinite(
            "a picture is not finite: weights that are not, or activations beyond what fp16 holds; use bf16 or fp32"
        )
    pixels = (images.detach() * 127.5 + 128).clamp_(0, 255).to(torch.uint8)
    return pixels.permute(0, 2, 3, 1).contiguous().cpu().numpy()


@torch.inference_mode()
def _render(
    generator: Generator,
    seeds: Sequence[int],
    labels: Sequence[int],
    size: int,
    truncation_psi: float,
    truncation_cutoff: int | None,
    noise_mode: NoiseMode,
) -> np.ndarray:
    filled, filled_labels = _filled(seeds, size), _filled(labels, size)
    z = latents_of(filled, generator.architecture.z_dim)
    device = generator.mapping.w_average.device
    noise: Noise = noise_mode if noise_mode != "random" else [place(x, device) for x in _noise(generator, filled)]
    classes = classes_of(generator, filled, filled_labels)
    classes = None if classes is None else place(classes, device)
    images = generator(
        place(torch.from_numpy(z).float(), device),
        classes,
        truncation_psi=truncation_psi,
        truncation_cutoff=truncation_cutoff,
        noise=noise,
    )
    return to_pixels(images[: len(seeds)])


def _filled(numbers: Sequence[int], size: int) -> list[int]:
    """The numbers, if there are any, and the last one until there are enough."""
    return [*numbers, *([*numbers[-1:]] * (size - len(numbers)))]


def _noise(generator: Generator, seeds: Sequence[int]) -> list[Tensor]:
    """One (N, 1, R, R) a layer, each row from its own seed."""
    sizes = generator.synthesis.noise_sizes
    streams = [np.random.default_rng([seed, NOISE_STREAM]) for seed in seeds]
    drawn = [[stream.standard_normal((1, side, side), np.float32) for side in sizes] for stream in streams]
    return [torch.from_numpy(np.stack(layer)) for layer in zip(*drawn, strict=True)]
