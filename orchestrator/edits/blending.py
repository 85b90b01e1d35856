"""How a patch joins its new ground: one function a way, of which docs/results says how well each hides the seam."""

from collections.abc import Callable, Mapping

import cv2
import numpy as np

from orchestrator.edits.patches import Patch
from orchestrator.edits.recipe import Blend

KEEP_PX = 6.0  # beside a mask its defect goes on for so far: who draws masks stays inside its edge …
FADE_PX = 4.0  # … and fades out over so far
REACH_PX = KEEP_PX + FADE_PX
SIGMAS_PX = (0.6, 1.2, 2.5)  # that part a texture into bands, the finest first
GAINS = (0.4, 2.5)  # of a patch's contrast in a darker or a brighter ground: a surface reflects a share of the light
SMOOTH_LEVELS = 2  # of a pyramid: a ground's level is a mean over some 8 px
LITTLE = 0.02  # weight of what lies farther away, where something near is known


def blended(ground: np.ndarray, patch: Patch, blend: Blend, contrast: float = 1.0) -> np.ndarray:
    """The ground with a patch in it.

    Args:
        ground: float32 (h, w, C), what lay where the patch goes, of its size.
        contrast: factor of the defect's difference from the level of the ground that it was cut out of.

    Returns:
        float32 (h, w, C); where the patch's fade has ended the ground as it was, to the bit.
    """
    away = cv2.distanceTransform((patch.mask <= 0.5).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    joined = _BLENDS[blend](ground, patch, away, contrast)
    return np.where(away[..., None] < REACH_PX, np.clip(joined, 0, 255), ground)


def _faded(away: np.ndarray) -> np.ndarray:
    """How much of a patch is seen, float32 (h, w, 1): all on its mask and a little beside it, and ever less beyond."""
    linear = np.clip(1 - (away - KEEP_PX) / FADE_PX, 0, 1)
    return np.asarray(linear * linear * (3 - 2 * linear), np.float32)[..., None]


def _matched(ground: np.ndarray, patch: Patch, away: np.ndarray, contrast: float) -> np.ndarray:
    """Level, exposure and roughness are the new ground's; what stands out from its own ground is the patch's.

    Where both are seen, their textures are mixed band by band so that the spread stays: a plain mean of two that have
    nothing to do with each other would be smoother than either, and one of two that are alike would not.
    """
    beside = (away >= REACH_PX).astype(np.float32)
    both = (beside * patch.ground).astype(bool)
    if not both.any():
        return _soft(ground, patch, away, contrast)
    level, own_level = level_of(ground, beside), level_of(patch.pixels, beside * patch.ground)
    exposure = float(np.clip(level[both].mean() / max(float(own_level[both].mean()), 1.0), *GAINS))
    on_defect = cv2.GaussianBlur(patch.mask, (0, 0), 1.5)[..., None]
    stands_out = (patch.pixels - own_level) * exposure * (1 + (contrast - 1) * on_defect)
    share, joined = _faded(away), level
    beyond = np.flatnonzero(both)
    for own, theirs in zip(_bands(ground - level), _bands(stands_out), strict=True):
        own_beyond, their_beyond = (band.reshape(both.size, -1)[beyond] for band in (own, theirs))
        spread, other = _spread(own_beyond), max(_spread(their_beyond), 0.01)
        if other < spread:  # interpolation has taken detail: the ground's own stands in for it
            added = float(np.sqrt(1 - (other / spread) ** 2))
            as_rough, beyond_it = theirs + own * added, their_beyond + own_beyond * added
        else:
            as_rough, beyond_it = (
                theirs * (on_defect + (1 - on_defect) * (spread / other)),
                their_beyond * spread / other,
            )
        alike = float(np.clip((own_beyond * beyond_it).mean() / max(spread**2, 0.01), 0, 1))
        kept = np.sqrt(share**2 + (1 - share) ** 2 + 2 * alike * share * (1 - share))
        joined = joined + ((1 - share) * own + share * as_rough) / kept
    return np.asarray(joined)


def _bands(image: np.ndarray) -> list[np.ndarray]:
    """Ever coarser detail, which together is the image."""
    bands = []
    for sigma in SIGMAS_PX:
        coarse = _with_channels(cv2.GaussianBlur(image, (0, 0), sigma))
        bands.append(image - coarse)
        image = coarse
    return [*bands, image]


def _spread(texture: np.ndarray) -> float:
    return float(np.sqrt((texture**2).mean())) if texture.size else 0.0


def _seamless(ground: np.ndarray, patch: Patch, away: np.ndarray, contrast: float) -> np.ndarray:
    """Poisson cloning (Pérez et al. 2003, Poisson image editing), by OpenCV."""
    source = np.clip(_own_contrast(patch, away, contrast), 0, 255)
    channels = ground.shape[2]
    new, old = (np.repeat(x, 3 // channels, axis=2).round().astype(np.uint8) for x in (source, ground))
    area = (away < REACH_PX).astype(np.uint8) * 255
    left, top, width, height = cv2.boundingRect(area)
    cloned = cv2.seamlessClone(new, old, area, (left + width // 2, top + height // 2), cv2.NORMAL_CLONE)
    return np.asarray(cloned[..., :channels], np.float32)


def _soft(ground: np.ndarray, patch: Patch, away: np.ndarray, contrast: float) -> np.ndarray:
    share = _faded(away)
    return np.asarray(ground * (1 - share) + _own_contrast(patch, away, contrast) * share)


def _paste(ground: np.ndarray, patch: Patch, away: np.ndarray, contrast: float) -> np.ndarray:
    return np.where(patch.mask[..., None] > 0.5, _own_contrast(patch, away, contrast), ground)


_BLENDS: Mapping[Blend, Callable[[np.ndarray, Patch, np.ndarray, float], np.ndarray]] = {
    "matched": _matched, "seamless": _seamless, "soft": _soft, "paste": _paste,
}  # fmt: skip


def _own_contrast(patch: Patch, away: np.ndarray, contrast: float) -> np.ndarray:
    if contrast == 1:
        return patch.pixels
    level = level_of(patch.pixels, (away >= REACH_PX) * patch.ground)
    factor = 1 + (contrast - 1) * cv2.GaussianBlur(patch.mask, (0, 0), 1.5)[..., None]
    return np.asarray(level + (patch.pixels - level) * factor)


def level_of(pixels: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The level of a ground, smooth, and continued into what is not known of it (push and pull over a pyramid).

    Args:
        pixels: float32 (h, w, C).
        known: float32 (h, w), 1 where a pixel shows the ground, 0 where not.

    Returns:
        float32 (h, w, C).
    """
    weighted, weights = [pixels * known[..., None]], [known]
    while min(weights[-1].shape) > 2 and (len(weights) <= SMOOTH_LEVELS or weights[-1].min() < 0.5):
        weighted.append(_with_channels(cv2.pyrDown(weighted[-1])))
        weights.append(cv2.pyrDown(weights[-1]))
    total = max(float(weights[-1].sum()), 1e-6)
    level = np.broadcast_to(weighted[-1].sum(axis=(0, 1)) / total, weighted[-1].shape)
    finest = min(SMOOTH_LEVELS, len(weights) - 1)
    for number in reversed(range(len(weights))):
        height, width = weights[number].shape
        if level.shape[:2] != (height, width):
            level = _with_channels(cv2.resize(level, (width, height), interpolation=cv2.INTER_LINEAR))
        if number >= finest:
            level = (weighted[number] + LITTLE * level) / (weights[number][..., None] + LITTLE)
    return np.asarray(level, np.float32)


def _with_channels(image: np.ndarray) -> np.ndarray:
    """OpenCV drops the channel of a grey image."""
    return image if image.ndim == 3 else image[..., None]
