"""A manifest line from an edit: the one place that knows how a dataset says where an edited picture comes from."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from pydantic import JsonValue

from defectory.datasets.manifest import mask_key, original_key
from defectory.datasets.manifest_line import Edit, ManifestLine, MaskFile
from defectory.imaging import encode_png
from defectory.storage.store import ObjectStore
from orchestrator.edits.operations import Drawn


@dataclass(frozen=True)
class Shows:
    """What an edited picture shows: as a ManifestLine says it."""

    label: str
    kind: str
    kinds: tuple[str, ...]


@dataclass(frozen=True)
class Files:
    """A picture and its mask as PNG; None: it shows no defect."""

    picture: bytes
    mask: bytes | None

    @classmethod
    def of(cls, pixels: np.ndarray, mask: np.ndarray | None) -> "Files":
        """From uint8 (H, W) or (H, W, C), and bool (H, W)."""
        marked = mask is not None and mask.any()
        return cls(encode_png(pixels), encode_png(mask.astype(np.uint8) * 255) if marked and mask is not None else None)

    def named(self, store: ObjectStore, dataset: str) -> "Named":
        """Where a dataset has them."""
        sha256 = hashlib.sha256(self.picture).hexdigest()
        mask = None
        if self.mask is not None:
            mask_sha256 = hashlib.sha256(self.mask).hexdigest()
            mask = MaskFile(uri=store.uri(mask_key(dataset, mask_sha256)), sha256=mask_sha256)
        return Named(store.uri(original_key(dataset, sha256, "png")), sha256, mask)


@dataclass(frozen=True)
class Named:
    """A picture's URI and hash, and its mask, where it has one."""

    uri: str
    sha256: str
    mask: MaskFile | None


def recipe_line(
    store: ObjectStore, dataset: str, files: Files, parents: tuple[ManifestLine, ...], shows: Shows, drawn: Drawn
) -> ManifestLine:
    """Of an edit by recipe.

    Args:
        parents: the picture that was edited, then the one whose defect was taken, where that is another.
    """
    edit = Edit(recipe=drawn.model_dump(mode="json", exclude_defaults=True))
    return edited_line(store, dataset, files, parents, shows, edit)


def hand_line(
    store: ObjectStore, dataset: str, files: Files, parent: ManifestLine, shows: Shows, editor: str, person: str
) -> ManifestLine:
    """Of an edit by hand."""
    return edited_line(store, dataset, files, (parent,), shows, Edit(editor=editor, person=person))


def recipe_of(line: ManifestLine) -> Mapping[str, JsonValue]:
    """What was drawn for an edit by recipe; empty of any other picture."""
    return (line.origin.edit.recipe if line.origin.edit else None) or {}


def objects(line: ManifestLine, files: Files, store: ObjectStore) -> list[tuple[str, bytes]]:
    """(key, content) of what a line names."""
    stored = [(store.key(line.file.uri), files.picture)]
    if files.mask is not None and line.mask is not None:
        stored.append((store.key(line.mask.uri), files.mask))
    return stored


def edited_line(
    store: ObjectStore, dataset: str, files: Files, parents: tuple[ManifestLine, ...], shows: Shows, edit: Edit
) -> ManifestLine:
    """Of what became of the first of some parents, whose group, size, colours and way to a square go on to be true."""
    before, named = parents[0], files.named(store, dataset)
    return replace(
        before,
        file=replace(before.file, uri=named.uri, sha256=named.sha256),
        split="train",
        label=shows.label,
        kind=shows.kind,
        kinds=shows.kinds,
        mask=named.mask,
        origin=replace(
            before.origin, kind="edited", parents=tuple(parent.file.sha256 for parent in parents), edit=edit
        ),
    )
