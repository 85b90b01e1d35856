"""Did the synthetic images help? Paired over cycles, and over independent parts; then a plain sentence.

Two sources of chance are kept apart: the cycles' seeds (paired t-test, the same seed in both arms) and the choice of
test parts (bootstrap over groups, since photographs of one part are not independent). A difference counts when neither
explains it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy import stats

from defectory.statistics import student_half_width

METRICS = ("f1", "accuracy", "precision", "recall", "loss")
RESAMPLES = 2000
MATTERS = 0.02  # a difference in macro-F1 below it changes nothing on a line
Outcome = Literal["helped", "hurt", "no difference", "cannot tell"]


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95% interval (None where one cycle gives none)."""

    mean: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Comparison:
    """Both arms on the same test images."""

    baseline: dict[str, Estimate]
    expanded: dict[str, Estimate]
    cycles: int
    difference: Estimate  # of macro-F1 over cycles, paired by seed
    p_value: float | None  # paired t-test over cycles
    by_group: Estimate  # of the difference in macro-F1, bootstrap over groups
    test_images: int
    test_groups: int
    outcome: Outcome
    verdict: str


def compare(baseline: Mapping[str, Any], expanded: Mapping[str, Any]) -> Comparison:
    """Compare two evaluations (evaluation.json of the classifier) of the same test images."""
    f1 = [np.array([c["metrics"]["f1"] for c in arm["cycles"]]) for arm in (baseline, expanded)]
    paired = min(map(len, f1))
    differences = f1[1][:paired] - f1[0][:paired]
    over_cycles = interval(differences)
    by_group = group_bootstrap(baseline, expanded)
    groups = {i["group"] or i["sha256"] for i in baseline["images"] if not i.get("augmentation")}
    outcome = decide(over_cycles, by_group)
    return Comparison(
        baseline={m: interval(np.array([c["metrics"][m] for c in baseline["cycles"]])) for m in METRICS},
        expanded={m: interval(np.array([c["metrics"][m] for c in expanded["cycles"]])) for m in METRICS},
        cycles=paired,
        difference=over_cycles,
        p_value=paired_p_value(differences),
        by_group=by_group,
        test_images=len(baseline["images"]),
        test_groups=len(groups),
        outcome=outcome,
        verdict=sentence(outcome, over_cycles, by_group, len(groups), paired),
    )


def interval(values: np.ndarray) -> Estimate:
    """Mean and 95% interval by Student's t."""
    mean = float(values.mean())
    if len(values) < 2:
        return Estimate(mean, None, None)
    half = float(student_half_width(values))
    return Estimate(mean, mean - half, mean + half)


def paired_p_value(differences: np.ndarray) -> float | None:
    """Two-sided p of the paired t-test; None where it is not defined (one cycle, or no spread)."""
    if len(differences) < 2 or np.ptp(differences) == 0:
        return None
    return float(stats.ttest_1samp(differences, 0).pvalue)


def group_bootstrap(baseline: Mapping[str, Any], expanded: Mapping[str, Any], seed: int = 0) -> Estimate:
    """Difference in macro-F1 (mean over cycles), and its 95% interval when test parts are drawn anew."""
    images = baseline["images"]
    labels = list(baseline["labels"])
    truth = np.array([labels.index(i["label"]) for i in images])
    _, group = np.unique([i["group"] or i["sha256"] for i in images], return_inverse=True)
    predicted = [np.array([i["probabilities"] for i in arm["images"]]).argmax(axis=2).T for arm in (baseline, expanded)]
    ones = np.ones((1, len(images)))
    point = _mean_f1(truth, predicted[1], ones, len(labels)) - _mean_f1(truth, predicted[0], ones, len(labels))
    random = np.random.default_rng(seed)
    count = int(group.max()) + 1
    drawn = random.multinomial(count, np.full(count, 1 / count), size=RESAMPLES)[:, group].astype(float)
    spread = _mean_f1(truth, predicted[1], drawn, len(labels)) - _mean_f1(truth, predicted[0], drawn, len(labels))
    low, high = np.quantile(spread, [0.025, 0.975])
    return Estimate(float(point[0]), float(low), float(high))


def _mean_f1(truth: np.ndarray, predicted: np.ndarray, weights: np.ndarray, classes: int) -> np.ndarray:
    """Macro-F1, mean over cycles, for every row of image weights: (rows,)."""
    total = np.zeros(len(weights))
    for one in predicted:
        scores, seen = np.zeros(len(weights)), np.zeros(len(weights))
        for label in range(classes):
            hits = weights @ ((truth == label) & (one == label))
            both = weights @ (truth == label) + weights @ (one == label)
            scores += np.divide(2 * hits, both, out=np.zeros(len(weights)), where=both > 0)
            seen += both > 0
        total += scores / np.maximum(seen, 1)
    return np.asarray(total / len(predicted))


def decide(over_cycles: Estimate, by_group: Estimate) -> Outcome:
    """What both intervals allow to say."""
    intervals = [e for e in (over_cycles, by_group) if e.low is not None and e.high is not None]
    if len(intervals) < 2:
        return "cannot tell"
    if all(e.low > 0 for e in intervals):  # type: ignore[operator]
        return "helped"
    if all(e.high < 0 for e in intervals):  # type: ignore[operator]
        return "hurt"
    if all(e.low > -MATTERS and e.high < MATTERS for e in intervals):  # type: ignore[operator]
        return "no difference"
    return "cannot tell"


def sentence(outcome: Outcome, over_cycles: Estimate, by_group: Estimate, groups: int, cycles: int) -> str:
    """The verdict for a person, with the intervals that decide it."""
    named = {
        f"over {groups} independent test parts": by_group,
        f"over {cycles} training cycles, on {groups} independent test parts": over_cycles,
    }
    spans = {where: x for where, x in named.items() if x.low is not None and x.high is not None}
    if outcome == "cannot tell":  # an interval without 0 in it is not why
        spans = {where: x for where, x in spans.items() if cycles < 2 or x.low <= 0 <= x.high}  # type: ignore[operator]
    points = f"{abs(by_group.mean) * 100:.1f} points of F1"
    span = "; ".join(f"{where}: {_points(x.low)} to {_points(x.high)}" for where, x in spans.items())
    if outcome == "helped":
        return f"The synthetic images helped: {points} better (95% interval {span})."
    if outcome == "hurt":
        return f"The synthetic images did harm: {points} worse (95% interval {span})."
    if outcome == "no difference":
        return (
            "The synthetic images made no difference that matters: less than "
            f"{MATTERS * 100:.0f} points (95% interval {span})."
        )
    direction = "better" if by_group.mean > 0 else "worse"
    why = "there was one training cycle only" if cycles < 2 else "chance alone can explain the difference"
    return (
        f"This data cannot tell whether the synthetic images helped: {points} {direction}, but {why} "
        f"(95% interval {span})."
    )


def _points(value: float | None) -> str:
    return "–" if value is None else f"{value * 100:+.1f}"
