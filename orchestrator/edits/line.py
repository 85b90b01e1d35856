"""A manifest line from an edit: the one place that knows how a dataset says where an edited picture comes from."""

import hashlib
from dataclasses import dataclass

import numpy as np

from defectory.datasets.manifest import ManifestLine, original_key
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


def recipe_line(
    store: ObjectStore, dataset: str, files: Files, parents: tuple[ManifestLine, ...], shows: Shows, drawn: Drawn
) -> ManifestLine:
    """Of an edit by recipe.

    Args:
        parents: the picture that was edited, then the one whose defect was taken, where that is another.
    """
    made = {"recipe": drawn.model_dump(mode="json", exclude_defaults=True)}
    return _line(store, dataset, files, parents, shows).model_copy(update=made)


def hand_line(
    store: ObjectStore, dataset: str, files: Files, parent: ManifestLine, shows: Shows, editor: str, person: str
) -> ManifestLine:
    """Of an edit by hand."""
    made = {"editor": editor, "person": person}
    return _line(store, dataset, files, (parent,), shows).model_copy(update=made)


def objects(line: ManifestLine, files: Files, store: ObjectStore) -> list[tuple[str, bytes]]:
    """(key, content) of what a line names."""
    stored = [(store.key(line.uri), files.picture)]
    return [*stored, (store.key(line.mask_uri), files.mask)] if files.mask is not None else stored


def _line(
    store: ObjectStore, dataset: str, files: Files, parents: tuple[ManifestLine, ...], shows: Shows
) -> ManifestLine:
    """What the edited picture was goes on to be true of it: its group, its size, its colours, how it becomes square."""
    sha256 = hashlib.sha256(files.picture).hexdigest()
    mask_sha256 = hashlib.sha256(files.mask).hexdigest() if files.mask is not None else ""
    made = {
        "uri": store.uri(original_key(dataset, sha256, "png")),
        "sha256": sha256,
        "origin": "edited",
        "split": "train",
        "parents": tuple(parent.sha256 for parent in parents),
        "label": shows.label,
        "kind": shows.kind,
        "kinds": shows.kinds,
        "mask_uri": store.uri(f"datasets/{dataset}/masks/{mask_sha256}.png") if mask_sha256 else "",
        "mask_sha256": mask_sha256,
    }
    return parents[0].model_copy(update=made)
