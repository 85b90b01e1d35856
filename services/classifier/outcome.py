"""What comes of a classifier's decisions: what they confuse, every label's figures, and which kinds of defect pass."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from defectory.datasets.manifest_line import ManifestLine
from services.classifier.acceptance import Answers, rate
from services.classifier.confusion import Confusion
from services.classifier.data import own_images
from services.classifier.decision import DecisionRule


def decided(
    rule: DecisionRule, labels: Sequence[str], lines: Sequence[ManifestLine], answers: Answers
) -> dict[str, Any]:
    """What comes of deciding on a split's own images as they are decided when served.

    Args:
        lines: of the split. answers: on its own images.

    Returns:
        {"confusion": rows of the truth, columns of the decision, both in the order of the labels,
        "labels": {label: {"images", "precision", "recall", "f1"}}, a label that nothing is taken for has precision 0,
        "escapes": {kind of defect: {"count", "of", "low", "high"}}, without an operating point empty}.
    """
    decisions = rule.decide(answers.probabilities)
    confusion = Confusion.of(answers.labels, decisions.labels, len(labels))
    columns = (confusion.shown, confusion.precision, confusion.recall, confusion.f1)
    figures = {
        label: {"images": int(images), "precision": float(precision), "recall": float(recall), "f1": float(f1)}
        for label, images, precision, recall, f1 in zip(labels, *columns, strict=True)
    }
    escapes = {}
    if decisions.rejected is not None:
        kinds = np.array([lines[i].kind or lines[i].label for i in own_images(lines)], dtype=str)
        defective = answers.labels != rule.good
        for kind in np.unique(kinds[defective]):
            of = defective & (kinds == kind)
            escapes[str(kind)] = rate(int((of & ~decisions.rejected).sum()), int(of.sum())).model_dump()
    return {"confusion": confusion.counts.tolist(), "labels": figures, "escapes": escapes}
