"""Whether a training can be done, before anything is started for it."""

from collections.abc import Mapping, Sequence
from typing import Any

from defectory.datasets.manifest_line import ManifestLine
from defectory.errors import InvalidInput
from services.classifier.data import check_no_leak, lines_of, longest_px
from services.classifier.settings import TrainingSettings, training_settings
from services.classifier.target import check_target, parse_target


def check(
    lines: list[ManifestLine], values: Mapping[str, Any], folds: int = 0
) -> tuple[tuple[str, ...], TrainingSettings]:
    """(labels, settings) of a training that can be done.

    Raises:
        InvalidInput: fewer than two labels, a leaking split, a setting out of range, a wrong label of good parts.
    """
    labels = tuple(sorted({line.label for line in lines_of(lines, "train")}))
    if len(labels) < 2:
        right = "give training images of at least two labels"
        raise InvalidInput(f"training images have the labels {list(labels)}: {right}", {"manifest_uri": right})
    check_no_leak(lines)
    settings = training_settings(values, longest_px(lines), folds)
    _check_good(settings.good_label, labels)
    validation = [line.label for line in lines if line.split == "validation"]
    check_target(labels, settings.good_label, parse_target(settings.target), validation)
    return labels, settings


def _check_good(good: str, labels: Sequence[str]) -> None:
    """Refuse a label of good parts that somebody gave and no image has; where the default is left there may be none."""
    if good in labels or good == TrainingSettings.model_fields["good_label"].default:
        return
    right = f"name one of {', '.join(labels)}"
    wrong = f"no training image has the label of good parts {good!r}"
    raise InvalidInput(f"{wrong}: {right}", {"settings.good_label": right})
