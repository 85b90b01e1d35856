"""A manifest's images in memory, beside their lines: (N, size, size, 3) uint8, and what a base makes of them."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from defectory.datasets.manifest_line import ManifestLine
from defectory.datasets.prepared import prepared
from defectory.datasets.splits import SPLIT_NAMES
from defectory.errors import DefectoryError, InvalidInput, listed
from defectory.storage.store import ObjectStore
from services.classifier.card import Preprocessing

# What an epoch takes of images: they themselves; what the trainable top of the base takes; embeddings; those of views.
Stage = Literal["pixels", "stem", "pooled", "views"]


@dataclass(frozen=True)
class Images:
    """Images in memory; what could not be read is listed and left out."""

    lines: list[ManifestLine]
    pixels: np.ndarray  # uint8 (N, size, size, 3)
    skipped: list[tuple[str, str]]  # (URI, reason)


@dataclass(frozen=True)
class Part:
    """One split, as arrays.

    Attributes:
        labels: int64 (N,).
        inputs: stage -> what its epochs take of the images, (N, …), as far as it is there already.
    """

    lines: list[ManifestLine]
    labels: np.ndarray
    inputs: dict[Stage, np.ndarray] = field(default_factory=dict)

    @property
    def pixels(self) -> np.ndarray:
        """The images themselves, uint8 (N, size, size, 3)."""
        return self.inputs["pixels"]

    def forget(self) -> None:
        """Leave nothing but the images themselves."""
        for stage in [stage for stage in self.inputs if stage != "pixels"]:
            del self.inputs[stage]

    def of(self, chosen: Sequence[int]) -> "Part":
        """Some of its images."""
        inputs = {stage: values[chosen] for stage, values in self.inputs.items()}
        return Part([self.lines[i] for i in chosen], self.labels[chosen], inputs)


def load_images(
    store: ObjectStore,
    lines: Sequence[ManifestLine],
    size_px: int,
    preprocessing: Preprocessing,
    report: Callable[[int, int], None] | None = None,
) -> Images:
    """What a network sees of every line's image; one with which something is wrong stops nothing.

    Raises:
        Unavailable, Exhausted, Refused: the store. Exhausted: not enough memory for an image.
        Corrupted: images that are not those that their lines describe; names them.
    """
    kept: list[ManifestLine] = []
    skipped: list[tuple[str, str]] = []
    pixels = np.empty((len(lines), size_px, size_px, 3), np.uint8)
    recipe = input_recipe(size_px, preprocessing)
    inputs = prepared(store, lines, lambda _: recipe, lambda content, _: preprocessing.input_of(content, size_px))
    for number, (line, image) in enumerate(zip(lines, inputs, strict=True), start=1):
        if isinstance(image, DefectoryError):
            skipped.append((line.file.uri, str(image)))
        else:
            pixels[len(kept)] = image
            kept.append(line)
        if report is not None:
            report(number, len(lines))
    return Images(kept, pixels[: len(kept)], skipped)


def input_recipe(size_px: int, preprocessing: Preprocessing) -> str:
    """Names all that an input depends on, besides its picture."""
    return f"input-{size_px}-{preprocessing.square_px}-{preprocessing.fit}-{preprocessing.bits}"


def lines_of(lines: Sequence[ManifestLine], *splits: str) -> list[ManifestLine]:
    """The lines of some splits that were not rejected: what is trained on, chosen by, measured on."""
    return [line for line in lines if line.split in splits and line.judgement.verdict != "rejected"]


def longest_px(lines: Sequence[ManifestLine]) -> int:
    """The longest side that a network may see of any of the lines' pictures, at least one."""
    return max(line.network_px or max(line.file.width, line.file.height) for line in lines)


def label_indices(lines: Sequence[ManifestLine], labels: Sequence[str]) -> np.ndarray:
    """int64 (N,) indices of the lines' labels; InvalidInput for a label that the classifier does not know."""
    known = {label: index for index, label in enumerate(labels)}
    unknown = sorted({line.label for line in lines} - known.keys())
    if unknown:
        right = f"use images labelled {listed(labels)}"
        raise InvalidInput(f"labels {listed(unknown)} are not the classifier's: {right}", {"manifest_uri": right})
    return np.array([known[line.label] for line in lines], dtype=np.int64)


def own_images(lines: Sequence[ManifestLine]) -> list[int]:
    """Indices of a split's own images: copies that a test split was grown by show nothing new."""
    return [i for i, line in enumerate(lines) if not line.origin.augmentation]


def split_parts(
    lines: Sequence[ManifestLine],
    inputs: Mapping[Stage, np.ndarray],
    labels: Sequence[str],
    needed: Sequence[str] = ("train", "validation"),
) -> dict[str, Part]:
    """The images by split.

    Args:
        inputs: stage -> what it takes of the lines' images, (N, …).

    Raises:
        InvalidInput: no images of a split that is needed, or augmented copies only.
    """
    parts: dict[str, Part] = {}
    for split in SPLIT_NAMES:
        chosen = [i for i, line in enumerate(lines) if line.split == split]
        own = [lines[i] for i in chosen]
        parts[split] = Part(own, label_indices(own, labels), {stage: of[chosen] for stage, of in inputs.items()})
    for name in needed:
        if not own_images(parts[name].lines):
            right = f"give a manifest with readable images of split {name!r} that are no augmented copies"
            raise InvalidInput(f"there are no {name} images: {right}", {"manifest_uri": right})
    return parts


def cap_synthetic(lines: Sequence[ManifestLine], cap: int) -> list[ManifestLine]:
    """The lines, with at most `cap` synthetic training images a label; 0: all.

    Which ones is decided by their hashes: at random, but always alike, and a greater cap only adds images.
    """
    if cap == 0:
        return list(lines)
    left: set[str] = set()
    counted: Counter[str] = Counter()
    for line in sorted(lines, key=lambda x: x.file.sha256):
        if line.split == "train" and not line.is_real:
            counted[line.label] += 1
            if counted[line.label] > cap:
                left.add(line.file.sha256)
    return [line for line in lines if line.file.sha256 not in left]


def check_no_leak(lines: Sequence[ManifestLine]) -> None:
    """Refuse a manifest in which a test image, or a part shown in one, is also trained on.

    Raises:
        InvalidInput: names the first such image.
    """
    held = {x.file.sha256 for x in lines if x.split == "test"} | {
        x.group for x in lines if x.split == "test" and x.group
    }
    for line in lines:
        if line.split in ("train", "validation") and (line.file.sha256 in held or line.group in held):
            right = "split by group: what the test set shows must not be trained on or chosen by"
            raise InvalidInput(f"{line.file.uri} ({line.split}) is in the test set too, or shows a part of it: {right}",
                               {"manifest_uri": right})  # fmt: skip


def lines_to_calibrate_on(lines: Sequence[ManifestLine]) -> list[ManifestLine]:
    """The validation and test images that were not rejected; InvalidInput where one split shows what the other does."""
    chosen = lines_of(lines, "validation", "test")
    check_no_leak(chosen)
    return chosen


def labels_to_calibrate_on(lines: Sequence[ManifestLine]) -> list[str]:
    """Labels of the validation images among `lines_to_calibrate_on`."""
    return [line.label for line in lines_to_calibrate_on(lines) if line.split == "validation"]
