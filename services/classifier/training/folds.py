"""Cross-fitting: every cycle leaves out another part of the training images, so that it can judge what is like them.

A judge of synthetic images that knows the very photographs that they were made from takes memory for quality.
"""

from collections.abc import Mapping, Sequence

from defectory.datasets.manifest_line import ManifestLine
from services.classifier.data import Part


def without_fold(parts: Mapping[str, Part], cycle: int, folds: int) -> Mapping[str, Part]:
    """The parts, with the training images of fold `cycle` modulo `folds` left out; all of them for folds 0."""
    if not folds:
        return parts
    left_out = folds_of(parts["train"].lines, folds)
    return {**parts, "train": parts["train"].of([i for i, fold in enumerate(left_out) if fold != cycle % folds])}


def folds_of(lines: Sequence[ManifestLine], folds: int) -> list[int]:
    """Fold of every line: groups stay whole and labels even; -1, in none, for the one group that a label has."""
    groups: dict[str, set[str]] = {}
    for line in lines:
        groups.setdefault(line.label, set()).add(line.part)
    fold = {
        (label, group): number % folds if len(of_label) > 1 else -1
        for label, of_label in groups.items()
        for number, group in enumerate(sorted(of_label))
    }
    return [fold[line.label, line.part] for line in lines]
