"""Scores the images of splits by their distance to good ones, and writes them as an evaluation of a classifier."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from defectory.datasets.manifest import DEFAULT_READING, Reading, read_manifest
from defectory.datasets.manifest_line import ManifestLine
from defectory.errors import InvalidInput
from defectory.job_settings.memory import Memories
from defectory.storage.references import unrooted
from defectory.storage.store import ObjectStore
from services.classifier.architecture import Architecture
from services.classifier.card import Preprocessing
from services.classifier.data import label_indices, lines_of, load_images
from services.classifier.evaluation import image_rows
from services.classifier.memory.bank import chosen, distances, probabilities
from services.classifier.memory.check import check_memory, good_of
from services.classifier.memory.patches import Patches, patches_of
from services.classifier.model import build, weights_of
from services.classifier.settings import TrainingSettings
from services.classifier.training.measurement import measure
from services.classifier.weights import load_base

BLOCK = 64  # images in memory at once
Report = Callable[[str, int, int], None]


def score(
    store: ObjectStore,
    manifest_uri: str,
    splits: Sequence[str],
    values: Mapping[str, Any],
    memories: Memories,
    *,
    output_prefix: str,
    seed: int,
    sources: Mapping[str, str],
    report: Report,
    reading: Reading = DEFAULT_READING,
) -> dict[str, str]:
    """Split -> URI of its document.

    Args:
        values: fields of ClassifierTraining, those that say which base there is and what it sees.
        seed: of the first memory.
        sources: where ImageNet weights may lie (`weights.py`).

    Raises:
        InvalidInput: see `check_memory`; or none of the good images can be read. WeightsMissing: no ImageNet weights.
    """
    lines = read_manifest(store, manifest_uri, reading)
    settings = check_memory(lines, splits, values)
    good = settings.good_label
    remembered, measured_by = (good_of(lines, split, good) for split in ("train", "validation"))
    scored = [line for split in splits for line in lines_of(lines, split)]
    reader = _Reader(store, _base(settings, sources), settings.input_px,
                     Preprocessing.of(remembered, settings.input_px, settings.square_px))  # fmt: skip
    total = len(remembered) + len(measured_by) + len(scored)

    known = [patches for _, patches in reader.blocks(remembered, lambda done: report("remembering", done, total))]
    if not known:
        right = "give good training images that can be read"
        raise InvalidInput(f"not one of {len(remembered)} good training images can be read: {right}",
                           {"manifest_uri": right})  # fmt: skip
    patches = np.concatenate([block.reshape(-1, block.shape[-1]) for block in known])
    banks = [chosen(patches, memories.patches, seed + number) for number in range(memories.cycles)]
    there = len(remembered)
    usual = reader.far(measured_by, banks, lambda done: report("measuring good parts", there + done, total))
    there += len(measured_by)
    if not usual.lines:
        right = "give good validation images that can be read"
        raise InvalidInput(f"not one of {len(measured_by)} good validation images can be read: {right}",
                           {"manifest_uri": right})  # fmt: skip
    shares = _shares(lines, good)
    far = reader.far(scored, banks, lambda done: report("scoring", there + done, total))
    return {
        split: _write(store, f"{output_prefix}/{split}.json", split, settings, shares, far.of(split), usual.distance)
        for split in splits
    }


@dataclass(frozen=True)
class _Far:
    """How far images are: (banks, N) of the lines whose pictures could be read."""

    lines: list[ManifestLine]
    distance: np.ndarray

    def of(self, split: str) -> "_Far":
        chosen_ones = [number for number, line in enumerate(self.lines) if line.split == split]
        return _Far([self.lines[number] for number in chosen_ones], self.distance[:, chosen_ones])


class _Reader:
    """Patches of pictures, block by block: those of all pictures at once would take gigabytes."""

    def __init__(self, store: ObjectStore, patches: Patches, size_px: int, preprocessing: Preprocessing) -> None:
        self._store, self._patches = store, patches
        self._size_px, self._preprocessing = size_px, preprocessing

    def blocks(
        self, lines: Sequence[ManifestLine], report: Callable[[int], None]
    ) -> Iterator[tuple[list[ManifestLine], np.ndarray]]:
        """(lines that could be read, their patches (n, P, channels)), block by block."""
        for start in range(0, len(lines), BLOCK):
            images = load_images(self._store, lines[start : start + BLOCK], self._size_px, self._preprocessing)
            if images.lines:
                yield images.lines, self._patches(images.pixels)
            report(min(start + BLOCK, len(lines)))

    def far(self, lines: Sequence[ManifestLine], banks: Sequence[np.ndarray], report: Callable[[int], None]) -> _Far:
        """How far pictures are from every bank."""
        read: list[ManifestLine] = []
        parts = [np.empty((len(banks), 0))]
        for of_block, patches in self.blocks(lines, report):
            read += of_block
            parts.append(np.stack([distances(patches, bank) for bank in banks]))
        return _Far(read, np.concatenate(parts, axis=1))


def _base(settings: TrainingSettings, sources: Mapping[str, str]) -> Patches:
    """The base that settings ask for, from where it starts."""
    network = build(Architecture(labels=("good", "defect"), input_px=settings.input_px,
                                 width_multiplier=settings.width_multiplier))  # fmt: skip
    if settings.initial_weights != "random":
        load_base(network, settings.width_multiplier, settings.initial_weights, sources)
    return patches_of(settings.width_multiplier, settings.input_px, weights_of(network))


def _shares(lines: Sequence[ManifestLine], good: str) -> dict[str, float]:
    """Label of defects -> its share of a defect's probability: of the training images with any, else equal ones."""
    labels = sorted({line.label for line in lines} - {good}) or ["defect"]
    counted = Counter(line.label for line in lines_of(lines, "train") if line.is_photograph and line.label != good)
    of_all = sum(counted.values())
    return {label: counted[label] / of_all if of_all else 1 / len(labels) for label in labels}


def _write(
    store: ObjectStore, key: str, split: str, settings: TrainingSettings, shares: Mapping[str, float], far: _Far,
    of_good: np.ndarray,
) -> str:  # fmt: skip
    """URI of a split's document.

    Args:
        of_good: (banks, M), distances of good validation images.
    """
    if not far.lines:
        right = "give images that can be read"
        raise InvalidInput(f"not one of the {split} images can be read: {right}", {"manifest_uri": right})
    labels = sorted([settings.good_label, *shares])
    defect = np.stack([probabilities(*both) for both in zip(far.distance, of_good, strict=True)])  # (banks, N)
    by_label = np.stack(
        [1 - defect if label == settings.good_label else shares[label] * defect for label in labels], axis=2
    )
    truth = label_indices(far.lines, labels)
    document = {
        "split": split,
        "labels": labels,
        "cycles": [{"metrics": measure(truth, of_bank, settings.focal_gamma)} for of_bank in by_label],
        "images": image_rows(far.lines, by_label),
    }
    store.put(key, unrooted(json.dumps(document).encode(), store))
    return store.uri(key)
