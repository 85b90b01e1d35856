"""Drawn photographs of industrial parts and surfaces, 64×64: what the starter generator learns from.

Nothing here imitates one factory's part. What the pictures share with photographs of parts is what a generator
needs long to learn from fifty images: surfaces with grain and gradients, edges, shading, vignetting, small marks.
"""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from defectory.surfaces import surface

SIDE_PX = 64
FINE = 3  # drawn so much larger, then reduced: smooth edges


def draw(seed: int) -> np.ndarray:
    """The picture of a seed: (64, 64, 3) uint8."""
    rng = np.random.default_rng([seed, SIDE_PX])
    side = SIDE_PX * FINE
    light = surface(rng, side)
    mask = Image.new("L", (side, side), 0)
    if rng.random() < 0.7:
        mask = _part(rng, side)
        light = _laid_on(rng, light, surface(rng, side), mask)
    for _ in range(int(rng.integers(0, 3))):
        light = _marked(rng, light)
    return _photographed(rng, light, np.asarray(mask, np.float32) / 255)


def _part(rng: np.random.Generator, side: int) -> Image.Image:
    """The outline of a part: plate, disc, ring, polygon, rod or slotted plate; 255 where it is."""
    mask = Image.new("L", (side, side), 0)
    pen = ImageDraw.Draw(mask)
    middle = side / 2 + rng.normal(0, side * 0.06, 2)
    size = side * rng.uniform(0.2, 0.48)
    kind = rng.choice(["plate", "disc", "ring", "polygon", "rod", "slotted"])
    box = (*(middle - size), *(middle + size))
    if kind in ("disc", "ring"):
        pen.ellipse(box, fill=255)
        if kind == "ring":
            hole = size * rng.uniform(0.25, 0.7)
            pen.ellipse((*(middle - hole), *(middle + hole)), fill=0)
    elif kind == "polygon":
        pen.regular_polygon((*middle, size), int(rng.integers(5, 9)), rotation=rng.uniform(0, 90), fill=255)
    else:
        height = size * (rng.uniform(0.15, 0.4) if kind == "rod" else rng.uniform(0.5, 1.1))
        box = (middle[0] - size, middle[1] - height, middle[0] + size, middle[1] + height)
        pen.rounded_rectangle(box, radius=height * rng.uniform(0, 0.9), fill=255)
        if kind == "slotted":
            hole = height * 0.3
            pen.ellipse((*(middle - hole), *(middle + hole)), fill=0)
    return mask.rotate(rng.uniform(0, 180)) if rng.random() < 0.4 else mask


def _laid_on(rng: np.random.Generator, ground: np.ndarray, part: np.ndarray, mask: Image.Image) -> np.ndarray:
    """The part on its ground, with a shadow and an edge that catches the light."""
    side = len(ground)
    shift = tuple(int(v) for v in rng.normal(0, side * 0.02, 2))
    shadow = np.roll(np.asarray(mask.filter(ImageFilter.GaussianBlur(side * 0.02)), np.float32) / 255, shift, (0, 1))
    shape = np.asarray(mask, np.float32) / 255
    soft = np.asarray(mask.filter(ImageFilter.GaussianBlur(side * rng.uniform(0.01, 0.05))), np.float32) / 255
    slope = np.gradient(soft)
    edge = (slope[0] + slope[1]) * side * rng.uniform(-0.05, 0.05)
    if rng.random() < 0.3:  # a part that stands out by its level only would be missed by half of the cameras
        part = part + rng.choice([-0.3, 0.3])
    return np.where(shape > 0.5, part + edge, ground - 0.25 * shadow)


def _marked(rng: np.random.Generator, light: np.ndarray) -> np.ndarray:
    """A scratch, a crack, a spot or a stain."""
    side = len(light)
    mark = Image.new("L", (side, side), 0)
    pen = ImageDraw.Draw(mark)
    at = rng.uniform(0.2, 0.8, 2) * side
    kind = rng.choice(["scratch", "crack", "spot", "stain"])
    if kind in ("scratch", "crack"):
        bend = 0.1 if kind == "scratch" else 0.8
        heading = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, bend, 8))
        steps = np.stack([np.cos(heading), np.sin(heading)], axis=1) * side * rng.uniform(0.02, 0.07)
        pen.line([tuple(point) for point in at + np.cumsum(steps, axis=0)], fill=255, width=int(rng.integers(2, 6)))
    else:
        size = side * rng.uniform(0.01, 0.05) * np.array([1, rng.uniform(0.5, 1.5)]) * (1 if kind == "spot" else 2)
        pen.ellipse((*(at - size), *(at + size)), fill=255)
    softness = side * (0.03 if kind == "stain" else 0.004)
    weight = np.asarray(mark.filter(ImageFilter.GaussianBlur(softness)), np.float32) / 255
    return light + weight * rng.choice([-1, 1], p=[0.7, 0.3]) * rng.uniform(0.15, 0.6)


def _photographed(rng: np.random.Generator, light: np.ndarray, part: np.ndarray) -> np.ndarray:
    """Uneven light, colour (half of the pictures are grey), the lens's blur, the sensor's noise: (64, 64, 3) uint8."""
    side = len(light)
    y, x = np.mgrid[:side, :side] / side - 0.5
    light = light + rng.normal(0, 0.2) * x + rng.normal(0, 0.2) * y - rng.uniform(0, 0.4) * (x**2 + y**2)
    tint = np.ones((2, 3))
    if rng.random() < 0.5:
        tint = 1 + rng.normal(0, 0.15, (2, 3))
    color = light[..., None] * (tint[0] * (1 - part[..., None]) + tint[1] * part[..., None])
    image = Image.fromarray((color.clip(0, 1) * 255).astype(np.uint8))
    image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0, 0.5) * FINE)).resize(
        (SIDE_PX,) * 2, Image.Resampling.BOX
    )
    noise = rng.normal(0, rng.uniform(0, 4), (SIDE_PX, SIDE_PX, 1))
    return (np.asarray(image, np.float32) + noise).clip(0, 255).astype(np.uint8)
