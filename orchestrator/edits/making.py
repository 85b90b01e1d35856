"""Edits by recipe: so many pictures, each drawn by its own number, so that the same call makes the same bytes again."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from defectory.datasets.manifest import check_output_dataset, content_hash, read_manifest, write_dataset
from defectory.datasets.manifest_line import ManifestLine, MaskFile
from defectory.errors import FailedPrecondition, InvalidInput, NotMade
from defectory.settings import reading_from_environment
from defectory.storage.parallel import in_order
from defectory.storage.store import ObjectStore
from orchestrator.edits.blending import REACH_PX
from orchestrator.edits.catalogue import Catalogue, catalogue_of
from orchestrator.edits.drawing import Drawing, Plan
from orchestrator.edits.line import Files, objects, recipe_line, recipe_of
from orchestrator.edits.operations import Drawn, Picture, apply, region_mask, region_patch, stands_out
from orchestrator.edits.part import filling, find
from orchestrator.edits.patches import Patch
from orchestrator.edits.pictures import Memory, read_line_mask, read_picture, with_alpha_of, without_alpha
from orchestrator.edits.recipe import EditRecipe
from orchestrator.edits.seam import MEASURED, Border, borders_of, seam_note, seam_of

EDITED_FROM = "edited_from"  # what the cards of edited datasets have, and no others
WORKERS = 3  # threads: most of the work is computing, and more of them would wait for each other
TRIES = 100  # draws for one picture, before it is left at that
PLAIN = 3.0  # standard deviations of the ground by which an edit must stand out from it
MAX_COUNT = 1_000_000

Report = Callable[[int, int], None]


@dataclass(frozen=True)
class Made:
    """A dataset of edits by recipe.

    Attributes:
        by_edit: edit -> pictures. seam: as the card has it. notes: what a person should know.
    """

    manifest_uri: str
    content_hash: str
    images: int
    by_edit: dict[str, int]
    seam: dict[str, object] | None
    notes: list[str]


def edit_by_recipe(
    store: ObjectStore,
    lines: Sequence[ManifestLine],
    recipe: EditRecipe,
    dataset: str,
    *,
    source: str,
    count: int,
    seed: int,
    by_heat: frozenset[str] = frozenset(),
    report: Report = lambda done, total: None,
) -> Made:
    """Make `count` edited pictures of a dataset's training pictures, and write them as a dataset of their own.

    Args:
        lines: of the dataset that is edited. source: its manifest's URI.
        dataset: name of the one that is written.
        by_heat: sha256 of pictures whose mask was made of heat.

    Raises:
        InvalidInput: a count out of range. AlreadyExists: the name is that of a dataset that was made otherwise.
        NotMade: there is nothing to work with, or not one edit could be made.
        Corrupted, NotFound, …: a picture or mask cannot be read.
    """
    if not 1 <= count <= MAX_COUNT:
        right = f"from 1 to {MAX_COUNT}"
        raise InvalidInput(f"{count} edited pictures cannot be made: ask for {right}", {"count": right})
    check_output_dataset(store, dataset, EDITED_FROM)
    catalogue = catalogue_of(store, lines, recipe, by_heat)
    maker = Maker(store, catalogue, recipe, dataset, seed)
    new_lines: dict[str, ManifestLine] = {}
    borders: list[Border] = []
    for number, edited in enumerate(in_order(maker.make, range(count), WORKERS), start=1):
        if edited is not None and edited.line.file.sha256 not in new_lines:
            new_lines[edited.line.file.sha256] = edited.line
            borders += edited.borders
        report(number, count)
    if not new_lines:
        raise NotMade(_none_made(maker, count))
    seam = seam_of(borders)
    notes = [*catalogue.notes, *_notes(maker, len(new_lines), count), *filter(None, [seam_note(seam)])]
    by_edit = dict(sorted(Counter(str(recipe_of(line)["edit"]) for line in new_lines.values()).items()))
    card = {
        EDITED_FROM: source,
        "recipe": recipe.model_dump(mode="json"),
        "seed": seed,
        "asked": count,
        "by_edit": by_edit,
        "around_heat": sum(recipe_of(line).get("around") == "heat" for line in new_lines.values()),
        "seam": seam,
        "notes": notes,
    }
    written = list(new_lines.values())
    return Made(write_dataset(store, dataset, written, card), content_hash(written), len(written), by_edit, seam, notes)


@dataclass(frozen=True)
class Edited:
    """One picture that was made and stored, and its borders beside real ones."""

    line: ManifestLine
    borders: list[Border]


class Maker:
    """Makes single pictures; threads may call it at the same time."""

    def __init__(self, store: ObjectStore, catalogue: Catalogue, recipe: EditRecipe, dataset: str, seed: int) -> None:
        self._store, self._dataset, self._seed = store, dataset, seed
        self._find_part = catalogue.find_part
        self.drawing = Drawing(catalogue, recipe)
        self._donors: Memory[Picture] = Memory()
        self._patches: Memory[Patch] = Memory()
        self._whole: dict[tuple[str, int], bool] = {}  # (sha256, region): what is shown of it elsewhere is on the part

    def make(self, number: int) -> Edited | None:
        """The picture of a number, stored; None where nothing that was drawn for it fits and can be seen."""
        random = np.random.default_rng([self._seed, number])
        for _ in range(TRIES):
            plan = self.drawing.draw(random)
            if plan is None:
                return None
            edited = self._try(plan, measured=number < MEASURED)
            if edited is not None:
                return edited
        return None

    def _try(self, plan: Plan, measured: bool) -> Edited | None:
        donor = self._donors.get((plan.donor.file.sha256, 0), lambda: read_whole(self._store, plan.donor))
        whole = read_picture(self._store, plan.ground)
        ground = donor if plan.ground is plan.donor else Picture(without_alpha(whole), None)
        patch = None
        if plan.drawn.edit in ("copy", "repeat", "change"):
            key = (plan.donor.file.sha256, plan.drawn.region)
            if key not in self._whole:
                self._whole[key] = self._is_whole(plan, donor)
            if not self._whole[key]:
                return None
            patch = self._patches.get(key, lambda: region_patch(donor, plan.drawn.region))
        result = apply(plan.drawn, ground, donor, patch)
        if result is None or not self._holds(plan, whole, ground, result):
            return None
        files = Files.of(with_alpha_of(result.pixels, whole), result.mask)
        line = recipe_line(self._store, self._dataset, files, plan.parents, plan.shows, plan.drawn)
        for key_, content in objects(line, files, self._store):
            self._store.put(key_, content)
        return Edited(line, borders_of(plan, ground, donor, result) if measured else [])

    def _is_whole(self, plan: Plan, donor: Picture) -> bool:
        """Whether a defect and what is shown around it lie on its part: else a piece of the part's edge came along."""
        if self._find_part is filling:
            return True
        away = cv2.distanceTransform((~region_mask(donor, plan.drawn.region)).astype(np.uint8), cv2.DIST_L2, 5)
        return not ((away < REACH_PX) & ~find(self._find_part, read_picture(self._store, plan.donor))).any()

    def _holds(self, plan: Plan, whole: np.ndarray, ground: Picture, result: Picture) -> bool:
        """Whether an edit lies on the part and can be seen."""
        if plan.drawn.edit == "remove":
            return bool((result.pixels != ground.pixels).any())
        mask = result.mask
        if mask is None or not mask.any():
            return False
        new = mask & ~ground.mask if ground.mask is not None and plan.drawn.edit == "repeat" else mask
        if self._find_part is not filling and (new & ~find(self._find_part, whole)).any():
            return False
        compared = ground.pixels if plan.drawn.edit != "change" else result.pixels
        return plan.drawn.edit == "change" or stands_out(compared, result, new) >= PLAIN


def read_whole(store: ObjectStore, line: ManifestLine) -> Picture:
    """A line's colours and mask."""
    return Picture(without_alpha(read_picture(store, line)), read_line_mask(store, line))


def made_again(store: ObjectStore, line: ManifestLine, parents: Mapping[str, ManifestLine]) -> Files:
    """The files of an edit by recipe, from its line and its parents' alone.

    Args:
        parents: by sha256.

    Raises:
        NotFound: a parent is not there. FailedPrecondition: the line is of no edit by recipe.
    """
    if not recipe_of(line):
        raise FailedPrecondition(f"{line.file.uri} was not edited by recipe, so it cannot be made again")
    drawn = Drawn.model_validate(dict(recipe_of(line)))
    ground, donor = parents[line.origin.parents[0]], parents[line.origin.parents[-1]]
    if drawn.mask:  # of heat, beside the edited pictures
        folder = line.file.uri.rpartition("/originals/")[0]
        donor = replace(donor, mask=MaskFile(uri=f"{folder}/masks/{drawn.mask}.png", sha256=drawn.mask))
    whole, from_ = read_picture(store, ground), read_whole(store, donor)
    result = apply(drawn, from_ if len(line.origin.parents) == 1 else Picture(without_alpha(whole), None), from_)
    if result is None:
        raise FailedPrecondition(
            f"{line.file.uri} cannot be made again: its edit does not fit into its parent any more"
        )
    return Files.of(with_alpha_of(result.pixels, whole), result.mask)


def combined(store: ObjectStore, real_uri: str, edited_uris: Sequence[str]) -> tuple[list[ManifestLine], int]:
    """(lines, left out): a dataset's lines and those of edits whose parents are all in its training split.

    An edit of a picture that is validated or tested here would show a network what it is measured on.
    """
    reading = reading_from_environment()
    real = read_manifest(store, real_uri, reading)
    training = {line.file.sha256 for line in real if line.split == "train"}
    group = {line.file.sha256: line.group for line in real}
    known, added, left = {line.file.sha256 for line in real}, [], 0
    for line in (line for uri in edited_uris for line in read_manifest(store, uri, reading)):
        if line.judgement.verdict == "rejected" or line.file.sha256 in known:
            continue
        if line.origin.kind == "edited" and line.origin.parents and training.issuperset(line.origin.parents):
            known.add(line.file.sha256)
            added.append(replace(line, group=group[line.origin.parents[0]], split="train"))
        else:
            left += 1
    return real + added, left


def _notes(maker: Maker, done: int, count: int) -> Iterator[str]:
    if maker.drawing.impossible:
        yield f"{', '.join(maker.drawing.impossible)}: the dataset has nothing to make such edits of, so none was made"
    if done < count:
        yield f"{done} of {count} pictures were made: for the others nothing that fits, can be seen and is new"


def _none_made(maker: Maker, count: int) -> str:
    impossible = maker.drawing.impossible
    why = f"there is nothing to make {', '.join(impossible)} of" if impossible else "nothing fits, or can be seen"
    return f"not one of {count} edited pictures could be made: {why}; see `kinds`, `largest` and `size` of the recipe"
