"""Whether the border of an edit gives it away: a probe compares it with the border of the same defect where it is real.

Each pair is a defect as it was set, and the same one in its own photograph. Of both a few figures are taken along the
border, each relative to the ground farther out, and a shrinkage LDA tells the two kinds apart on pairs that it has not
seen (`defectory.probe`): 0.5 not at all, 1 always.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from defectory.probe import Sample, probe
from orchestrator.edits.drawing import Plan
from orchestrator.edits.operations import Picture, region_mask
from orchestrator.edits.patches import MARGIN_PX

# Distances in px from a mask's edge, outwards. The last is what the others are relative to. Inside the mask is the
# defect, whose size and contrast a recipe changes on purpose.
BANDS = ((0.0, 1.5), (1.5, 3.0), (3.0, 5.0), (5.0, 7.5), (7.5, 11.0), (11.0, 18.0))
LEVEL = 100.0  # of the ground, to which every picture is brought
WANTED = 0.6  # AUROC above which a seam can be seen
MEASURED = 300  # pictures whose borders are looked at: the first, whose numbers have nothing to do with what they show


@dataclass(frozen=True)
class Border:
    """The border of one defect.

    Attributes:
        figures: float64 (F,). part: of the real defect; both of a pair have the same. edited: which of the two it is.
    """

    figures: np.ndarray
    part: str
    edited: bool


def borders_of(plan: Plan, ground: Picture, donor: Picture, result: Picture) -> list[Border]:
    """The border of an edit and of the real defect it shows, where it shows one; else none."""
    if plan.drawn.edit not in ("copy", "repeat", "change") or result.mask is None:
        return []
    whole = ground.mask if plan.drawn.edit == "repeat" and ground.mask is not None else np.zeros_like(result.mask)
    if plan.drawn.edit == "change" and donor.mask is not None:
        whole = donor.mask & ~region_mask(donor, plan.drawn.region)
    new, own = result.mask & ~whole, region_mask(donor, plan.drawn.region)
    part = plan.donor.part
    return [
        Border(border_figures(result.pixels, new), part, True),
        Border(border_figures(donor.pixels, own), part, False),
    ]


def border_figures(pixels: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """What a border looks like: level, spread, gradient and curvature of each band by those of the outermost, float64.

    Args:
        pixels: uint8 (H, W, C). mask: bool (H, W), not empty.
    """
    left, top, width, height = cv2.boundingRect(mask.astype(np.uint8))
    rows = slice(max(0, top - MARGIN_PX), top + height + MARGIN_PX)
    columns = slice(max(0, left - MARGIN_PX), left + width + MARGIN_PX)
    grey = pixels[rows, columns].astype(np.float32).mean(axis=-1)
    away = cv2.distanceTransform((~mask[rows, columns]).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    low, high = BANDS[-1]
    grey *= LEVEL / max(float(grey[(away > low) & (away <= high)].mean()), 1.0)  # exposure is no seam
    across, down = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    gradient, curvature = np.hypot(across, down), np.abs(cv2.Laplacian(grey, cv2.CV_32F))
    smooth = cv2.GaussianBlur(grey, (0, 0), 1.5)
    rough = np.abs(grey - smooth)
    bands = np.array([_band(*band, away, grey, gradient, curvature, rough) for band in BANDS])
    levels, others = bands[:-1, 0] / bands[-1, 0] - 1, np.log(bands[:-1, 1:] / bands[-1, 1:])
    return np.concatenate([levels, others.ravel()]).astype(np.float64)


def _band(
    low: float, high: float, away: np.ndarray, grey: np.ndarray, *filtered: np.ndarray
) -> tuple[float, float, float, float, float]:
    """(level, spread, gradient, curvature, roughness) of the pixels so far from the edge, all above 0."""
    band = (away > low) & (away <= high)
    if not band.any():
        band = np.ones_like(band)
    values = grey[band]
    gradient, curvature, rough = (float(image[band].mean()) for image in filtered)
    return float(values.mean()) + 1, float(values.std()) + 1, gradient + 2, curvature + 2, rough + 0.5


def seam_of(borders: Sequence[Border]) -> dict[str, object] | None:
    """How well the probe tells edited borders from real ones, as JSON has it; None with too few parts to say."""
    edited, real = ([x for x in borders if x.edited is kind] for kind in (True, False))
    if not edited:
        return None
    probed = probe(_sample(real), _sample(edited))
    if probed is None:
        return None
    figures = probed.to_dict()
    pairs = figures.pop("synthetic")
    return {name: value for name, value in figures.items() if name != "real"} | {"pairs": pairs, "wanted": WANTED}


def seam_note(seam: Mapping[str, object] | None) -> str:
    """What a person has to know of a seam; empty where nothing speaks against it."""
    if seam is None or float(str(seam["auroc"])) <= WANTED or float(str(seam["low"])) <= 0.5:
        return ""
    return (
        f"the edits' borders show: a small classifier tells them from real ones (AUROC {seam['auroc']:.2f}, "
        f"{seam['low']:.2f} to {seam['high']:.2f}; wanted {WANTED:g}): a classifier may learn the border"
    )


def _sample(borders: Sequence[Border]) -> Sample:
    return Sample(np.stack([x.figures for x in borders]), [x.part for x in borders])
