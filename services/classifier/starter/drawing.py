"""Drawn photographs of parts and surfaces, with one fault or none: what the starter classifier learns from.

One surface, one part, or several like ones laid out; a fault in it or on it; light, lens and sensor. No picture shows
a cable or imitates anybody's part. Each picture comes with answers to several questions, so that the network has to
look at texture, outline, arrangement, colour and faults alike.
"""

import colorsys
import math
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from defectory.surfaces import SURFACES, smooth_noise, surface

SIDE_PX = 64
FINE = 2  # drawn so much larger, then reduced: smooth edges
LAYOUTS = ("none", "single", "row", "ring", "grid", "heap")
OUTLINES = ("none", "disc", "ring", "polygon", "plate", "rod", "gear", "slotted")
MARKS = ("scratch", "crack", "hole", "stain", "specks", "dent", "fibre")  # on any surface
CUTS = ("chip", "slit")  # in an outline
ODD_ONES = ("missing", "colour", "displaced")  # of several like parts
FAULTS = ("none", *MARKS, *CUTS, *ODD_ONES)
BENDS = {"scratch": 0.05, "fibre": 0.35, "crack": 0.8}  # radians a tenth of the line
SIZES = {"hole": (0.015, 0.06), "stain": (0.05, 0.14), "dent": (0.05, 0.12)}  # shares of the picture's side
CELLS = 3  # the picture has CELLS x CELLS places
QUESTIONS = {  # answers of each; of the place, the last says that there is no fault
    "surface": len(SURFACES), "layout": len(LAYOUTS), "outline": len(OUTLINES), "fault": len(FAULTS),
    "place": CELLS * CELLS + 1,
}  # fmt: skip


@dataclass(frozen=True)
class Drawn:
    """A picture, and the answers to QUESTIONS in their order."""

    image: np.ndarray  # (SIDE_PX, SIDE_PX, 3) uint8
    answers: tuple[int, ...]


@dataclass(frozen=True)
class _Item:
    """A part: where its middle lies and how it is turned, in pixels and degrees."""

    x: float
    y: float
    size: float  # half of its width
    turn: float
    colour: np.ndarray  # (3,) factors


def draw(seed: int) -> Drawn:
    """The picture of a seed."""
    rng = np.random.default_rng([seed, SIDE_PX, 1])
    side = SIDE_PX * FINE
    fault = FAULTS[0] if rng.random() < 0.3 else str(rng.choice(FAULTS[1:]))
    layout = _layout_for(rng, fault)
    outline = "none" if layout == "none" else str(rng.choice(OUTLINES[1:]))
    kind = int(rng.integers(len(SURFACES)))
    picture = surface(rng, side, kind)[..., None] * _colour(rng).astype(np.float32)
    items = _items(rng, layout, side)
    at = np.array([side / 2, side / 2])
    if fault in ODD_ONES:
        items, at = _with_odd_one(rng, items, fault, side)
    alike, numbers = int(rng.integers(2**31)), Image.new("L", (side, side), 0)  # which part lies where, from 1; 0: none
    broken = int(rng.integers(len(items))) if fault in CUTS else -1
    for number, item in enumerate(items):
        shape = _shape(np.random.default_rng(alike), outline, item, side)
        if number == broken:
            shape, at = _cut(rng, shape, item, fault)
        numbers.paste(number + 1, mask=shape)
    if items:
        picture = _laid_on(picture, surface(rng, side), numbers, np.stack([item.colour for item in items]))
    if fault in MARKS:
        at = _somewhere(rng, items, side)
        picture = _marked(rng, picture, fault, at)
    place = CELLS * CELLS if fault == "none" else _cell(at, side)
    answers = kind, LAYOUTS.index(layout), OUTLINES.index(outline), FAULTS.index(fault), place
    return Drawn(_photographed(rng, picture), answers)


def _layout_for(rng: np.random.Generator, fault: str) -> str:
    """A layout in which there can be such a fault."""
    possible = LAYOUTS[2:] if fault in ODD_ONES else LAYOUTS[1:] if fault in CUTS else LAYOUTS
    return str(rng.choice(possible))


def _colour(rng: np.random.Generator) -> np.ndarray:
    """Factors of red, green and blue; a third is grey."""
    if rng.random() < 0.35:
        return np.ones(3)
    return np.array(colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.1, 0.8), 1.0)) * rng.uniform(0.8, 1.2)


def _cell(at: np.ndarray, side: int) -> int:
    column, row = np.clip(at / side * CELLS, 0, CELLS - 1).astype(int)
    return int(row) * CELLS + int(column)


def _items(rng: np.random.Generator, layout: str, side: int) -> list[_Item]:
    """The parts of a layout, all alike but for a little carelessness."""
    middle, reach = side / 2 + rng.normal(0, side * 0.05, 2), side * rng.uniform(0.25, 0.36)
    turn, colour = rng.uniform(0, 360), _colour(rng) * rng.uniform(0.6, 1.4)
    step = 0.0
    if layout == "single":
        places, size = np.zeros((1, 2)), side * rng.uniform(0.2, 0.42)
    elif layout == "row":
        count = int(rng.integers(3, 7))
        step = 2 * reach / (count - 1)
        places = np.stack([np.linspace(-reach, reach, count), np.zeros(count)], axis=1)
    elif layout == "ring":
        count = int(rng.integers(3, 9))
        angles = np.arange(count) * 2 * np.pi / count
        places, step = reach * np.stack([np.cos(angles), np.sin(angles)], axis=1), 2 * reach * math.sin(np.pi / count)
    elif layout == "grid":
        rows, columns = rng.integers(2, 5, 2)
        step = 2 * reach / (max(rows, columns) - 1)
        y, x = np.mgrid[:rows, :columns]
        places = (np.stack([x.ravel(), y.ravel()], axis=1) - [(columns - 1) / 2, (rows - 1) / 2]) * step
    elif layout == "heap":
        rows, step = int(rng.integers(3, 6)), side * rng.uniform(0.13, 0.2)
        y, x = np.mgrid[-rows:rows, -rows:rows]
        hexagonal = np.stack([x.ravel() + y.ravel() * 0.5, y.ravel() * math.sqrt(0.75)], axis=1) * step
        places = hexagonal[np.hypot(*hexagonal.T) < reach]
    else:
        return []
    if layout != "single":
        size = min(step, side * 0.35) * rng.uniform(0.3, 0.48)
    angle = rng.uniform(0, 2 * np.pi) if rng.random() < 0.5 else rng.choice([0, np.pi / 2])
    turned = places @ np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    careless = rng.normal(0, 0.02 * size, turned.shape)
    tones = rng.normal(1, 0.03, len(places))
    return [
        _Item(float(x), float(y), float(size), turn, colour * tone)
        for (x, y), tone in zip(middle + turned + careless, tones, strict=True)
    ]


def _with_odd_one(
    rng: np.random.Generator, items: list[_Item], fault: str, side: int
) -> tuple[list[_Item], np.ndarray]:
    """(parts, where) with one that is missing, of another colour, or beside its place."""
    away = [math.hypot(item.x - side / 2, item.y - side / 2) for item in items]
    number = int(rng.choice(np.argsort(away)[: (len(items) + 1) // 2]))  # at the rim of a heap nobody would miss one
    odd = items[number]
    at = np.array([odd.x, odd.y])
    if fault == "missing":
        return items[:number] + items[number + 1 :], at
    if fault == "colour":
        other = odd.colour
        while np.abs(other - odd.colour).max() < 0.3:
            other = _colour(rng) * rng.uniform(0.5, 1.5)
        odd = replace(odd, colour=other)
    else:
        heading, way = rng.uniform(0, 2 * np.pi), odd.size * rng.uniform(0.6, 1.1)
        odd = replace(odd, x=odd.x + way * math.cos(heading), y=odd.y + way * math.sin(heading), turn=odd.turn + 25)
    return [*items[:number], *items[number + 1 :], odd], at


def _shape(rng: np.random.Generator, outline: str, item: _Item, side: int) -> Image.Image:
    """Where a part is: 255, else 0."""
    mask = Image.new("L", (side, side), 0)
    pen = ImageDraw.Draw(mask)
    at, size = np.array([item.x, item.y]), item.size
    box = (*(at - size), *(at + size))
    if outline in ("disc", "ring"):
        pen.ellipse(box, fill=255)
        if outline == "ring":
            hole = size * rng.uniform(0.3, 0.7)
            pen.ellipse((*(at - hole), *(at + hole)), fill=0)
        return mask
    if outline == "polygon":
        corners = _around(int(rng.integers(3, 8)), 1.0)
    elif outline == "gear":
        corners = _around(2 * int(rng.integers(6, 12)), rng.uniform(0.7, 0.85))
    else:
        height = rng.uniform(0.15, 0.35) if outline == "rod" else rng.uniform(0.5, 1.0)
        corners = np.array([[-1, -height], [1, -height], [1, height], [-1, height]])
    turn = math.radians(item.turn)
    rotation = np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
    pen.polygon([tuple(corner) for corner in at + size * corners @ rotation], fill=255)
    if outline == "slotted":
        hole = size * 0.3
        pen.ellipse((*(at - hole), *(at + hole)), fill=0)
    return mask


def _around(count: int, inner: float) -> np.ndarray:
    """Corners on a circle of radius 1, every other one at `inner`: (count, 2)."""
    angles, radius = np.arange(count) * 2 * np.pi / count, np.where(np.arange(count) % 2, inner, 1.0)
    return np.stack([radius * np.cos(angles), radius * np.sin(angles)], axis=1)


def _cut(rng: np.random.Generator, shape: Image.Image, item: _Item, fault: str) -> tuple[Image.Image, np.ndarray]:
    """(the outline, where) with a piece broken off its rim, or slit from the rim inwards."""
    ys, xs = np.nonzero(np.asarray(shape))
    middle = np.array([item.x, item.y])
    if len(xs) == 0:  # it lies beyond the picture's edge
        return shape, middle
    heading = rng.uniform(0, 2 * np.pi)
    ahead = np.array([math.cos(heading), math.sin(heading)])
    rim = middle + ahead * ((np.stack([xs, ys], axis=1) - middle) @ ahead).max()
    inside = np.stack([xs, ys], axis=1)
    at = inside[np.argmin(np.hypot(*(inside - rim).T))].astype(float)
    cut = shape.copy()
    pen = ImageDraw.Draw(cut)
    if fault == "chip":
        size = item.size * rng.uniform(0.25, 0.5)
        corners = at + size * _around(9, 1.0) * rng.uniform(0.6, 1.2, (9, 1))
        pen.polygon([tuple(corner) for corner in corners], fill=0)
    else:
        inwards = middle - at
        end = at + inwards * rng.uniform(0.6, 1.3)
        pen.line([tuple(at - inwards * 0.3), tuple(end)], fill=0, width=max(2, int(item.size * rng.uniform(0.08, 0.2))))
    return cut, at


def _laid_on(ground: np.ndarray, plate: np.ndarray, numbers: Image.Image, colours: np.ndarray) -> np.ndarray:
    """Parts of one surface and their colours on the ground, with a shadow and edges that catch the light.

    Args:
        numbers: which part lies where, counted from 1; 0 is the ground. colours: (parts, 3).
    """
    side = len(ground)
    shape = numbers.point([0, *[255] * 255])
    soft = np.asarray(shape.filter(ImageFilter.GaussianBlur(side * 0.015)), np.float32) / 255
    slope = np.gradient(soft)
    edge = (slope[0] + slope[1]) * np.float32(side * 0.03)
    shadow = np.float32(0.4) * np.roll(soft, (2, 2), (0, 1))
    table = np.concatenate([np.ones((1, 3)), colours]).astype(np.float32)
    number = np.asarray(numbers)
    parts = plate[..., None] * table[number] + edge[..., None]
    return np.where(number[..., None] > 0, parts, ground * (1 - shadow[..., None]))


def _somewhere(rng: np.random.Generator, items: list[_Item], side: int) -> np.ndarray:
    """A place on a part, or on the bare surface."""
    if items and rng.random() < 0.75:
        item = items[int(rng.integers(len(items)))]
        return np.clip(np.array([item.x, item.y]) + rng.normal(0, item.size * 0.4, 2), side * 0.08, side * 0.92)
    return rng.uniform(0.12, 0.88, 2) * side


def _marked(rng: np.random.Generator, picture: np.ndarray, fault: str, at: np.ndarray) -> np.ndarray:
    """A fault that lies on the picture as it is."""
    side, strength = len(picture), rng.uniform(0.25, 0.7)
    sign = -1.0 if fault == "crack" or rng.random() < 0.7 else 1.0
    mark = Image.new("L", (side, side), 0)
    pen = ImageDraw.Draw(mark)
    if fault in ("scratch", "crack", "fibre"):
        _draw_line(rng, pen, fault, at, side)
        weight = _softened(mark, side * 0.003)
        if fault == "fibre":  # a thread that lies on top: its own colour, and a shadow
            shadow = np.roll(weight, (2, 2), (0, 1))
            colour, light = _colour(rng), rng.uniform(0.2, 1.1)
            crossed: np.ndarray = picture * (1 - 0.4 * shadow) * (1 - weight) + weight * colour * light
            return crossed
        return picture + sign * strength * weight
    if fault == "specks":
        for place in at + rng.normal(0, side * 0.05, (int(rng.integers(3, 10)), 2)):
            size = side * rng.uniform(0.005, 0.018)
            pen.ellipse((*(place - size), *(place + size)), fill=255)
        return picture + sign * strength * _softened(mark, side * rng.uniform(0.005, 0.015))
    size = side * rng.uniform(*SIZES[fault])
    rim = size * _around(16, 1.0) * rng.uniform(0.75, 1.1, (16, 1)) * [1, rng.uniform(0.6, 1.2)]
    pen.polygon([tuple(corner) for corner in at + rim], fill=255)
    if fault == "dent":  # one flank in the light, the other in the dark
        down, right = np.gradient(_softened(mark, size * 0.5)[..., 0])
        heading = rng.uniform(0, 2 * np.pi)
        lit = (math.cos(heading) * down + math.sin(heading) * right) * size
        dented: np.ndarray = picture * (1 + strength * 2 * lit[..., None])
        return dented
    if fault == "hole":
        weight = _softened(mark, side * 0.003)
        rim_light = np.clip(_softened(mark, side * 0.01) - weight, 0, 1)
        pierced: np.ndarray = picture * (1 - weight * rng.uniform(0.6, 0.95)) + 0.5 * rim_light
        return pierced
    patchy = 0.6 + 0.4 * smooth_noise(rng, side, side / 16, side / 16)[..., None]
    soft = _softened(mark, side * rng.uniform(0.005, 0.03))
    stained: np.ndarray = picture + sign * strength * patchy * soft * _colour(rng)
    return stained


def _draw_line(rng: np.random.Generator, pen: ImageDraw.ImageDraw, fault: str, at: np.ndarray, side: int) -> None:
    """A scratch is nearly straight, a fibre bends, a crack zigzags."""
    steps = 10
    heading = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, BENDS[fault], steps))
    length = side * rng.uniform(0.1, 0.45) / steps
    points = np.cumsum(np.stack([np.cos(heading), np.sin(heading)], axis=1) * length, axis=0)
    width = int(rng.integers(2, 4) if fault == "scratch" else rng.integers(2, 6))
    pen.line([tuple(point) for point in at + points - points.mean(axis=0)], fill=255, width=width, joint="curve")


def _softened(mark: Image.Image, softness: float) -> np.ndarray:
    """How much of the mark is at a place, in [0, 1]: (side, side, 1)."""
    return (np.asarray(mark.filter(ImageFilter.GaussianBlur(softness)), np.float32) / 255)[..., None]


def _photographed(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """Uneven light, the lens's blur, fewer pixels in some, the sensor's noise: (SIDE_PX, SIDE_PX, 3) uint8."""
    side = len(picture)
    y, x = np.mgrid[:side, :side].astype(np.float32) / side - 0.5
    light = 1 + rng.normal(0, 0.2) * x + rng.normal(0, 0.2) * y - rng.uniform(0, 0.5) * (x**2 + y**2)
    grey = picture.mean(axis=2, keepdims=True)
    if rng.random() < 0.25:  # of a camera without colours
        picture = np.broadcast_to(grey, picture.shape)
    image = Image.fromarray(((picture * light[..., None]).clip(0, 1) * 255).astype(np.uint8))
    image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0, 0.6) * FINE))
    if rng.random() < 0.5:  # small images of a data set are enlarged to the network's input
        image = image.resize((int(rng.integers(40, SIDE_PX)),) * 2, Image.Resampling.BOX)
    image = image.resize((SIDE_PX,) * 2, Image.Resampling.BILINEAR, reducing_gap=2.0)
    noise = rng.normal(0, rng.uniform(0, 5), (SIDE_PX, SIDE_PX, 1))
    return (np.asarray(image, np.float32) + noise).clip(0, 255).astype(np.uint8)
