"""What stands before the camera: a cable with three strands, its pose, its light and the camera, sampled from a seed.

Lengths are in units of the image's side. Positions are in the cable's own frame: origin at its axis, x to the right,
y down, before the pose turns, scales and moves it.
"""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

SHEATH_RADIUS = 0.435
SHEATH_WALL = 0.036
STRAND_COLOURS = ("green", "blue", "grey")  # at the top, below left, below right


@dataclass(frozen=True)
class Pose:
    """Where the cable stands in the image."""

    x: float
    y: float
    angle: float  # radians, clockwise in the image
    scale: float


@dataclass(frozen=True)
class Light:
    """A key light over an even ambient one."""

    azimuth: float  # radians, in the image's plane; 0 comes from the right, pi/2 from below
    elevation: float  # radians above the image's plane
    key: float  # strength of the key light
    ambient: float  # strength of the even light
    gradient: tuple[float, float]  # relative change of brightness over the image, in x and y
    tint: tuple[float, float, float]  # white balance


@dataclass(frozen=True)
class Camera:
    """How the scene becomes pixels."""

    exposure: float
    blur: float  # sigma of the lens blur
    noise: float  # sigma of the sensor noise at mid-grey, of a full range of 1
    vignette: float  # share of light lost in the corners


@dataclass(frozen=True)
class Wires:
    """The copper wires of one strand, N of them."""

    centres: Array  # (N, 2)
    radius: Array  # (N,)
    tilt: Array  # (N, 2) slope of the cut face
    level: Array  # (N,) height of the cut face
    tone: Array  # (N,) brightness of the copper, about 1
    streak: Array  # (N,) direction of the knife's marks, radians
    present: NDArray[np.bool_]  # (N,)


@dataclass(frozen=True)
class Cut:
    """A gap in a ring of insulation."""

    angle: float  # radians, where it lies on the ring
    half_width: float  # at the outside of the ring
    start: float  # share of the wall's thickness, 0 at the inside
    end: float  # 1 at the outside
    slant: float  # sideways run per unit of depth
    taper: float  # width at the inside as a share of that at the outside


@dataclass(frozen=True)
class Strand:
    """A bundle of wires in a coloured ring of insulation."""

    centre: tuple[float, float]
    outer: float  # radius
    inner: float  # radius
    squash: float  # ratio of its axes, about 1
    level: float  # height of its face
    colour: str
    wires: Wires
    present: bool = True
    cuts: tuple[Cut, ...] = ()


@dataclass(frozen=True)
class Poke:
    """A hole that a needle has left."""

    x: float
    y: float
    radius: float
    squash: float


@dataclass(frozen=True)
class BentWire:
    """A wire that lies over the cut face: the points of its axis, from its strand outwards."""

    points: Array  # (P, 2)
    radius: float


@dataclass(frozen=True)
class Scene:
    """All that the picture shows."""

    seed: int
    pose: Pose
    light: Light
    camera: Camera
    ground: tuple[float, float, float]  # sRGB
    sheath: tuple[float, float, float]  # sRGB
    trefoil: float  # how far the sheath follows its three strands
    strands: tuple[Strand, Strand, Strand]
    sheath_cuts: tuple[Cut, ...] = ()
    pokes: tuple[Poke, ...] = ()
    bent: tuple[BentWire, ...] = field(default=())


def random_for(seed: int, purpose: str) -> np.random.Generator:
    """Random numbers of one purpose: what one part of the scene draws does not move the others."""
    return np.random.default_rng([seed, *purpose.encode()])


def sample_scene(seed: int) -> Scene:
    """A good cable, its pose, light and camera."""
    rng = random_for(seed, "scene")
    pose = Pose(
        x=rng.uniform(-0.015, 0.015),
        y=rng.uniform(-0.015, 0.015),
        angle=math.radians(rng.uniform(-9, 9)),
        scale=rng.uniform(0.96, 1.04),
    )
    light = Light(
        azimuth=rng.uniform(-math.pi, math.pi),
        elevation=math.radians(rng.uniform(38, 62)),
        key=rng.uniform(0.65, 0.95),
        ambient=rng.uniform(0.34, 0.46),
        gradient=(rng.uniform(-0.18, 0.18), rng.uniform(-0.18, 0.18)),
        tint=(rng.uniform(0.97, 1.05), 1.0, rng.uniform(0.93, 1.03)),
    )
    camera = Camera(
        exposure=rng.uniform(0.88, 1.12),
        blur=rng.uniform(0.0013, 0.0026),
        noise=rng.uniform(0.006, 0.014),
        vignette=rng.uniform(0.04, 0.16),
    )
    grey = rng.uniform(-0.03, 0.03)
    strands = tuple(_sample_strand(rng, place) for place in range(3))
    return Scene(
        seed=seed,
        pose=pose,
        light=light,
        camera=camera,
        ground=(0.40 + grey, 0.375 + grey, 0.345 + grey),
        sheath=(0.735 + grey / 2, 0.73 + grey / 2, 0.71 + grey / 2),
        trefoil=rng.uniform(0.006, 0.018),
        strands=strands,  # type: ignore[arg-type]  # three by construction
    )


def _sample_strand(rng: np.random.Generator, place: int) -> Strand:
    """The strand at a place: 0 at the top, 1 below left, 2 below right."""
    outer = (SHEATH_RADIUS - SHEATH_WALL) / (1 + 2 / math.sqrt(3)) * rng.uniform(0.955, 0.99)
    angle = math.radians((-90, 150, 30)[place] + rng.uniform(-3, 3))
    distance = 2 / math.sqrt(3) * outer * rng.uniform(1.0, 1.025)
    centre = (distance * math.cos(angle), distance * math.sin(angle))
    inner = outer * rng.uniform(0.68, 0.74)
    return Strand(
        centre=centre,
        outer=outer,
        inner=inner,
        squash=rng.uniform(0.96, 1.04),
        level=rng.uniform(-0.004, 0.006),
        colour=STRAND_COLOURS[place],
        wires=_sample_wires(rng, inner),
    )


def _sample_wires(rng: np.random.Generator, inner: float) -> Wires:
    """Wires of a bundle, hex-packed with jitter, in the order of their painting; centres about the strand's axis."""
    radius = 0.0152 * rng.uniform(0.95, 1.06)
    pitch = radius * 2.02
    turn = rng.uniform(0, math.pi / 3)
    offset = rng.uniform(-0.5, 0.5, 2) * pitch
    steps = np.arange(-10, 11)
    column, row = (grid.ravel() for grid in np.meshgrid(steps, steps))
    lattice = np.stack([(column + row / 2) * pitch, row * pitch * math.sqrt(3) / 2], axis=1) + offset
    rotation = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    centres = lattice @ rotation.T
    reach = np.hypot(centres[:, 0], centres[:, 1])
    # The wires at the rim lean on the insulation: those that nearly fit are pushed in.
    fits = reach < inner - radius * 0.2
    centres, reach = centres[fits], reach[fits]
    limit = inner - radius * 0.92
    centres *= np.minimum(1.0, limit / np.maximum(reach, 1e-6))[:, None]
    centres += rng.normal(0, radius * 0.11, centres.shape)
    count = len(centres)
    order = rng.permutation(count)
    # Most faces are cut nearly flat together; some lean and catch the light, or miss it.
    lean = np.where(rng.random(count) < 0.3, 0.34, 0.15)[:, None]
    return Wires(
        centres=centres[order].astype(np.float32),
        radius=(radius * rng.uniform(0.95, 1.07, count)).astype(np.float32),
        tilt=(rng.normal(0, 1, (count, 2)) * lean + rng.normal(0, 0.08, 2)).astype(np.float32),
        level=rng.normal(-0.003, 0.0022, count).astype(np.float32),
        tone=rng.normal(1.0, 0.13, count).clip(0.65, 1.35).astype(np.float32),
        streak=rng.uniform(0, math.pi, count).astype(np.float32),
        present=np.ones(count, dtype=bool),
    )
