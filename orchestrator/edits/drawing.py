"""Drawing edits: which, of which defect, in which part, where, how large, how turned."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from defectory.datasets.manifest_line import ManifestLine
from orchestrator.edits.catalogue import Catalogue, Defect, kind_of, shares
from orchestrator.edits.line import Shows
from orchestrator.edits.operations import Drawn
from orchestrator.edits.recipe import OF_NO_DEFECT, EditName, EditRecipe

Item = TypeVar("Item")
PLACE_SPREAD = 0.05  # of a place beside one where a defect has been: share of the picture's sides
IN_GOOD_PARTS: tuple[EditName, ...] = ("copy", "swap", "recolour")


@dataclass(frozen=True)
class Plan:
    """An edit that is to be tried: what it is, of which pictures, and what the result shows."""

    drawn: Drawn
    ground: ManifestLine
    donor: ManifestLine
    shows: Shows

    @property
    def parents(self) -> tuple[ManifestLine, ...]:
        """The picture that is edited, then the other one whose defect, or mask, is used."""
        return (self.ground,) if self.ground is self.donor else (self.ground, self.donor)


class Drawing:
    """Draws edits from a catalogue as a recipe says."""

    def __init__(self, catalogue: Catalogue, recipe: EditRecipe) -> None:
        self._catalogue, self._recipe = catalogue, recipe
        possible = {name: share for name, share in recipe.shares.items() if share and self._possible(name)}
        self._names: list[EditName] = sorted(possible)
        self._odds = shares([possible[name] for name in self._names]) if possible else np.zeros(0)
        self._by_edit = {name: self._donors(name) for name in self._names if name not in OF_NO_DEFECT}
        self._centres = {kind_of(x.line): catalogue.centres(kind_of(x.line)) for x in catalogue.defects}

    @property
    def impossible(self) -> list[str]:
        """Edits that have a share, and nothing to be made of."""
        return sorted(name for name, share in self._recipe.shares.items() if share and name not in self._names)

    def draw(self, random: np.random.Generator) -> Plan | None:
        """One edit; None where nothing can be made. Whether it fits where it is to go shows when it is made."""
        if not self._names:
            return None
        edit = self._names[int(random.choice(len(self._names), p=self._odds))]
        if edit in OF_NO_DEFECT:
            return self._of_no_defect(edit, random)
        donor = _one(self._by_edit[edit], random)
        ground = _one(self._catalogue.good, random) if edit in IN_GOOD_PARTS else donor.line
        usable = donor.usable(self._recipe.largest)
        region = donor.regions[_one(usable, random) if usable else 0]
        line = donor.line
        proposed = (
            {"around": "heat", "mask": line.mask.sha256}
            if line.mask and line.file.sha256 in self._catalogue.by_heat
            else {}
        )
        drawn = Drawn(edit=edit, region=region.number, blend=self._recipe.blend).model_copy(update=proposed)
        shown = Shows(line.label, line.kind, line.kinds)
        if edit == "remove":
            return Plan(drawn, ground, line, Shows(self._catalogue.label_of_good, "", ()))
        if edit in ("swap", "recolour"):
            others = [x for x in donor.regions if x.number != region.number]
            second = _one(others, random).centre if others else self._centre(line, random)
            at, beside = in_pixels(region.centre, ground), in_pixels(second, ground)
            return Plan(drawn.model_copy(update={"place": at, "second_place": beside}), ground, line, shown)
        place = region.centre if edit == "change" else self._centre(line, random)
        return Plan(
            drawn.model_copy(update={"place": in_pixels(place, ground), **self._pose(random)}), ground, line, shown
        )

    def _possible(self, edit: EditName) -> bool:
        if edit in OF_NO_DEFECT:
            return bool(self._catalogue.good and self._catalogue.label_of_defects)
        return bool(self._donors(edit))

    def _of_no_defect(self, edit: EditName, random: np.random.Generator) -> Plan:
        """A good part, and for a texture another one that gives it; no real defect has a part in it."""
        ground = donor = _one(self._catalogue.good, random)
        if edit == "texture":
            donor = _one(self._catalogue.good, random)
        drawn = Drawn(edit=edit, blend="paste", seed=int(random.integers(2**32)))
        return Plan(drawn, ground, donor, Shows(self._catalogue.label_of_defects, "", ()))

    def _centre(self, line: ManifestLine, random: np.random.Generator) -> tuple[float, float]:
        return near_one(self._centres[kind_of(line)], random)

    def _pose(self, random: np.random.Generator) -> dict[str, object]:
        size, contrast = (self._recipe.size, self._recipe.contrast)
        return {
            "size": factor(size, random),
            "turn_degrees": round(float(random.uniform(*self._recipe.turn_degrees)), 2),
            "mirror": bool(random.integers(2)) and self._recipe.mirror,
            "contrast": factor(contrast, random),
        }

    def _donors(self, edit: EditName) -> Sequence[Defect]:
        if edit in IN_GOOD_PARTS and not self._catalogue.good:
            return ()
        if edit == "remove":
            return self._catalogue.defects if self._catalogue.label_of_good else ()
        return [defect for defect in self._catalogue.defects if defect.usable(self._recipe.largest)]


def _one(items: Sequence[Item], random: np.random.Generator) -> Item:
    return items[int(random.integers(len(items)))]


def near_one(centres: Sequence[tuple[float, float]], random: np.random.Generator) -> tuple[float, float]:
    """A place where, or beside where, a defect has been: shares of a picture's width and height."""
    x, y = _one(centres, random)
    beside = random.normal(0, PLACE_SPREAD, 2)
    return float(np.clip(x + beside[0], 0, 1)), float(np.clip(y + beside[1], 0, 1))


def factor(between: tuple[float, float], random: np.random.Generator) -> float:
    """As far above 1 as below it: evenly by its logarithm."""
    low, high = np.log(between)
    return round(float(np.exp(random.uniform(low, high))), 4)


def in_pixels(centre: tuple[float, float], line: ManifestLine) -> tuple[int, int]:
    """A place of a picture, from shares of its width and height."""
    return round(centre[0] * line.file.width), round(centre[1] * line.file.height)
