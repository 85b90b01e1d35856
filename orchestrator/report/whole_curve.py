"""The threshold curve of a label whose images the filter judged in several rounds."""

from collections.abc import Sequence

import numpy as np

from defectory.datasets.manifest_line import ManifestLine
from orchestrator.report.documents import ThresholdCurve


def whole_curve(first: ThresholdCurve, lines: Sequence[ManifestLine]) -> ThresholdCurve:
    """The first round's threshold curve, with what every threshold would keep of the images of all rounds.

    Args:
        lines: judged, with their scores.
    """
    kept = {}
    for label in first.kept:
        p = np.array([line.judgement.scores[label] for line in lines if line.label == label and line.judgement.scores])
        kept[label] = [float((p >= t).mean()) for t in first.thresholds] if len(p) else []
    return first.model_copy(update={"kept": kept})
