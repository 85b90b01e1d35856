"""Setting synthetic defects into real good parts: full-size photographs with masks, which say how they were made.

A crop is set where real defects of its kind lie, with the edits' own ways: the surface must be alike, level, exposure
and texture are the ground's, and the mask says what is blended. What of a crop's defect reaches the crop's border ends
before it: nobody knows how it goes on.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from pydantic import BaseModel, ConfigDict

from defectory.datasets.manifest import check_output_dataset, content_hash, write_dataset
from defectory.datasets.manifest_line import Edit, ManifestLine
from defectory.datasets.masks import read_mask
from defectory.errors import FailedPrecondition
from defectory.imaging import decode
from defectory.storage.fetching import verified
from defectory.storage.parallel import in_order
from defectory.storage.store import ObjectStore
from orchestrator.edits.blending import REACH_PX
from orchestrator.edits.catalogue import Catalogue, kind_of
from orchestrator.edits.drawing import factor, in_pixels, near_one
from orchestrator.edits.line import Files, Shows, edited_line, objects, recipe_of
from orchestrator.edits.making import PLAIN, TRIES, WORKERS, read_whole
from orchestrator.edits.operations import Picture, set_patch, stands_out
from orchestrator.edits.part import filling, find
from orchestrator.edits.patches import Patch, cut, posed
from orchestrator.edits.pictures import read_picture, with_alpha_of, without_alpha
from orchestrator.edits.recipe import Blend, EditRecipe
from orchestrator.edits.regions import only, regions_of

SET_FROM = "set_from"  # what the cards of such datasets have, and no others
EMPTY, NO_PLACE = "no_defect", "no_place"  # why a crop is set nowhere

Report = Callable[[int, int], None]


class Placed(BaseModel):
    """How a crop was set: with the crop and the good part it gives the same photograph again.

    Attributes:
        crop, crop_mask: sha256 of its picture and of its mask. crop_uri, crop_mask_uri: where they lie.
        size: factor from the crop's pixels to the photograph's. place: of the defect's middle (x, y), px.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    edit: str = "set"
    crop: str
    crop_uri: str
    crop_mask: str
    crop_mask_uri: str
    size: float = 1
    mirror: bool = False
    contrast: float = 1
    place: tuple[int, int]
    blend: Blend


@dataclass(frozen=True)
class SetDefects:
    """A dataset of photographs with synthetic defects.

    Attributes:
        nowhere: crops that were set nowhere, and why: EMPTY, NO_PLACE.
    """

    manifest_uri: str
    content_hash: str
    images: int
    nowhere: list[tuple[ManifestLine, str]]

    @property
    def left_out(self) -> dict[str, int]:
        """why -> crops that were set nowhere."""
        return dict(Counter(why for _, why in self.nowhere))


def set_defects(
    store: ObjectStore,
    crops: Sequence[ManifestLine],
    catalogue: Catalogue,
    recipe: EditRecipe,
    dataset: str,
    *,
    label: str,
    size: float,
    seed: int,
    report: Report = lambda done, total: None,
) -> SetDefects:
    """Set each crop's defect into a good part of the training split, and write the photographs as a dataset.

    Args:
        crops: synthetic ones, labelled with their kinds, with the masks that were made with them.
        catalogue: the good parts, and where real defects lie on theirs.
        recipe: mirror, contrast and blend. label: of the photographs that are made.
        size: factor from the crops' pixels to the photographs'. seed: of all that is drawn.

    Raises:
        AlreadyExists: the name is that of a dataset that was made otherwise.
        FailedPrecondition: there is no good part. Corrupted, NotFound, …: a picture or mask cannot be read.
    """
    check_output_dataset(store, dataset, SET_FROM)
    if not catalogue.good:
        raise FailedPrecondition("defects are set into good parts, and the training split has none")
    setter = _Setter(store, dataset, catalogue, recipe, label, size, seed)
    written: list[ManifestLine] = []
    nowhere: list[tuple[ManifestLine, str]] = []
    for number, line in enumerate(in_order(setter.make, list(enumerate(crops)), WORKERS)):
        if isinstance(line, str):
            nowhere.append((crops[number], line))
        else:
            written.append(line)
        report(number + 1, len(crops))
    left_out = Counter(why for _, why in nowhere)
    uri = write_dataset(store, dataset, written, {SET_FROM: content_hash(crops), "seed": seed, "left_out": left_out})
    return SetDefects(uri, content_hash(written), len(written), nowhere)


class _Setter:
    """Sets single crops; threads may call it at the same time."""

    def __init__(
        self,
        store: ObjectStore,
        dataset: str,
        catalogue: Catalogue,
        recipe: EditRecipe,
        label: str,
        size: float,
        seed: int,
    ) -> None:
        self._store, self._dataset, self._recipe, self._label = store, dataset, recipe, label
        self._catalogue, self._find_part = catalogue, catalogue.find_part
        self._centres = {kind_of(x.line): catalogue.centres(kind_of(x.line)) for x in catalogue.defects}
        self._kinds = {kind_of(x.line): Shows(label, x.line.kind, x.line.kinds) for x in catalogue.defects}
        self._size, self._seed = size, seed

    def make(self, numbered: tuple[int, ManifestLine]) -> ManifestLine | str:
        """The photograph with a crop's defect, stored; or why there is none."""
        number, crop = numbered
        patch = defect_patch(read_whole(self._store, crop)) if crop.mask else None
        if crop.mask is None or patch is None:
            return EMPTY
        random = np.random.default_rng([self._seed, number])
        good = self._catalogue.good
        for _ in range(TRIES):
            ground = good[int(random.integers(len(good)))]
            placed = Placed(
                crop=crop.file.sha256, crop_uri=crop.file.uri, crop_mask=crop.mask.sha256, crop_mask_uri=crop.mask.uri,
                size=self._size, mirror=bool(random.integers(2)) and self._recipe.mirror,
                contrast=factor(self._recipe.contrast, random), blend=self._recipe.blend,
                place=in_pixels(near_one(self._centres[crop.label], random), ground),
            )  # fmt: skip
            line = self._try(crop, ground, placed, patch)
            if line is not None:
                return line
        return NO_PLACE

    def _try(self, crop: ManifestLine, ground: ManifestLine, placed: Placed, patch: Patch) -> ManifestLine | None:
        whole = read_picture(self._store, ground)
        picture = Picture(without_alpha(whole), None)
        result = _applied(placed, picture, patch)
        if result is None or result.mask is None or not result.mask.any():
            return None
        if self._find_part is not filling and (result.mask & ~find(self._find_part, whole)).any():
            return None
        if stands_out(picture.pixels, result, result.mask) < PLAIN:
            return None
        files = Files.of(with_alpha_of(result.pixels, whole), result.mask)
        edit = Edit(recipe={"edit": placed.edit, **placed.model_dump(mode="json", exclude_defaults=True)})
        line = edited_line(self._store, self._dataset, files, (ground,), self._kinds[crop.label], edit)
        line = replace(line, origin=replace(line.origin, kind="synthetic"), synthesis=crop.synthesis)
        for key, content in objects(line, files, self._store):
            self._store.put(key, content)
        return line


def defect_patch(crop: Picture) -> Patch | None:
    """The largest defect of a crop, with what is around it; None where its mask is empty, or specks.

    It ends within the crop, as far from the border as it fades.
    """
    if crop.mask is None:
        return None
    inner = crop.mask.copy()
    edge = round(REACH_PX)
    inner[:edge], inner[-edge:], inner[:, :edge], inner[:, -edge:] = False, False, False, False
    regions = regions_of(inner)
    return cut(crop.pixels, only(inner, regions[0]), crop.mask) if regions else None


def set_again(store: ObjectStore, line: ManifestLine, good: ManifestLine) -> Files:
    """The files of a photograph with a synthetic defect, from its line, its good part and its crop.

    Raises:
        FailedPrecondition: no defect was set into it. NotFound, Corrupted: the crop is not there, or is another.
    """
    if recipe_of(line).get("edit") != "set":
        raise FailedPrecondition(f"no synthetic defect was set into {line.file.uri}, so it cannot be set again")
    placed = Placed.model_validate(dict(recipe_of(line)))
    pixels = np.asarray(decode(verified(store.get(store.key(placed.crop_uri)), placed.crop_uri, placed.crop)))
    content = verified(store.get(store.key(placed.crop_mask_uri)), placed.crop_mask_uri, placed.crop_mask)
    mask = np.asarray(read_mask(content, pixels.shape[1], pixels.shape[0])) > 0
    patch = defect_patch(Picture(pixels if pixels.ndim == 3 else pixels[..., None], mask))
    whole = read_picture(store, good)
    result = _applied(placed, Picture(without_alpha(whole), None), patch) if patch else None
    if result is None:
        raise FailedPrecondition(f"{line.file.uri} cannot be made again: its defect does not fit into {good.file.uri}")
    return Files.of(with_alpha_of(result.pixels, whole), result.mask)


def _applied(placed: Placed, ground: Picture, patch: Patch) -> Picture | None:
    """A good part with a defect; None where it does not fit, or the surface is another."""
    changed = in_colours_of(posed(patch, placed.size, 0, placed.mirror), ground.pixels.shape[2])
    return set_patch(ground, changed, placed.place, placed.blend, placed.contrast, matching=True)


def in_colours_of(patch: Patch, channels: int) -> Patch:
    """A patch in a ground's colours: grey is the mean of colours, and equal colours are grey."""
    if patch.pixels.shape[2] == channels:
        return patch
    grey = patch.pixels.mean(axis=-1, keepdims=True)
    return replace(patch, pixels=np.repeat(grey, channels, axis=-1))
