"""What a dataset has for edits: its training pictures of good parts, its defects, and where on parts these lie."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from defectory.datasets.manifest_line import ManifestLine
from defectory.errors import NotMade
from defectory.storage.parallel import in_order
from defectory.storage.store import ObjectStore
from orchestrator.edits.part import Finder, filling, finder_of
from orchestrator.edits.pictures import read_line_mask, read_picture
from orchestrator.edits.recipe import EditRecipe
from orchestrator.edits.regions import Region, regions_of

EXAMPLES = 24  # photographs by which it is decided how parts are found on their ground


@dataclass(frozen=True)
class Defect:
    """A training picture of a defect, and the regions of its mask."""

    line: ManifestLine
    regions: tuple[Region, ...]

    def usable(self, largest: float) -> list[int]:
        """Regions that can be set elsewhere: whole, and no larger than a share of their picture."""
        return [x.number for x in self.regions if not x.cut_off and x.share <= largest]


@dataclass(frozen=True)
class Catalogue:
    """Training pictures alone: what is edited never sits in validation or test, and neither does what it is made of.

    Attributes:
        good: pictures of good parts. label_of_good: theirs; "" without any.
        label_of_defects: of all others, where that is one label; else "".
        defects: with at least one region, in the manifest's order.
        find_part: tells which pixels of a picture show its part.
        notes: what a person should know of what was left out.
        by_heat: sha256 of pictures whose mask is a classifier's heat.
    """

    good: tuple[ManifestLine, ...]
    label_of_good: str
    defects: tuple[Defect, ...]
    find_part: Finder
    notes: tuple[str, ...]
    by_heat: frozenset[str] = frozenset()
    label_of_defects: str = ""

    def centres(self, kind: str) -> list[tuple[float, float]]:
        """Where on its part a defect of a kind has been, as shares of width and height; of any kind where none was."""
        own = [x.centre for defect in self.defects if kind_of(defect.line) == kind for x in defect.regions]
        return own or [x.centre for defect in self.defects for x in defect.regions]


def kind_of(line: ManifestLine) -> str:
    """A defect's kind, else its label."""
    return line.kind or line.label


def catalogue_of(
    store: ObjectStore,
    lines: Sequence[ManifestLine],
    recipe: EditRecipe,
    by_heat: frozenset[str] = frozenset(),
    report: Callable[[int, int], None] = lambda done, total: None,
) -> Catalogue:
    """Look through a dataset's training pictures.

    Args:
        lines: of the whole dataset.
        by_heat: sha256 of those whose mask was made of heat.

    Raises:
        NotMade: there is no defect to work with; says what would be right.
        Corrupted, NotFound, …: a mask cannot be read.
    """
    training = [
        x for x in lines if x.split == "train" and x.origin.kind == "real" and x.judgement.verdict != "rejected"
    ]
    training = [x for x in training if not x.origin.augmentation]
    marked = [x for x in training if x.mask]
    defective = {x.label for x in training if x.mask or x.kind}
    good = tuple(x for x in training if x.label not in defective)
    label_of_defects = defective.pop() if len(defective) == 1 else ""
    if not recipe.of_defects:
        if not good or not label_of_defects:
            raise NotMade(
                "anomalies are made out of pictures of good parts and get the one label that defects have: training "
                "lacks either; ingest good and defective pictures with masks or kinds, and labels: binary"
            )
        return Catalogue(good, good[0].label, (), filling, (), label_of_defects=label_of_defects)
    wanted = [x for x in marked if not recipe.kinds or kind_of(x) in recipe.kinds or x.label in recipe.kinds]
    if not wanted:
        raise NotMade(_nothing(training, marked, recipe))
    defects: list[Defect] = []
    examples: list[tuple[np.ndarray, np.ndarray]] = []
    masks = in_order(lambda line: read_line_mask(store, line), wanted)
    for number, (line, mask) in enumerate(zip(wanted, masks, strict=True), start=1):
        regions = regions_of(mask) if mask is not None else []
        if regions and mask is not None:
            defects.append(Defect(line, tuple(regions)))
            if len(examples) < EXAMPLES:
                examples.append((read_picture(store, line), mask))
        report(number, len(wanted))
    if not defects:
        raise NotMade(f"the masks of all {len(wanted)} training pictures of defects are empty, or specks")
    largest, whole = recipe.largest, [x for x in defects if x.usable(recipe.largest)]
    notes = []
    if len(whole) < len(defects):
        notes.append(
            f"{len(defects) - len(whole)} of {len(defects)} defects lie at their picture's border, or cover more than "
            f"{largest:g} of it (largest): they are set nowhere else"
        )
    return Catalogue(
        good, good[0].label if good else "", tuple(defects), finder_of(examples), tuple(notes), by_heat,
        label_of_defects,
    )  # fmt: skip


def _nothing(training: Sequence[ManifestLine], marked: Sequence[ManifestLine], recipe: EditRecipe) -> str:
    if not training:
        return "no picture of the dataset is for training; edits are made of training pictures alone"
    if not marked:
        return (
            "no training picture has a mask or a box that says where its defect lies: ingest the dataset with masks, "
            "or let a classifier's heat say it (--around heat)"
        )
    there = ", ".join(sorted({kind_of(x) for x in marked}))
    return f"no training picture with a mask is of {', '.join(recipe.kinds)}; use {there}"


def shares(values: Sequence[float]) -> np.ndarray:
    """Shares as probabilities, float64 (N,)."""
    array = np.asarray(values, np.float64)
    shares: np.ndarray = array / array.sum()
    return shares
