"""Images that a classifier is asked about, and that it has learned from: its answers on them say nothing of new parts.

They are known by their content: a photograph's hash stands in the manifest that the classifier was trained on.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from defectory.datasets.decisions import is_view
from defectory.datasets.manifest import dataset_of_manifest, lines_of_pictures, read_card
from defectory.errors import DefectoryError
from defectory.storage import ObjectStore

# Of a manifest that is looked through while a server answers at once: some 2,500 images, and 10 ms.
QUICK_BYTES = 1 << 20
HASH = re.compile(r"[0-9a-f]{64}")


class _Lineage(BaseModel):
    manifest_uri: str
    content_hash: str


class _Card(BaseModel):
    lineage: _Lineage | None = None


@dataclass(frozen=True)
class LearnedFrom:
    """Images of a call that are a classifier's own, in their order."""

    train: Sequence[str] = ()
    validation: Sequence[str] = ()

    def in_words(self, asked: int) -> str:
        """What that means, in a sentence; empty where there are none.

        Args:
            asked: images of the call.
        """
        trained, chosen = len(self.train), len(self.validation)
        if not trained + chosen:
            return ""
        of = f"{trained + chosen} of these {asked} images" if asked > 1 else "this image"
        is_ = "are photographs" if trained + chosen > 1 else "is a photograph"
        by = "was chosen and calibrated by (its validation split)"
        if not chosen:
            what = "the model was trained on"
        elif not trained:
            what = f"the model {by}"
        else:
            what = f"the model was trained on ({trained}) or {by.removesuffix(')')}, {chosen})"
        them = "them" if trained + chosen > 1 else "it"
        return f"{of} {is_} that {what}: what it answers on {them} says nothing about new parts"


def learned_from(store: ObjectStore, card: object, images: Sequence[str], most_bytes: int | None) -> LearnedFrom:
    """Which images the classifier was trained on, and which it was chosen by.

    None where that cannot be known: its dataset lies in another store, or is no longer the one that it learned from.

    Args:
        card: the classifier's, as JSON has it. images: files, or URIs of the store. most_bytes: of its manifest; a
            longer one is not looked through. None: however long it is.
    """
    lineage = _Card.model_validate(card).lineage
    if lineage is None:
        return LearnedFrom()
    try:
        if not _is_the_same(store, lineage, most_bytes):
            return LearnedFrom()
        hashes = {image: hash_ for image in images if (hash_ := _hash_of(image))}
        lines = lines_of_pictures(store, lineage.manifest_uri, set(hashes.values()))
        split_of = {line.file.sha256: line.split for line in lines}
    except DefectoryError:
        return LearnedFrom()
    train, validation = (
        [image for image, hash_ in hashes.items() if split_of.get(hash_) == split] for split in ("train", "validation")
    )
    return LearnedFrom(train, validation)


def _is_the_same(store: ObjectStore, lineage: _Lineage, most_bytes: int | None) -> bool:
    """Whether its dataset is still what it learned from, and short enough; a document's is checked when read."""
    key = store.key(lineage.manifest_uri)
    if is_view(key):
        return True
    card = read_card(store, dataset_of_manifest(store, lineage.manifest_uri))
    if card.get("content_hash") != lineage.content_hash:
        return False
    return most_bytes is None or store.head(key).size_bytes <= most_bytes


def _hash_of(image: str) -> str:
    """SHA-256 of a file's content, or the one that a picture of the store is called by; empty where there is none."""
    if "://" in image:
        name = Path(image).stem
        return name if HASH.fullmatch(name) else ""
    try:
        with Path(image).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""
