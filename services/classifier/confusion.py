"""What a classifier's decisions confuse: the matrix, every label's figures, and which kinds of defect pass."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from defectory.datasets.manifest import ManifestLine
from services.classifier.acceptance import Answers, rate
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
    matrix = np.zeros((len(labels), len(labels)), int)
    np.add.at(matrix, (answers.labels, decisions.labels), 1)
    hits, shown, claimed = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    figures = {
        label: {
            "images": int(shown[i]),
            "precision": _share(hits[i], claimed[i]),
            "recall": _share(hits[i], shown[i]),
            "f1": _share(2 * hits[i], shown[i] + claimed[i]),
        }
        for i, label in enumerate(labels)
    }
    escapes = {}
    if decisions.rejected is not None:
        kinds = np.array([lines[i].kind or lines[i].label for i in own_images(lines)], dtype=str)
        defective = answers.labels != rule.good
        for kind in np.unique(kinds[defective]):
            of = defective & (kinds == kind)
            escapes[str(kind)] = rate(int((of & ~decisions.rejected).sum()), int(of.sum())).model_dump()
    return {"confusion": matrix.tolist(), "labels": figures, "escapes": escapes}


def _share(count: int, of: int) -> float:
    return float(count / of) if of else 0.0
