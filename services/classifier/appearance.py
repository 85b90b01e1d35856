"""How pictures look, in two numbers that a lamp and a lens change; and how those of a training did."""

from collections.abc import Sequence

import numpy as np

from defectory.datasets.manifest_line import ManifestLine
from defectory.storage.store import ObjectStore
from services.classifier.card import Appearance, Preprocessing, Spread
from services.classifier.data import load_images

LOOKED_AT = 256  # photographs of a training: enough for its hundredths, and read in a second or two
FEWEST = 10  # of them one in five pictures like them lies outside of all, of fewer more


def brightness(pixels: np.ndarray) -> float:
    """Mean grey, 0 to 255, of uint8 (H, W, 3)."""
    return float(pixels.mean())


def sharpness(pixels: np.ndarray) -> float:
    """How much a picture changes from pixel to pixel: deviation of its Laplacian, in percent of its mean grey.

    The variance of the Laplacian is a usual measure of focus (Pech-Pacheco et al. 2000, ICPR, "Diatom autofocusing in
    brightfield microscopy"); in parts of the light there is, it is that of the lens alone.

    Args:
        pixels: uint8 (H, W, 3), of at least 3 pixels a side. Of colours the green one is looked at.

    Returns:
        0 of what is flat or black.
    """
    grey = pixels[..., 1].astype(np.float32)
    laplacian = 4 * grey[1:-1, 1:-1]
    for neighbour in (grey[:-2, 1:-1], grey[2:, 1:-1], grey[1:-1, :-2], grey[1:-1, 2:]):
        laplacian -= neighbour
    mean = float(grey.mean())
    return 100 * float(laplacian.std()) / mean if mean else 0.0


def appearance_of(
    store: ObjectStore, lines: Sequence[ManifestLine], size_px: int, preprocessing: Preprocessing
) -> Appearance | None:
    """How the real photographs that a classifier is trained on look to it; None where they are too few to say.

    Raises: as `load_images`.
    """
    real = [line for line in lines if line.split == "train" and line.is_real and not line.origin.augmentation]
    chosen = sorted(real, key=lambda line: line.file.sha256)[:LOOKED_AT]  # at random, and always alike
    pixels = load_images(store, chosen, size_px, preprocessing).pixels
    if len(pixels) < FEWEST:
        return None
    light, focus = ([look(one) for one in pixels] for look in (brightness, sharpness))
    return Appearance(images=len(pixels), brightness=_spread(light), sharpness=_spread(focus))


def _spread(values: Sequence[float]) -> Spread:
    low, high = np.percentile(values, (1, 99))
    return Spread(low=float(low), mean=float(np.mean(values)), high=float(high))
