"""From a scene to a surface: what each pixel shows, how high it lies, and the colour of what is there."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from orchestrator.cables.scene import SHEATH_RADIUS, SHEATH_WALL, Array, BentWire, Cut, Poke, Scene, Strand, random_for

GROUND, SHEATH, HOLLOW, POKED, SHEATH_CUT = 0, 1, 2, 3, 4
INSULATION = {"green": 8, "blue": 9, "grey": 10}
INSULATION_CUT = {"green": 12, "blue": 13, "grey": 14}
COPPER = 32  # first number of the wires; every wire has its own

GROUND_LEVEL, HOLLOW_LEVEL, CUT_LEVEL = -0.12, -0.055, -0.035
COLOURS_SRGB = {"green": (0.20, 0.47, 0.20), "blue": (0.12, 0.31, 0.60), "grey": (0.43, 0.44, 0.455)}
COPPER_SRGB = (0.80, 0.535, 0.385)


@dataclass(frozen=True)
class Surface:
    """What lies before the camera, S by S."""

    content: NDArray[np.int16]  # (S, S) what it is: one of the numbers above
    height: Array  # (S, S) in units of the image's side, towards the camera
    tone: Array  # (S, S) factor on the content's colour
    palette: Array  # (numbers, 3) linear RGB of each number


def build_surface(scene: Scene, side: int) -> Surface:
    """Lay the scene out on a grid of side by side pixels."""
    rng = random_for(scene.seed, "surface")
    x, y = _cable_frame(scene, side, rng)
    content = np.full((side, side), GROUND, dtype=np.int16)
    height = np.full((side, side), GROUND_LEVEL, dtype=np.float32)
    tone = np.ones((side, side), dtype=np.float32)

    radius = np.sqrt(x * x + y * y)
    # cos(3 theta) without the arc tangent; the sheath bulges where the strands lie.
    floor = np.maximum(radius, 1e-3)
    swell = y * (3 * x * x - y * y) / (floor * floor * floor)
    depth = SHEATH_RADIUS * (1 + scene.trefoil * swell) - radius
    _paint(content, height, depth > 0, SHEATH, 0.0)
    for cut in scene.sheath_cuts:
        _paint(content, height, _cut_region(cut, x, y, depth, SHEATH_WALL), SHEATH_CUT, CUT_LEVEL)

    distances = [_strand_distance(strand, x, y) for strand in scene.strands]
    hollow = radius < 0.09
    for strand, distance in zip(scene.strands, distances, strict=True):
        hollow |= distance < strand.outer * 1.03
    _paint(content, height, hollow, HOLLOW, HOLLOW_LEVEL)

    for strand, distance in zip(scene.strands, distances, strict=True):
        if not strand.present:
            continue
        _paint(content, height, distance < strand.outer, INSULATION[strand.colour], strand.level)
        for cut in strand.cuts:
            local = x - strand.centre[0], y - strand.centre[1]
            wall = strand.outer - strand.inner
            region = _cut_region(cut, *local, strand.outer - distance, wall) & (distance < strand.outer)
            _paint(content, height, region, INSULATION_CUT[strand.colour], CUT_LEVEL)
        _paint(content, height, distance < strand.inner, HOLLOW, HOLLOW_LEVEL * 0.6)

    for poke in scene.pokes:
        _make_poke(poke, x, y, content, height)
    number = COPPER
    for strand in scene.strands:
        if strand.present:
            _lay_wires(scene, strand, number, content, height, tone, rng)
        number += len(strand.wires.present)
    for bent in scene.bent:
        _lay_bent_wire(scene, bent, number, content, height, tone)
        number += 1
    return Surface(content, height, tone, _palette(scene, number, rng))


def soft_noise(rng: np.random.Generator, cells: int, side: int, cells_y: int = 0) -> Array:
    """(side, side) smooth noise of unit variance at its knots: so many cells across (and down, where they differ)."""
    knots = rng.standard_normal(((cells_y or cells) + 3, cells + 3), dtype=np.float32)
    grown = cv2.resize(knots, (side, side), interpolation=cv2.INTER_CUBIC)
    return np.asarray(grown, dtype=np.float32)


def _cable_frame(scene: Scene, side: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """The cable-frame position of every pixel, warped a little: nothing that is cut by hand is a perfect circle."""
    axis = (np.arange(side, dtype=np.float32) + 0.5) / side - 0.5
    pose = scene.pose
    column, row = axis[None, :] - pose.x, axis[:, None] - pose.y
    cos, sin = math.cos(pose.angle) / pose.scale, math.sin(pose.angle) / pose.scale
    warp_x = 0.0028 * soft_noise(rng, 5, side) + 0.0007 * soft_noise(rng, 28, side)
    warp_y = 0.0028 * soft_noise(rng, 5, side) + 0.0007 * soft_noise(rng, 28, side)
    return (
        (cos * column + sin * row + warp_x).astype(np.float32),
        (cos * row - sin * column + warp_y).astype(np.float32),
    )


def _to_pixels(scene: Scene, points: Array, side: int) -> Array:
    """(N, 2) column and row of cable-frame points; pixel centres lie at whole numbers."""
    pose = scene.pose
    cos, sin = math.cos(pose.angle) * pose.scale, math.sin(pose.angle) * pose.scale
    column = cos * points[:, 0] - sin * points[:, 1] + pose.x
    row = sin * points[:, 0] + cos * points[:, 1] + pose.y
    return ((np.stack([column, row], axis=1) + 0.5) * side - 0.5).astype(np.float32)


def _paint(content: NDArray[np.int16], height: Array, where: NDArray[np.bool_], number: int, level: float) -> None:
    np.copyto(content, number, where=where)
    np.copyto(height, level, where=where)


def _strand_distance(strand: Strand, x: Array, y: Array) -> Array:
    """Distance from the strand's axis, on an ellipse's terms."""
    across, down = (x - strand.centre[0]) * strand.squash, (y - strand.centre[1]) / strand.squash
    return np.asarray(np.sqrt(across * across + down * down), dtype=np.float32)


def _cut_region(cut: Cut, x: Array, y: Array, depth: Array, wall: float) -> NDArray[np.bool_]:
    """Where a cut is: within its width about its angle, and between its start and end in the wall.

    x, y are relative to the ring's axis; depth is the distance inwards from the ring's outside.
    """
    along = x * math.cos(cut.angle) + y * math.sin(cut.angle)
    across = y * math.cos(cut.angle) - x * math.sin(cut.angle)
    share = depth / wall  # 0 at the outside, 1 at the inside
    width = cut.half_width * (1 - (1 - cut.taper) * share)
    inside = np.abs(across - cut.slant * depth) < width
    cut_away: NDArray[np.bool_] = inside & (along > 0) & (share > 1 - cut.end - 0.05) & (share < 1 - cut.start)
    return cut_away


def _make_poke(poke: Poke, x: Array, y: Array, content: NDArray[np.int16], height: Array) -> None:
    """A hole with a raised rim."""
    distance = np.hypot((x - poke.x) * poke.squash, (y - poke.y) / poke.squash) / poke.radius
    height += np.where(distance < 3, 0.006 * np.exp(-(((distance - 1.25) / 0.35) ** 2)), 0).astype(np.float32)
    _paint(content, height, distance < 1, POKED, CUT_LEVEL)


def _lay_wires(
    scene: Scene,
    strand: Strand,
    number: int,
    content: NDArray[np.int16],
    height: Array,
    tone: Array,
    rng: np.random.Generator,
) -> None:
    """Paint the bundle: every wire a tilted disc with a rounded rim and the knife's streaks."""
    wires, side = strand.wires, len(content)
    pixels = _to_pixels(scene, wires.centres + np.array(strand.centre, dtype=np.float32), side)
    radius = wires.radius * scene.pose.scale * side
    reach = math.ceil(float(radius.max())) + 1
    corner = np.floor(pixels).astype(int)
    steps = np.arange(-reach, reach + 2, dtype=np.float32)
    dx = steps[None, None, :] - (pixels - corner)[:, 0, None, None]  # (N, 1, P)
    dy = steps[None, :, None] - (pixels - corner)[:, 1, None, None]  # (N, P, 1)
    share = np.hypot(dx, dy) / radius[:, None, None]  # (N, P, P), 1 at the rim
    slope = wires.tilt[:, 0, None, None] * dx + wires.tilt[:, 1, None, None] * dy
    levels = wires.level[:, None, None] + (slope / side) - 0.0045 * share**6
    knife = dx * np.cos(wires.streak)[:, None, None] + dy * np.sin(wires.streak)[:, None, None]
    marks = rng.standard_normal((len(radius), 64), dtype=np.float32)
    scale = 12.0 / reach  # knots of the marks across a wire, whatever its size in pixels
    at = np.clip((knife * scale + 32).astype(int), 0, 63)
    tones = wires.tone[:, None, None] * (1 + 0.10 * np.take_along_axis(marks[:, None, :], at, axis=2))
    tones = (tones * (1 - 0.45 * np.clip(share, 0, 1) ** 8)).astype(np.float32)
    inside = share < 1
    for wire in np.flatnonzero(wires.present):
        column, row = corner[wire] - reach
        window = np.s_[row : row + len(steps), column : column + len(steps)]
        disc = inside[wire]
        content[window][disc] = number + wire
        height[window][disc] = levels[wire][disc]
        tone[window][disc] = tones[wire][disc]


def _lay_bent_wire(
    scene: Scene, bent: BentWire, number: int, content: NDArray[np.int16], height: Array, tone: Array
) -> None:
    """Paint a wire that lies on top: a round tube that rises from its bundle, with a cut end."""
    side = len(content)
    pixels = _to_pixels(scene, bent.points, side)
    radius = bent.radius * scene.pose.scale * side
    low = np.maximum(np.floor(pixels.min(axis=0) - radius - 1).astype(int), 0)
    high = np.minimum(np.ceil(pixels.max(axis=0) + radius + 2).astype(int), side)
    column, row = np.arange(low[0], high[0], dtype=np.float32), np.arange(low[1], high[1], dtype=np.float32)
    squared = (column[None, None, :] - pixels[:, 0, None, None]) ** 2 + (
        row[None, :, None] - pixels[:, 1, None, None]
    ) ** 2
    nearest = np.argmin(squared, axis=0)
    share = np.sqrt(np.min(squared, axis=0)) / radius
    tube = share < 1
    rise = np.linspace(0.002, 0.02, len(pixels), dtype=np.float32)[nearest]
    window = np.s_[low[1] : high[1], low[0] : high[0]]
    content[window][tube] = number
    height[window][tube] = (rise + bent.radius * np.sqrt(np.maximum(1 - share**2, 0)))[tube]
    shine = 1.12 - 0.35 * share**4
    tone[window][tube] = np.where(nearest >= len(pixels) - 3, shine * 1.25, shine)[tube]


def _palette(scene: Scene, numbers: int, rng: np.random.Generator) -> Array:
    """Linear colour of every number; each scene's plastics and coppers differ a little."""
    palette = np.zeros((numbers, 3), dtype=np.float32)
    palette[GROUND], palette[SHEATH] = scene.ground, scene.sheath
    palette[HOLLOW], palette[POKED] = (0.25, 0.23, 0.215), (0.16, 0.14, 0.13)
    palette[SHEATH_CUT] = np.array(scene.sheath) * 0.62
    for colour, srgb in COLOURS_SRGB.items():
        jittered = np.array(srgb) * rng.uniform(0.93, 1.07) + rng.normal(0, 0.008, 3)
        palette[INSULATION[colour]] = jittered
        palette[INSULATION_CUT[colour]] = jittered * 0.55
    hue = np.array(COPPER_SRGB) + np.array([0.0, 0.5, 1.0]) * rng.normal(0, 0.025)
    palette[COPPER:] = hue + rng.normal(0, 0.018, (numbers - COPPER, 1)) * np.array([0.2, 0.7, 1.0])
    return np.maximum(palette, 0.01).astype(np.float32) ** 2.2
