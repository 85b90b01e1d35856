"""Style mixing: a grid of pictures whose chosen styles come from one seed and all others from another.

Reference: Karras et al. 2019 (arXiv:1812.04948), section 3.1 and figure 3.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from defectory.errors import InvalidInput
from defectory.imaging.sheet import contact_sheet
from defectory.job_settings.rendering import HALF_RESOLUTIONS, Precision
from services.generator import latents
from services.generator.stylegan2.networks import Generator
from services.generator.stylegan2.precision import use_precision
from services.generator.synthesis import SEED_LIMIT

MAX_SIDE = 32  # seeds a row or column

Progress = Callable[[int, int], None]  # pictures done, pictures in all; may raise to stop


@dataclass(frozen=True)
class MixSettings:
    """Rows give the styles of `styles` (counted from the coarsest, 0), columns all others."""

    rows: tuple[int, ...]
    columns: tuple[int, ...]
    styles: tuple[int, ...]
    truncation_psi: float = 1.0
    truncation_cutoff: int | None = None  # styles that are truncated, the coarsest; None: all
    precision: Precision = "fp32"  # of the highest resolutions
    half_resolutions: int = HALF_RESOLUTIONS  # how many of them
    classes: tuple[int, ...] = ()  # of the rows and of the columns; none: seed modulo classes


def check(settings: MixSettings) -> None:
    """See that every setting is in its range, as far as that does not depend on the network.

    Raises:
        InvalidInput: names every field that is not.
    """
    wrong = {}
    for name, seeds in (("rows", settings.rows), ("columns", settings.columns)):
        if not 1 <= len(seeds) <= MAX_SIDE or not all(0 <= seed < SEED_LIMIT for seed in seeds):
            wrong[name] = f"a list of {len(seeds)} seeds: 1 to {MAX_SIDE}, each from 0 to 2^32 - 1"
    if not settings.styles or len(set(settings.styles)) < len(settings.styles) or min(settings.styles) < 0:
        wrong["styles"] = f"{list(settings.styles)}: one or more, all different, from 0 on"
    if wrong:
        raise InvalidInput("; ".join(f"{k} is {v}" for k, v in wrong.items()), wrong)


def check_styles(settings: MixSettings, count: int) -> None:
    """See that the network has the styles.

    Args:
        count: styles of the network: two a resolution.

    Raises:
        InvalidInput: it has fewer.
    """
    if max(settings.styles) >= count:
        right = f"0 to {count - 1}: two a resolution, from 4 px on"
        raise InvalidInput(f"styles is {list(settings.styles)}: {right}", {"styles": right})


def mix(generator: Generator, settings: MixSettings, progress: Progress) -> np.ndarray:
    """The grid: the columns' own pictures above, the rows' own at the left, at each crossing the mixture.

    Shapes:
        returns ((1 + rows) R, (1 + columns) R, C) uint8, the corner black
    """
    use_precision(generator, settings.precision, settings.half_resolutions)
    rows, columns = len(settings.rows), len(settings.columns)
    seeds = [*settings.columns, *settings.rows]
    classes: list[int] = []
    if settings.classes:
        of_rows, of_columns = settings.classes
        classes = [of_columns] * columns + [of_rows] * rows
    w = latents.w_of_seeds(generator, seeds, classes)
    own = generator.styles_of(w, settings.truncation_psi, settings.truncation_cutoff)
    total = len(seeds) + rows * columns
    progress(0, total)
    shown = latents.pictures(generator, own)
    top, left = shown[:columns], shown[columns:]
    lines = [np.concatenate([np.zeros_like(top[:1]), top])]
    chosen = torch.tensor(settings.styles)
    for number in range(rows):
        progress(len(seeds) + number * columns, total)
        mixed = own[:columns].clone()
        mixed[:, chosen] = own[columns + number, chosen]
        lines.append(np.concatenate([left[number : number + 1], latents.pictures(generator, mixed)]))
    progress(total, total)
    return contact_sheet(np.concatenate(lines), columns + 1)
