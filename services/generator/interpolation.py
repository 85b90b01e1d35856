"""A film from seed to seed: how the network's pictures change between them shows what it has learned to vary."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from defectory.errors import InvalidInput
from defectory.job_settings.rendering import HALF_RESOLUTIONS, Precision
from services.generator import latents
from services.generator.rendering import batch_size, classes_of
from services.generator.stylegan2.networks import Generator
from services.generator.stylegan2.placing import place
from services.generator.stylegan2.precision import use_precision
from services.generator.synthesis import SEED_LIMIT

Space = Literal["w", "z"]
SPACES = ("w", "z")
MAX_STOPS, MAX_FRAMES, MAX_FPS = 64, 3600, 60.0
MAX_BYTES = 2**30  # of all frames' pixels: they are in memory together

Progress = Callable[[int, int], None]  # frames done, frames in all; may raise to stop


@dataclass(frozen=True)
class InterpolationSettings:
    """From each seed to the next, `frames` in all, at equal steps."""

    seeds: tuple[int, ...]
    frames: int
    space: Space = "w"
    loop: bool = False
    truncation_psi: float = 1.0
    truncation_cutoff: int | None = None  # styles that are truncated, the coarsest; None: all
    precision: Precision = "fp32"  # of the highest resolutions
    half_resolutions: int = HALF_RESOLUTIONS  # how many of them
    classes: tuple[int, ...] = ()  # of each seed; none: seed modulo classes


def check(settings: InterpolationSettings) -> None:
    """See that every setting is in its range.

    Raises:
        InvalidInput: names every field that is not.
    """
    wrong = {}
    if not 2 <= len(settings.seeds) <= MAX_STOPS or not all(0 <= seed < SEED_LIMIT for seed in settings.seeds):
        wrong["seeds"] = f"a list of {len(settings.seeds)}: 2 to {MAX_STOPS}, each from 0 to 2^32 - 1"
    if not len(settings.seeds) <= settings.frames <= MAX_FRAMES:
        wrong["frames"] = f"{settings.frames}: {len(settings.seeds)} (one a seed) to {MAX_FRAMES}"
    if settings.space not in SPACES:
        wrong["space"] = f"{settings.space!r}: use {' or '.join(SPACES)}"
    if settings.space == "z" and len(set(settings.classes)) > 1:
        wrong["class_labels"] = "several classes, between which there is no way in z: give one, or use space w"
    if wrong:
        raise InvalidInput("; ".join(f"{k} is {v}" for k, v in wrong.items()), wrong)


def check_size(settings: InterpolationSettings, resolution_px: int, channels: int) -> None:
    """See that the frames fit into memory.

    Raises:
        InvalidInput: they do not; says how many would.
    """
    most = MAX_BYTES // (resolution_px**2 * channels)
    if settings.frames > most:
        right = f"at most {most} of {resolution_px} px"
        raise InvalidInput(f"frames is {settings.frames}: {right}", {"frames": right})


def interpolate(generator: Generator, settings: InterpolationSettings, progress: Progress) -> np.ndarray:
    """The frames of the film.

    In "w" the way is straight, also from class to class; in "z" it follows the sphere, in the class of the first seed
    where the network has classes. A film that loops ends a step before its first frame.

    Shapes:
        returns (T, R, R, C) uint8
    """
    use_precision(generator, settings.precision, settings.half_resolutions)
    in_w = settings.space == "w"
    if in_w:
        stops = latents.w_of_seeds(generator, settings.seeds, settings.classes)
    else:
        stops = latents.z_of(generator, settings.seeds)
    ways = along(stops, settings.frames, settings.loop, settings.space)
    size = batch_size(generator.architecture.resolution_px)
    frames = []
    for start in range(0, settings.frames, size):
        progress(start, settings.frames)
        part = ways[start : start + size]
        classes = classes_of(generator, settings.seeds[:1] * len(part), settings.classes[:1] * len(part))
        w = part if in_w else latents.w_of(generator, part, classes)
        ws = generator.styles_of(w, settings.truncation_psi, settings.truncation_cutoff)
        frames.append(latents.pictures(generator, ws))
    progress(settings.frames, settings.frames)
    return np.concatenate(frames)


def along(stops: Tensor, frames: int, loop: bool, space: Space) -> Tensor:
    """Latents (T, D) at equal steps along the way through stops (N, D)."""
    if loop:
        stops = torch.cat([stops, stops[:1]])
    moment = torch.arange(frames, dtype=torch.float64) * (len(stops) - 1) / (frames if loop else frames - 1)
    first = moment.floor().clamp(max=len(stops) - 2).long()
    t = place((moment - first).float()[:, None], stops.device)
    return (latents.lerp if space == "w" else latents.slerp)(stops[first], stops[first + 1], t)
