"""From a judge's scores and the novelty gate to a verdict with all its reasons on every line."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from defectory.datasets.manifest_line import ManifestLine
from services.filter.novelty import Finding
from services.filter.policies import Policy

CURVE_POINTS = 101  # thresholds 0, 0.01, …, 1


@dataclass(frozen=True)
class Score:
    """A judge's opinion of one image: mean and standard deviation over its cycles, by label."""

    probabilities: Mapping[str, float]
    spread: Mapping[str, float]


def decide(
    lines: Sequence[ManifestLine],
    scores: Mapping[str, Score],
    findings: Mapping[str, Finding],
    training: Sequence[str],
    twins: Sequence[str],
    policy: Policy,
) -> list[ManifestLine]:
    """The lines with verdict, reasons and numbers.

    Args:
        scores, findings: by the image's sha256; an image without both could not be read.
        training, twins: sha256 of the images that a finding's nearest_real and twin mean.
    """
    judged = []
    for line in lines:
        score, finding = scores.get(line.file.sha256), findings.get(line.file.sha256)
        reasons: list[str] = []
        changes: dict[str, Any] = {}
        if score is None or finding is None:
            reasons.append("unreadable")
        if score is not None:
            changes["scores"] = dict(score.probabilities)
            changes["spread"] = score.spread[line.label]
            if not policy.keeps(line.label, score.probabilities):
                reasons.append("confidence")
        if finding is not None:
            reasons.extend(finding.reasons)
            if finding.nearest_real >= 0:
                changes["nearest_real"] = training[finding.nearest_real]
                changes["nearest_real_distance"] = round(finding.distance, 6)
            if np.isfinite(finding.feature_distance):
                changes["feature_distance"] = round(finding.feature_distance, 6)
            if finding.twin >= 0:
                changes["duplicate_of"] = twins[finding.twin]
        changes["verdict"] = "rejected" if reasons else "accepted"
        changes["reasons"] = tuple(reasons)
        judged.append(replace(line, judgement=replace(line.judgement, **changes)))
    return judged


def count_verdicts(lines: Sequence[ManifestLine]) -> tuple[dict[str, int], dict[str, int]]:
    """({"accepted": n, "rejected": n}, rejected images by reason; an image with two reasons counts in both)."""
    verdicts = Counter({"accepted": 0, "rejected": 0}) + Counter()
    verdicts.update(line.judgement.verdict for line in lines)
    return dict(verdicts), dict(Counter(reason for line in lines for reason in line.judgement.reasons))


def too_strict(reference: Sequence[ManifestLine], policy: Policy) -> list[str]:
    """A warning a label of whose real images as they should be the policy rejects most; only of one that wants them.

    Args:
        reference: real images that no judge was trained on, with their scores.
    """
    if policy.rule.policy != "confident":
        return []
    warnings = []
    for label in sorted({line.label for line in reference}):
        own = [line.judgement.scores for line in reference if line.label == label and line.judgement.scores]
        kept = sum(policy.keeps(label, scores) for scores in own)
        if 2 * kept < len(own):
            warnings.append(
                f"{label}: the judge, which accepts and rejects synthetic images, would reject {len(own) - kept} of "
                f"{len(own)} real validation images, as it is "
                f"less than {policy.threshold(label):.0%} sure of them: what it accepts and rejects of synthetic ones "
                f"says little. More photographs of the label make a better judge{_lower(label, own, policy)}"
            )
    return warnings


def _lower(label: str, real: Sequence[Mapping[str, float]], policy: Policy) -> str:
    """The largest threshold, in hundredths, that keeps half of a label's real images, in words; else empty.

    None does where the judge takes most of them for another label.
    """
    recognised = sorted((p[label] for p in real if p[label] == max(p.values())), reverse=True)
    half = math.ceil(len(real) / 2)
    if len(recognised) < half:
        return "; no lower threshold would keep half of the real ones, as it takes most for another label"
    threshold = math.floor(100 * recognised[half - 1]) / 100
    setting = f"filter.label_thresholds.{label}" if label in policy.rule.label_thresholds else "filter.threshold"
    return f"; {setting} {threshold:.2f} would keep half of the real ones, which does not make the judge better"


def threshold_curve(lines: Sequence[ManifestLine], reference: Sequence[ManifestLine]) -> dict[str, object]:
    """Share of the images with at least a probability of their label, by label.

    Args:
        lines: judged images. reference: real images that no judge was trained on, with their scores.

    Returns:
        {"thresholds": […], "kept": {label: […]}, "real": {label: […]}}; a label without scores has an empty list.
    """
    thresholds = np.linspace(0, 1, CURVE_POINTS)

    def kept(of: Sequence[ManifestLine]) -> dict[str, list[float]]:
        shares = {}
        for label in sorted({line.label for line in lines}):
            p = np.array([line.judgement.scores[label] for line in of if line.label == label and line.judgement.scores])
            shares[label] = [round(float((p >= t).mean()), 4) for t in thresholds] if len(p) else []
        return shares

    return {"thresholds": [round(float(t), 2) for t in thresholds], "kept": kept(lines), "real": kept(reference)}
