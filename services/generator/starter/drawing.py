"""Drawn photographs of industrial parts and surfaces, 64×64: what the starter generator learns from.

Nothing here imitates one factory's part. What the pictures share with photographs of parts is what a generator
needs long to learn from fifty images: surfaces with grain and gradients, edges, shading, vignetting, small marks.
"""

import colorsys

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from defectory.surfaces import SURFACES, surface

SIDE_PX = 64
FINE = 3  # drawn so much larger, then reduced: smooth edges
ASSEMBLIES = 0.5  # share of the pictures


def draw(seed: int) -> np.ndarray:
    """The picture of a seed: (64, 64, 3) uint8."""
    rng = np.random.default_rng([seed, SIDE_PX])
    side = SIDE_PX * FINE
    if rng.random() < ASSEMBLIES:
        return _photographed(rng, _assembly(rng, side))
    light = surface(rng, side)
    mask = Image.new("L", (side, side), 0)
    if rng.random() < 0.7:
        mask = _part(rng, side)
        light = _laid_on(rng, light, surface(rng, side), mask)
    for _ in range(int(rng.integers(0, 3))):
        light = _marked(rng, light)
    return _photographed(rng, _coloured(rng, light, np.asarray(mask, np.float32) / 255))


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
    marked: np.ndarray = light + weight * rng.choice([-1, 1], p=[0.7, 0.3]) * rng.uniform(0.15, 0.6)
    return marked


def _coloured(rng: np.random.Generator, light: np.ndarray, part: np.ndarray) -> np.ndarray:
    """(side, side, 3): ground and part have a tint each; half of the pictures are grey."""
    tint = np.ones((2, 3))
    if rng.random() < 0.5:
        tint = 1 + rng.normal(0, 0.15, (2, 3))
    return np.asarray(light[..., None] * (tint[0] * (1 - part[..., None]) + tint[1] * part[..., None]))


def _assembly(rng: np.random.Generator, side: int) -> np.ndarray:
    """Parts in a housing, as in bearings, connectors, bundles, packages: (side, side, 3)."""
    tint = 1 + rng.normal(0, 0.08, 3)
    picture = surface(rng, side)[..., None] * rng.uniform(0.4, 1.1) * tint
    middle = side / 2 + rng.normal(0, side * 0.03, 2)
    reach = side * rng.uniform(0.34, 0.48)
    corners = int(rng.choice([0, 0, 0, 4, 6, 8]))  # 0: round
    turn = rng.uniform(0, 360)
    housing = _outline(side, middle, reach, corners, turn)
    shadow = np.asarray(housing.filter(ImageFilter.GaussianBlur(side * 0.03)), np.float32)[..., None] / 255
    picture = picture * (1 - rng.uniform(0, 0.5) * shadow)
    picture = _set_in(rng, picture, housing, _hue(rng, vivid=0.3) * rng.uniform(0.8, 1.6))
    places = _places(rng, reach)
    gap = min((float(np.hypot(*(a - b))) for i, a in enumerate(places) for b in places[:i]), default=reach)
    size = min(gap / 2, reach - float(np.hypot(*places.T).max())) * rng.uniform(0.75, 1.0)
    inner = int(rng.choice([0, 0, 0, 4, 6]))
    all_alike, core, cored = _hue(rng, vivid=0.8), _hue(rng, vivid=0.6) * rng.uniform(0.6, 1.5), rng.random() < 0.7
    share, differ = rng.uniform(0.4, 0.8), rng.random() < 0.6
    kind = int(rng.integers(len(SURFACES)))
    for x, y in places:
        at = middle + np.array([x, y])
        if rng.random() < 0.04:  # an empty place
            picture = _set_in(rng, picture, _outline(side, at, size, inner, turn), np.full(3, 0.3))
            continue
        colour = _hue(rng, vivid=0.8) if differ else all_alike
        picture = _set_in(rng, picture, _outline(side, at, size, inner, turn), colour)
        if cored:
            picture = _set_in(rng, picture, _outline(side, at, size * share, 0, turn), core, kind)
    return picture


def _places(rng: np.random.Generator, reach: float) -> np.ndarray:
    """Where the middles of an assembly's parts lie, from its own: (parts, 2)."""
    count, turn = int(rng.integers(2, 8)), rng.choice([0, rng.uniform(0, 2 * np.pi)])
    layout = rng.choice(["ring", "row", "grid", "nested"], p=[0.6, 0.1, 0.15, 0.15])
    if layout == "nested":
        return np.zeros((1, 2))
    if layout == "ring":
        angles = turn + np.arange(count) * 2 * np.pi / count - np.pi / 2
        ring = reach * rng.uniform(0.45, 0.65) * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        return np.concatenate([ring, np.zeros((1, 2))]) if count > 4 and rng.random() < 0.5 else ring
    rows = 1 if layout == "row" else 2
    columns = max(2, min(4, count // rows))
    y, x = np.mgrid[:rows, :columns]
    grid = np.stack([x.ravel() - (columns - 1) / 2, y.ravel() - (rows - 1) / 2], axis=1)
    grid *= 1.2 * reach / columns
    turned: np.ndarray = grid @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return turned


def _outline(side: int, at: np.ndarray, size: float, corners: int, turn: float) -> Image.Image:
    mask = Image.new("L", (side, side), 0)
    pen = ImageDraw.Draw(mask)
    if corners:
        pen.regular_polygon((*at, size), corners, rotation=turn, fill=255)
    else:
        pen.ellipse((*(at - size), *(at + size)), fill=255)
    return mask


def _set_in(
    rng: np.random.Generator, picture: np.ndarray, mask: Image.Image, colour: np.ndarray, kind: int | None = None
) -> np.ndarray:
    """A part of a surface and colour, with a dark seam around it."""
    side = len(picture)
    shape = np.asarray(mask, np.float32)[..., None] / 255
    seam = np.asarray(mask.filter(ImageFilter.GaussianBlur(side * 0.01)), np.float32)[..., None] / 255
    part = (0.7 + 0.6 * (surface(rng, side, kind) - 0.5))[..., None] * colour
    return np.asarray(picture * (1 - 0.4 * seam) * (1 - shape) + part * shape)


def _hue(rng: np.random.Generator, vivid: float) -> np.ndarray:
    """Factors of red, green and blue; a third is grey."""
    if rng.random() < 0.35:
        return np.full(3, rng.uniform(0.4, 1.1))
    return np.array(colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.1, vivid), rng.uniform(0.5, 1.1)))


def _photographed(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """Uneven light, the lens's blur, the sensor's noise: (64, 64, 3) uint8 of (side, side, 3)."""
    side = len(picture)
    y, x = np.mgrid[:side, :side] / side - 0.5
    light = rng.normal(0, 0.2) * x + rng.normal(0, 0.2) * y - rng.uniform(0, 0.4) * (x**2 + y**2)
    color = picture + light[..., None]
    image = Image.fromarray((color.clip(0, 1) * 255).astype(np.uint8))
    image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0, 0.5) * FINE)).resize(
        (SIDE_PX,) * 2, Image.Resampling.BOX
    )
    noise = rng.normal(0, rng.uniform(0, 4), (SIDE_PX, SIDE_PX, 1))
    return (np.asarray(image, np.float32) + noise).clip(0, 255).astype(np.uint8)
