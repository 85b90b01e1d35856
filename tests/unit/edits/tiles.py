"""A small dataset of textured tiles, some with a dark spot and a mask of it: what edits are made of in tests."""

import hashlib

import numpy as np

from defectory.datasets.manifest import original_key, write_dataset
from defectory.datasets.manifest_line import ManifestLine, MaskFile, Origin, PictureFile
from defectory.imaging import encode_png
from defectory.storage import ObjectStore

WIDTH, HEIGHT = 120, 96


def tile(random: np.random.Generator, channels: int = 1) -> np.ndarray:
    """A grey or coloured surface with fine texture, uint8 (H, W, C)."""
    level = random.integers(110, 140) + np.linspace(-8, 8, WIDTH)[None, :, None]
    return np.clip(level + random.normal(0, 4, (HEIGHT, WIDTH, channels)), 0, 255).astype(np.uint8)


def spot(pixels: np.ndarray, x: int, y: int, radius: int, level: int = 30) -> np.ndarray:
    """Draw a dark spot; returns its mask."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    inside = (rows - y) ** 2 + (columns - x) ** 2 <= radius**2
    pixels[inside] = np.clip(level + 0.1 * pixels[inside], 0, 255).astype(np.uint8)
    return inside


def stored(
    store: ObjectStore, pixels: np.ndarray, mask: np.ndarray | None, label: str, split: str, group: str, kind: str = ""
) -> ManifestLine:
    png = encode_png(pixels)
    sha256 = hashlib.sha256(png).hexdigest()
    store.put(original_key("tiles", sha256, "png"), png)
    marked = None
    if mask is not None:
        mask_png = encode_png(mask.astype(np.uint8) * 255)
        mask_sha256 = hashlib.sha256(mask_png).hexdigest()
        store.put(f"datasets/tiles/masks/{mask_sha256}.png", mask_png)
        marked = MaskFile(uri=store.uri(f"datasets/tiles/masks/{mask_sha256}.png"), sha256=mask_sha256)
    file = PictureFile(
        uri=store.uri(original_key("tiles", sha256, "png")),
        sha256=sha256,
        width=pixels.shape[1],
        height=pixels.shape[0],
        colour="L" if pixels.shape[2] == 1 else "RGB",
        fit="stretch",
    )
    return ManifestLine(
        file=file, origin=Origin(source=f"{group}.png"), label=label, kind=kind, split=split, group=group, mask=marked
    )


def make_tiles(
    store: ObjectStore, good: int = 8, defects: int = 12, channels: int = 1, seed: int = 0
) -> list[ManifestLine]:
    """Good and spotted tiles for training, and one of each for validation and test; written as dataset "tiles"."""
    random = np.random.default_rng(seed)
    lines = []
    for split, count in (("train", good), ("validation", 1), ("test", 1)):
        lines += [
            stored(store, tile(random, channels), None, "good", split, f"good-{split}-{number}")
            for number in range(count)
        ]
    for split, count in (("train", defects), ("validation", 1), ("test", 1)):
        for number in range(count):
            pixels = tile(random, channels)
            mask = spot(pixels, int(random.integers(40, 80)), int(random.integers(36, 60)), int(random.integers(4, 7)))
            lines.append(stored(store, pixels, mask, "defect", split, f"defect-{split}-{number}", "hole"))
    write_dataset(store, "tiles", lines, {})
    return lines
