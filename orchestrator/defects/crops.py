"""A dataset of square crops around real defects, and of good parts: what a generator of defects learns."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from defectory.datasets.manifest import check_output_dataset, content_hash, write_dataset
from defectory.datasets.manifest_line import Judgement, ManifestLine, Origin, PictureFile
from defectory.errors import NotMade
from defectory.storage.parallel import in_order
from defectory.storage.store import ObjectStore
from orchestrator.defects import windows
from orchestrator.edits.blending import REACH_PX
from orchestrator.edits.catalogue import Catalogue, catalogue_of, kind_of
from orchestrator.edits.line import Files, objects
from orchestrator.edits.part import find
from orchestrator.edits.pictures import read_line_mask, read_picture, without_alpha
from orchestrator.edits.recipe import EditRecipe
from orchestrator.edits.regions import LEAST_PIXELS, Region, only, regions_of

CROPPED_FROM = "cropped_from"  # what the cards of such datasets have, and no others
GOOD = "good surface"  # label of crops of good parts: no kind of a defect is called so
PER_GOOD_PART = 2  # crops
MOST_OF_GOOD = 2000  # crops of good parts
SPLITS = ("train", "validation")  # what is tested is never cut up

Report = Callable[[int, int], None]


@dataclass(frozen=True)
class Crops:
    """A dataset of crops.

    Attributes:
        side_px: of the crops, in the photographs' own pixels. counts: split -> kind -> crops.
        notes: what a person should know.
    """

    manifest_uri: str
    content_hash: str
    side_px: int
    counts: dict[str, dict[str, int]]
    notes: tuple[str, ...]

    @property
    def kinds(self) -> list[str]:
        """Kinds of defects that there are crops of for training."""
        return kinds_in(self.counts)


def kinds_in(counts: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Kinds of defects that there are crops of for training, of split -> kind -> crops."""
    return sorted(set(counts["train"]) - {GOOD})


def crop_defects(
    store: ObjectStore,
    lines: Sequence[ManifestLine],
    recipe: EditRecipe,
    dataset: str,
    *,
    source: str,
    resolution_px: int,
    seed: int,
    report: Report = lambda done, total: None,
) -> Crops:
    """Cut training and validation photographs up, and write the crops as a dataset of their own.

    A crop's line is its photograph's, but for label (the defect's kind, or GOOD), file, mask, and origin, which names
    the photograph and the square of it.

    Args:
        lines: of the whole dataset. recipe: which kinds, and how large (`largest`). source: URI of its manifest.
        resolution_px: of the generator; crops are at least as large.

    Raises:
        AlreadyExists: the name is that of a dataset that was made otherwise.
        NotMade: there is no defect whose place is known, or no photograph is large enough.
        Corrupted, NotFound, …: a picture or mask cannot be read.
    """
    check_output_dataset(store, dataset, CROPPED_FROM)
    catalogue = catalogue_of(store, lines, recipe)
    kinds = {kind_of(defect.line) for defect in catalogue.defects}
    defects = [x for x in lines if x.mask and kind_of(x) in kinds and _usable(x)]
    label_of_good = catalogue.label_of_good
    good = [x for x in lines if label_of_good and x.label == label_of_good and _usable(x)]
    longer = [
        max(x.width, x.height) for defect in catalogue.defects for x in defect.regions if x.share <= recipe.largest
    ]
    if not longer:
        raise NotMade(f"every defect covers more than {recipe.largest:g} of its picture: raise `largest`")
    cutter = _Cutter(store, dataset, catalogue, recipe.largest, windows.side_of(longer, resolution_px), seed)
    every = max(1, -(-len(good) * PER_GOOD_PART // MOST_OF_GOOD))
    cut = [*((line, True) for line in defects), *((line, False) for line in good[::every])]
    by_hash: dict[str, ManifestLine] = {}
    for number, crops in enumerate(in_order(cutter.crops_of, cut), start=1):
        by_hash.update((crop.file.sha256, crop) for crop in crops)
        report(number, len(cut))
    written = list(by_hash.values())
    counts = {split: dict(sorted(Counter(x.label for x in written if x.split == split).items())) for split in SPLITS}
    notes = tuple(_notes(cutter.side_px, resolution_px, kinds - set(counts["train"])))
    if not kinds & set(counts["train"]):
        raise NotMade(
            f"no crop of {cutter.side_px} px could be cut out around a defect: the photographs are smaller, or all "
            "defects cover more of them than `largest`, or lie at the edge of their part: learn whole parts instead"
        )
    card = {CROPPED_FROM: source, "side_px": cutter.side_px, "seed": seed, "recipe": recipe.model_dump(mode="json")}
    uri = write_dataset(store, dataset, written, {**card, "notes": notes})
    return Crops(uri, content_hash(written), cutter.side_px, counts, notes)


def _usable(line: ManifestLine) -> bool:
    return (
        line.split in SPLITS
        and line.origin.kind == "real"
        and line.judgement.verdict != "rejected"
        and not line.origin.augmentation
    )


def _notes(side_px: int, resolution_px: int, without: set[str]) -> Iterator[str]:
    if side_px > resolution_px:
        yield (
            f"most defects are larger than {resolution_px} px: crops of {side_px} px are learned at {resolution_px}, "
            "and enlarged again where they are set"
        )
    if without:
        yield f"{', '.join(sorted(without))}: no crop shows it whole and on its part, so it is not learned"


class _Cutter:
    """Cuts single photographs up; threads may call it at the same time."""

    def __init__(
        self, store: ObjectStore, dataset: str, catalogue: Catalogue, largest: float, side_px: int, seed: int
    ) -> None:
        self._store, self._dataset, self._seed = store, dataset, seed
        self._find_part, self._largest = catalogue.find_part, largest
        self.side_px = side_px

    def crops_of(self, wanted: tuple[ManifestLine, bool]) -> list[ManifestLine]:
        """Crops of a photograph, stored: around its defects, or of its surface where it shows none."""
        line, is_defective = wanted
        random = np.random.default_rng([self._seed, int(line.file.sha256[:8], 16)])  # whatever else is cut up
        if min(line.file.width, line.file.height) < self.side_px:
            return []
        whole = read_picture(self._store, line)
        part = find(self._find_part, whole)
        pixels = without_alpha(whole)
        mask = read_line_mask(self._store, line) if is_defective else None
        if mask is None:
            chosen = windows.of_surface(part, self.side_px, PER_GOOD_PART, random)
            return [self._stored(line, pixels, None, window, GOOD) for window in chosen]
        usable = [x for x in regions_of(mask) if x.share <= self._largest and _on_part(mask, x, part)]
        chosen = [window for x in usable for window in windows.around(mask, x, self.side_px, random)]
        crops = (self._stored(line, pixels, mask, window, kind_of(line)) for window in chosen)
        return [crop for crop in crops if crop.mask is not None]

    def _stored(
        self, parent: ManifestLine, pixels: np.ndarray, mask: np.ndarray | None, window: windows.Window, label: str
    ) -> ManifestLine:
        (left, top), side = window, self.side_px
        square = slice(top, top + side), slice(left, left + side)
        crop = pixels[square]
        is_marked = mask is not None and mask[square].sum() >= LEAST_PIXELS
        files = Files.of(crop, mask[square] if mask is not None and is_marked else None)
        named = files.named(self._store, self._dataset)
        line = replace(
            parent,
            file=PictureFile(
                uri=named.uri, sha256=named.sha256, width=side, height=side,
                colour="L" if crop.shape[2] == 1 else "RGB", fit="stretch",
            ),
            label=label,
            mask=named.mask,
            group=parent.part,
            origin=Origin(parents=(parent.file.sha256,), source=parent.origin.source, tile=(left, top, side)),
            judgement=Judgement(),
        )  # fmt: skip
        for key, content in objects(line, files, self._store):
            self._store.put(key, content)
        return line


def _on_part(mask: np.ndarray, region: Region, part: np.ndarray) -> bool:
    """Whether a region and what is shown around it elsewhere lie on the part: no piece of its edge is to come along."""
    if part.all():
        return True
    away = cv2.distanceTransform((~only(mask, region)).astype(np.uint8), cv2.DIST_L2, 5)
    return not ((away < REACH_PX) & ~part).any()
