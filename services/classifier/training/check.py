"""Whether a training can be done, before anything is started for it."""

from collections.abc import Mapping
from typing import Any

from defectory.datasets.manifest_line import ManifestLine
from defectory.errors import InvalidInput
from services.classifier.data import check_no_leak, lines_of
from services.classifier.settings import TrainingSettings, training_settings
from services.classifier.target import check_target, parse_target


def check(
    lines: list[ManifestLine], values: Mapping[str, Any], folds: int = 0
) -> tuple[tuple[str, ...], TrainingSettings]:
    """(labels, settings) of a training that can be done.

    Raises:
        InvalidInput: fewer than two labels, a leaking split, a setting out of range.
    """
    labels = tuple(sorted({line.label for line in lines_of(lines, "train")}))
    if len(labels) < 2:
        right = "give training images of at least two labels"
        raise InvalidInput(f"training images have the labels {list(labels)}: {right}", {"manifest_uri": right})
    check_no_leak(lines)
    longest = max(line.network_px or max(line.file.width, line.file.height) for line in lines)
    settings = training_settings(values, longest, folds)
    validation = [line.label for line in lines if line.split == "validation"]
    check_target(labels, settings.good_label, parse_target(settings.target), validation)
    return labels, settings
