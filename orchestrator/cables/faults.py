"""The eight kinds of fault: each turns a good scene into the same scene with something wrong."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from orchestrator.cables.scene import SHEATH_RADIUS, SHEATH_WALL, BentWire, Cut, Poke, Scene, Strand

Fault = Callable[[Scene, np.random.Generator], Scene]


def bend_wires(scene: Scene, rng: np.random.Generator) -> Scene:
    """One to three wires of a bundle are pulled out of their place and lie over their neighbours and the insulation."""
    place = _choose_strand(scene, rng)
    strand = scene.strands[place]
    wires = strand.wires
    reach = np.hypot(wires.centres[:, 0], wires.centres[:, 1])
    near_rim = np.flatnonzero(wires.present & (reach > strand.inner * 0.35))
    first = int(rng.choice(near_rim))
    to_first = np.hypot(*(wires.centres[near_rim] - wires.centres[first]).T)
    chosen = near_rim[np.argsort(to_first)][: int(rng.integers(1, 4))]
    present = wires.present.copy()
    bent = []
    for wire in chosen:
        present[wire] = False
        root = wires.centres[wire]
        heading = math.atan2(root[1], root[0]) + rng.normal(0, 0.7)
        length = rng.uniform(0.075, 0.15)
        curl = rng.uniform(-1.3, 1.3)
        along = np.linspace(0, 1, 48)
        headings = heading + curl * along**1.5
        steps = np.stack([np.cos(headings), np.sin(headings)], axis=1) * (length / len(along))
        points = root + np.array(strand.centre) + np.cumsum(steps, axis=0)
        bent.append(BentWire(points.astype(np.float32), float(wires.radius[wire]) * 0.92))
    changed = replace(strand, wires=replace(wires, present=present))
    return replace(_with_strand(scene, place, changed), bent=(*scene.bent, *bent))


def swap_strands(scene: Scene, rng: np.random.Generator) -> Scene:
    """Two strands have changed places."""
    one, other = (int(place) for place in rng.choice(3, size=2, replace=False))
    colours = scene.strands[one].colour, scene.strands[other].colour
    scene = _with_strand(scene, one, replace(scene.strands[one], colour=colours[1]))
    return _with_strand(scene, other, replace(scene.strands[other], colour=colours[0]))


def cut_inner_insulation(scene: Scene, rng: np.random.Generator) -> Scene:
    """The insulation of one strand is slit, or a piece of it is gone."""
    place = _choose_strand(scene, rng)
    strand = scene.strands[place]
    cuts = [_sample_cut(rng, slit=(0.008, 0.014), notch=(0.025, 0.055)) for _ in range(int(rng.integers(1, 3)))]
    return _with_strand(scene, place, replace(strand, cuts=(*strand.cuts, *cuts)))


def cut_outer_insulation(scene: Scene, rng: np.random.Generator) -> Scene:
    """The sheath is slit, or a piece of it is gone."""
    return replace(scene, sheath_cuts=(*scene.sheath_cuts, _sample_cut(rng, slit=(0.010, 0.018), notch=(0.035, 0.09))))


def remove_strand(scene: Scene, rng: np.random.Generator) -> Scene:
    """A whole strand is missing."""
    place = _choose_strand(scene, rng)
    return _with_strand(scene, place, replace(scene.strands[place], present=False))


def remove_wires(scene: Scene, rng: np.random.Generator) -> Scene:
    """Some neighbouring wires of one bundle are missing."""
    place = _choose_strand(scene, rng)
    strand = scene.strands[place]
    wires = strand.wires
    there = np.flatnonzero(wires.present)
    middle = wires.centres[int(rng.choice(there))]
    nearest = there[np.argsort(np.hypot(*(wires.centres[there] - middle).T))]
    present = wires.present.copy()
    present[nearest[: int(rng.integers(3, 11))]] = False
    return _with_strand(scene, place, replace(strand, wires=replace(wires, present=present)))


def poke_insulation(scene: Scene, rng: np.random.Generator) -> Scene:
    """A needle has gone into the insulation of a strand or into the sheath, once or twice."""
    pokes = []
    for _ in range(int(rng.integers(1, 3))):
        angle = rng.uniform(-math.pi, math.pi)
        if rng.random() < 0.65:
            strand = scene.strands[_choose_strand(scene, rng)]
            middle, distance = strand.centre, (strand.inner + strand.outer) / 2
        else:
            middle, distance = (0.0, 0.0), SHEATH_RADIUS - SHEATH_WALL * 0.45
        pokes.append(
            Poke(
                x=middle[0] + distance * math.cos(angle),
                y=middle[1] + distance * math.sin(angle),
                radius=rng.uniform(0.010, 0.016),
                squash=rng.uniform(0.75, 1.3),
            )
        )
    return replace(scene, pokes=(*scene.pokes, *pokes))


def combine(scene: Scene, rng: np.random.Generator) -> Scene:
    """Two or three different faults on one cable."""
    names = sorted(SINGLE_FAULTS.keys() - {"missing_cable"})  # faults would hide in a strand that is not there
    for name in rng.choice(names, size=int(rng.integers(2, 4)), replace=False):
        scene = SINGLE_FAULTS[str(name)](scene, rng)
    return scene


SINGLE_FAULTS: Mapping[str, Fault] = {
    "bent_wire": bend_wires,
    "cable_swap": swap_strands,
    "cut_inner_insulation": cut_inner_insulation,
    "cut_outer_insulation": cut_outer_insulation,
    "missing_cable": remove_strand,
    "missing_wire": remove_wires,
    "poke_insulation": poke_insulation,
}
FAULTS: Mapping[str, Fault] = dict(sorted({**SINGLE_FAULTS, "combined": combine}.items()))


def _choose_strand(scene: Scene, rng: np.random.Generator) -> int:
    return int(rng.choice([place for place, strand in enumerate(scene.strands) if strand.present]))


def _with_strand(scene: Scene, place: int, strand: Strand) -> Scene:
    first, second, third = (strand if index == place else old for index, old in enumerate(scene.strands))
    return replace(scene, strands=(first, second, third))


def _sample_cut(rng: np.random.Generator, slit: tuple[float, float], notch: tuple[float, float]) -> Cut:
    """A slit through the whole wall, or a notch from the outside; the two ranges are of their half-widths."""
    angle = rng.uniform(-math.pi, math.pi)
    if rng.random() < 0.5:
        return Cut(angle, rng.uniform(*slit), start=0.0, end=1.0, slant=rng.uniform(-0.6, 0.6), taper=0.7)
    return Cut(angle, rng.uniform(*notch), rng.uniform(0.0, 0.4), 1.0, rng.uniform(-0.3, 0.3), rng.uniform(0.4, 0.9))
