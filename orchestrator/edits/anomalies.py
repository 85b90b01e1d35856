"""Anomalies out of good parts alone: what a network can learn to tell before a single defect has been seen.

- `patch` and `scar`: a rectangle of the picture, its light changed, elsewhere in the picture (CutPaste: Li et al. 2021,
  arXiv:2104.04015, section 2.2, with its sizes).
- `texture`: blots of Perlin noise (Perlin 1985), filled with another good part that was moved and perhaps inverted,
  more or less opaque (DRAEM: Zavrtanik et al. 2021, arXiv:2108.07610, section 3.3, which takes the filling from
  photographs of textures; a factory has its own parts).
"""

import cv2
import numpy as np

PAPERS_PX = 256  # side of the pictures that a scar's sizes are given for
PATCH_AREA, PATCH_ASPECT = (0.02, 0.15), (0.3, 3.3)  # share of the picture; width / height
SCAR_WIDTH_PX, SCAR_LENGTH_PX, SCAR_TURN = (2, 16), (10, 25), 45.0
LIGHT = 0.1  # brightness and contrast of a piece change by at most so much
CELLS = (2, 4, 8, 16, 32)  # of Perlin noise, along each side
BLOT = 0.5  # where the noise is above, there is a blot
OPAQUE = (0.2, 1.0)
Made = tuple[np.ndarray, np.ndarray]  # pixels, uint8 (H, W, C); where they were changed, bool (H, W)


def anomaly(kind: str, ground: np.ndarray, other: np.ndarray, seed: int) -> Made | None:
    """A good part with an anomaly; None where it does not fit into the picture.

    Args:
        kind: "patch", "scar" or "texture". ground: uint8 (H, W, C). other: another good part, of any size.
        seed: of all that is drawn.
    """
    random = np.random.default_rng(seed)
    if kind == "texture":
        return _texture(ground, other, random)
    return _piece(ground, random, thin=kind == "scar")


def _piece(ground: np.ndarray, random: np.random.Generator, *, thin: bool) -> Made | None:
    height, width = ground.shape[:2]
    if thin:
        scale = min(height, width) / PAPERS_PX
        size = random.uniform(*SCAR_LENGTH_PX) * scale, random.uniform(*SCAR_WIDTH_PX) * scale
    else:
        area = random.uniform(*PATCH_AREA) * height * width
        aspect = np.exp(random.uniform(*np.log(PATCH_ASPECT)))
        size = np.sqrt(area * aspect), np.sqrt(area / aspect)
    across, down = (max(2, round(side)) for side in size)
    if across >= width or down >= height:
        return None
    x, y = int(random.integers(width - across)), int(random.integers(height - down))
    cut = ground[y : y + down, x : x + across].astype(np.float32)
    gain, offset = 1 + random.uniform(-LIGHT, LIGHT), 255 * random.uniform(-LIGHT, LIGHT)
    cut = np.clip((cut - cut.mean()) * gain + cut.mean() + offset, 0, 255)
    turn = random.uniform(-SCAR_TURN, SCAR_TURN) if thin else 0.0
    piece, shape = _turned(cut, turn)
    down, across = shape.shape
    if across >= width or down >= height:
        return None
    x, y = int(random.integers(width - across)), int(random.integers(height - down))
    pixels, mask = ground.copy(), np.zeros((height, width), bool)
    mask[y : y + down, x : x + across] = shape
    pixels[mask] = np.round(piece[shape]).astype(np.uint8)
    return pixels, mask


def _turned(piece: np.ndarray, degrees: float) -> tuple[np.ndarray, np.ndarray]:
    """(piece (h, w, C) in the rectangle that holds it, bool (h, w): where it is)."""
    height, width, channels = piece.shape
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1)
    cosine, sine = abs(matrix[0, 0]), abs(matrix[0, 1])
    across, down = int(np.ceil(width * cosine + height * sine)), int(np.ceil(width * sine + height * cosine))
    matrix[:, 2] += (across - width) / 2, (down - height) / 2
    turned = cv2.warpAffine(piece, matrix, (across, down), borderMode=cv2.BORDER_REPLICATE)
    shape = cv2.warpAffine(np.ones((height, width), np.float32), matrix, (across, down)) > BLOT
    return turned.reshape(down, across, channels), shape


def _texture(ground: np.ndarray, other: np.ndarray, random: np.random.Generator) -> Made | None:
    height, width = ground.shape[:2]
    mask = perlin(height, width, int(random.choice(CELLS)), int(random.choice(CELLS)), random) > BLOT
    if not mask.any():
        return None
    filling = cv2.resize(other, (width, height), interpolation=cv2.INTER_AREA).reshape(ground.shape)
    filling = np.roll(filling, (int(random.integers(height)), int(random.integers(width))), (0, 1)).astype(np.float32)
    if random.integers(2):
        filling = 255 - filling
    opacity = random.uniform(*OPAQUE)
    mixed = np.round((1 - opacity) * ground + opacity * filling).astype(np.uint8)
    return np.where(mask[..., None], mixed, ground), mask


def perlin(height: int, width: int, down: int, across: int, random: np.random.Generator) -> np.ndarray:
    """Perlin noise, float (height, width), of `down` x `across` cells, scaled so that its largest value is 1."""
    angles = random.uniform(0, 2 * np.pi, (down + 1, across + 1))
    y, x = np.meshgrid(np.arange(height) * down / height, np.arange(width) * across / width, indexing="ij")
    row, column = y.astype(int), x.astype(int)
    in_y, in_x = y - row, x - column

    def corner(below: int, right: int) -> np.ndarray:
        angle = angles[row + below, column + right]
        return np.asarray(np.cos(angle) * (in_x - right) + np.sin(angle) * (in_y - below))

    fade_x, fade_y = (t * t * t * (t * (6 * t - 15) + 10) for t in (in_x, in_y))
    above = corner(0, 0) + fade_x * (corner(0, 1) - corner(0, 0))
    under = corner(1, 0) + fade_x * (corner(1, 1) - corner(1, 0))
    noise = above + fade_y * (under - above)
    return np.asarray(noise / max(float(noise.max()), 1e-6))
