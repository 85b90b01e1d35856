"""Pictures for a person to edit: at their own size and depth, as PNG, with a file that says what each one is."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import imagecodecs
import numpy as np
from pydantic import BaseModel, ConfigDict

from defectory.datasets.manifest_line import ManifestLine
from defectory.datasets.pictures import image_of, memory_of, picture_of
from defectory.errors import AlreadyExists, InvalidInput
from defectory.imaging import encode_png, read_header
from defectory.storage.references import unrooted
from defectory.storage.store import ObjectStore
from orchestrator.edits.catalogue import kind_of
from orchestrator.edits.turning import UPRIGHTED

INDEX = "edits.json"  # what the files of a folder are
FEWEST_OF_HASH = 6  # characters by which a picture can be chosen


class ExportedPicture(BaseModel):
    """A picture that was handed out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str
    label: str
    kind: str = ""


class Index(BaseModel):
    """edits.json: of which dataset the files of a folder are. Keys are their names without ending."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = 1
    manifest_uri: str
    pictures: dict[str, ExportedPicture]


@dataclass(frozen=True)
class HandedOut:
    """What was written: the folder's files, and how many of them have 16 bits."""

    files: int
    of_16_bits: int


def export_for_hand(
    store: ObjectStore,
    lines: Sequence[ManifestLine],
    out: Path,
    *,
    source: str,
    choose: Sequence[str],
    count: int,
    seed: int,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> HandedOut:
    """Write training pictures into a folder that is empty or not there.

    Args:
        source: the manifest's URI.
        choose: labels, kinds, beginnings of a SHA-256 (6 characters and more), or files as they were ingested; of all
            that one of them fits, `count` are drawn (0: all). Empty: of all training pictures.

    Raises:
        InvalidInput: nothing is chosen, or something that fits nothing. AlreadyExists: the folder holds something.
    """
    training = [x for x in lines if x.split == "train" and x.origin.kind == "real" and not x.origin.augmentation]
    for wanted in choose:
        if not any(_fits(line, wanted) for line in training):
            tested = any(_fits(line, wanted) for line in lines)
            there = ", ".join(sorted({kind_of(line) for line in training} | {line.label for line in training}))
            right = (
                "it is not for training, and what is validated or tested is not edited" if tested
                else f"use a label or kind ({there}), a file's path, or the beginning of its SHA-256"
            )  # fmt: skip
            raise InvalidInput(f"--choose {wanted}: {right}", {"choose": right})
    chosen = [line for line in training if not choose or any(_fits(line, wanted) for wanted in choose)]
    if not chosen:
        raise InvalidInput("no picture of the dataset is for training; edits are made of training pictures alone")
    if count and count < len(chosen):
        drawn = np.random.default_rng(seed).choice(len(chosen), count, replace=False)
        chosen = [chosen[number] for number in sorted(drawn)]
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise AlreadyExists(f"{out} is not an empty folder; give another one")
    out.mkdir(parents=True, exist_ok=True)
    pictures, deep = {}, 0
    for number, line in enumerate(chosen, start=1):
        name = f"{kind_of(line)}-{line.file.sha256[:12]}".replace("/", "-")
        original = original_of(store, line)
        deep += original.dtype == np.uint16
        (out / f"{name}.png").write_bytes(png_of(shown(original, line)))
        pictures[name] = ExportedPicture(sha256=line.file.sha256, label=line.label, kind=line.kind)
        report(number, len(chosen))
    index = Index(manifest_uri=source, pictures=pictures)
    document = json.dumps(index.model_dump(), indent=2, sort_keys=True) + "\n"
    (out / INDEX).write_bytes(unrooted(document.encode(), store))
    return HandedOut(len(chosen), deep)


def original_of(store: ObjectStore, line: ManifestLine) -> np.ndarray:
    """A line's picture, upright, with all its bits: uint16 (H, W, C) where it has more than 8, else uint8.

    Raises:
        Corrupted, NotFound, InvalidInput: as `defectory.datasets.pictures`.
    """
    content = picture_of(store, line)
    with memory_of(line):
        opened = read_header(content)
        numbers = opened.numbers()
        if numbers.dtype == np.uint16:
            upright = UPRIGHTED[opened.orientation()](numbers)
            return np.ascontiguousarray(upright if upright.ndim == 3 else upright[..., None])
        pixels = np.asarray(image_of(content, line))
    return pixels if pixels.ndim == 3 else pixels[..., None]


def shown(original: np.ndarray, line: ManifestLine) -> np.ndarray:
    """As a person is to see it: values of a camera's 10 to 14 bits fill all 16."""
    return original << (16 - line.file.bits) if original.dtype == np.uint16 else original


def as_stored(edited: np.ndarray, line: ManifestLine) -> np.ndarray:
    """The reverse of `shown`, to the nearest value."""
    spare = 16 - line.file.bits
    if edited.dtype != np.uint16 or spare == 0:
        return edited
    rounded = (edited.astype(np.uint32) + (1 << (spare - 1))) >> spare
    levels: np.ndarray = np.minimum(rounded, (1 << line.file.bits) - 1).astype(np.uint16)
    return levels


def png_of(pixels: np.ndarray) -> bytes:
    """Pixels as PNG of 8 or 16 bits: uint8 or uint16 (H, W, C)."""
    bare = pixels[..., 0] if pixels.shape[2] == 1 else pixels
    return bytes(imagecodecs.png_encode(np.ascontiguousarray(bare))) if bare.dtype == np.uint16 else encode_png(bare)


def _fits(line: ManifestLine, wanted: str) -> bool:
    by_hash = len(wanted) >= FEWEST_OF_HASH and line.file.sha256.startswith(wanted.lower())
    return by_hash or wanted in (line.label, line.kind, line.origin.source)
