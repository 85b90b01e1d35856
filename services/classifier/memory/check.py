"""Whether good parts can be remembered, before anything is started for it."""

from collections.abc import Mapping, Sequence
from typing import Any

from defectory.datasets.manifest_line import ManifestLine
from defectory.datasets.splits import SPLIT_NAMES
from defectory.errors import InvalidInput
from services.classifier.data import check_no_leak, lines_of, longest_px, own_images
from services.classifier.settings import TrainingSettings, training_settings


def check_memory(lines: Sequence[ManifestLine], splits: Sequence[str], values: Mapping[str, Any]) -> TrainingSettings:
    """The settings, with a recipe's values filled in.

    Args:
        splits: to score. values: fields of ClassifierTraining.

    Raises:
        InvalidInput: no such split, a split without images, no good image to remember or to measure by, a leaking
            split, a setting out of range.
    """
    if not splits or not set(splits) <= set(SPLIT_NAMES):
        right = f"use one or more of {', '.join(SPLIT_NAMES)}"
        raise InvalidInput(f"splits {list(splits)}: {right}", {"splits": right})
    kept = lines_of(lines, *SPLIT_NAMES)
    check_no_leak(kept)
    if not kept:
        right = "give one with images that are of a split, and not rejected"
        raise InvalidInput(f"the manifest has no images: {right}", {"manifest_uri": right})
    settings = training_settings(values, longest_px(kept))
    good = {split: good_of(lines, split, settings.good_label) for split in ("train", "validation")}
    absent = [split for split, of_split in good.items() if not of_split]
    absent += [split for split in splits if not own_images(lines_of(lines, split))]
    if absent:
        right = f"good ones, labelled {settings.good_label}, for training and validation, and some of every split"
        raise InvalidInput(f"there are no images of {', '.join(dict.fromkeys(absent))}: give {right}",
                           {"manifest_uri": right})  # fmt: skip
    return settings


def good_of(lines: Sequence[ManifestLine], split: str, good: str) -> list[ManifestLine]:
    """Photographs of good parts of a split: what is remembered of training, and what measures it of validation."""
    return [
        line for line in lines_of(lines, split)
        if line.label == good and line.is_photograph and not line.origin.augmentation
    ]  # fmt: skip
