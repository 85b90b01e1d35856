"""Which arm is better? Paired over cycles, and over independent parts; then a plain sentence about each.

Every arm is compared with the first. Two sources of chance are kept apart: the cycles' seeds (paired t-test, the same
seed in all arms) and the choice of test parts (bootstrap over groups, since photographs of one part are not
independent). A difference counts when neither explains it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from defectory.statistics import DIFFERENCE, FEWEST_CYCLES, Bounds, bounds_of, mean_interval
from orchestrator.pipeline.arms import ArmSettings
from orchestrator.pipeline.summary import Estimate, Outcome
from orchestrator.report.documents import Evaluation

METRICS = ("f1", "accuracy", "precision", "recall", "loss")
RESAMPLES = 2000
MATTERS = 0.02  # a difference in macro-F1 below it changes nothing on a line
SHOWN = 0.001  # of F1: the least that a verdict shows
TOO_FEW_ACCEPTED = "fewer synthetic images than wanted were accepted"
Chance = Literal["over_cycles", "by_group"]  # a difference's field: of a training's random start, of the parts tested
ADDED = {  # what an arm has that one on real images has not
    "balanced": "drawing every label equally often",
    "augmented": "augmentation",
    "edited": "the edited images",
    "synthetic": "the unfiltered synthetic images",
    "filtered": "the synthetic images",
    "reviewed": "the synthetic images",
}


@dataclass(frozen=True)
class Difference:
    """An arm less the first one."""

    cycles: int  # pairs
    over_cycles: Estimate  # of macro-F1, paired by seed
    p_value: float | None  # paired t-test over cycles
    by_group: Estimate  # of macro-F1, bootstrap over groups
    decided_by: tuple["Chance", ...]  # fields above; empty: neither, for too few images or trainings
    outcome: Outcome
    verdict: str  # a short sentence
    evidence: str  # what it rests on, in a sentence; empty where there was nothing to look at
    undecided: str  # why neither interval decides; empty: one does


@dataclass(frozen=True)
class Comparison:
    """All arms on the same test images.

    Attributes:
        arms: title -> metric -> mean over cycles. differences: title -> what it does better than the first; in order.
    """

    arms: dict[str, dict[str, Estimate]]
    differences: dict[str, Difference]
    cycles: int  # of the arm that has fewest
    test_images: int
    test_groups: int

    @property
    def verdict(self) -> str:
        """A short sentence on every arm but the first."""
        return " ".join(difference.verdict for difference in self.differences.values())

    @property
    def marks(self) -> str:
        """What the marks of the intervals that decide say in the table: of those that are there, and why one is not."""
        sides = [set(x.decided_by) for x in self.differences.values()]
        said = ["A row that is marked “decides” is what the verdict rests on."] if any(sides) else []
        if any(len(side) == 1 for side in sides):
            said.append("Beside a marked one, a row without the mark is clear by itself, but not enough.")
        several = len(self.differences) > 1
        for title, x in self.differences.items():
            if x.undecided:
                said.append(f"No row{f' of “{title}”' if several else ''} decides: {x.undecided}.")
        return " ".join(said)

    @property
    def evidence(self) -> list[str]:
        """What each rests on; with several arms each says of which it is."""
        several = len(self.differences) > 1
        return [
            f"{title}: {x.evidence}" if several else x.evidence for title, x in self.differences.items() if x.evidence
        ]


def compare(
    evaluations: Mapping[str, Evaluation], subjects: Mapping[str, str], short: Collection[str] = ()
) -> Comparison:
    """Compare every arm with the first on the same test images.

    Args:
        evaluations: title -> what was measured, two arms at least. subjects: see `subjects_of`.
        short: titles of arms that got fewer synthetic images than wanted: none of them is said to be any better.
    """
    (_, first), *others = evaluations.items()
    groups = len({image.part for image in first.images if not image.augmentation})
    return Comparison(
        arms={
            title: {m: interval(_over_cycles(arm, m), bounds_of(m)) for m in METRICS}
            for title, arm in evaluations.items()
        },
        differences={title: _difference(first, arm, subjects[title], groups, title in short) for title, arm in others},
        cycles=min(len(arm.cycles) for arm in evaluations.values()),
        test_images=len(first.images),
        test_groups=groups,
    )


def _difference(first: Evaluation, arm: Evaluation, subject: str, groups: int, short: bool) -> Difference:
    paired = min(len(first.cycles), len(arm.cycles))
    differences = _over_cycles(arm, "f1")[:paired] - _over_cycles(first, "f1")[:paired]
    over_cycles, by_group = interval(differences, DIFFERENCE), group_bootstrap(first, arm)
    outcome = decide(over_cycles, by_group)
    decided_by = decisive(outcome, over_cycles, by_group)
    if short and outcome != "hurt":  # the first reason: nothing else is asked, and none is named beside it
        outcome, decided_by, rests_on = "cannot tell", (), ""
        undecided, verdict = TOO_FEW_ACCEPTED, f"This run cannot tell whether {subject} helped: {TOO_FEW_ACCEPTED}."
    else:
        undecided = "" if decided_by else f"there were fewer than {FEWEST_CYCLES} trainings"
        verdict, rests_on = sentence(outcome, subject), evidence(outcome, over_cycles, by_group, groups, paired)
    p_value = paired_p_value(differences)
    return Difference(paired, over_cycles, p_value, by_group, decided_by, outcome, verdict, rests_on, undecided)


def _over_cycles(arm: Evaluation, metric: str) -> np.ndarray:
    return np.array([cycle.metrics[metric] for cycle in arm.cycles])


def subjects_of(arms: tuple[ArmSettings, ...]) -> dict[str, str]:
    """title -> what is judged when the arm is compared with the first: what it adds, or the arm where that is not all.

    An arm adds one thing if it is trained by the first one's settings, on what the first one has and something more.
    """
    first, *others = arms
    subjects = {}
    for arm in others:
        alone = [x.trains_on for x in others].count(arm.trains_on) == 1
        same = first.trains_on == "real" and arm.classifier == first.classifier
        subjects[arm.shown] = ADDED[arm.trains_on] if alone and same and arm.trains_on != "real" else f"“{arm.shown}”"
    return subjects


def interval(values: np.ndarray, bounds: Bounds) -> Estimate:
    """Mean over cycles and its 95% interval within bounds; of too few cycles their values instead."""
    mean = float(values.mean())
    ends = mean_interval(values, bounds)
    if ends is None:
        return Estimate(mean, None, None, tuple(map(float, values)))
    return Estimate(mean, float(ends[0]), float(ends[1]))


def paired_p_value(differences: np.ndarray) -> float | None:
    """Two-sided p of the paired t-test; None where it says nothing (few cycles, or no spread)."""
    if len(differences) < FEWEST_CYCLES or np.ptp(differences) == 0:
        return None
    return float(stats.ttest_1samp(differences, 0).pvalue)


def group_bootstrap(first: Evaluation, second: Evaluation, seed: int = 0) -> Estimate:
    """Difference in macro-F1 (second less first, means over cycles), and its 95% interval when parts are drawn anew."""
    images, labels = first.images, first.labels
    truth = np.array([labels.index(image.label) for image in images])
    _, group = np.unique([image.part for image in images], return_inverse=True)
    predicted = [np.array([i.probabilities for i in arm.images]).argmax(axis=2).T for arm in (first, second)]
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


def decisive(outcome: Outcome, over_cycles: Estimate, by_group: Estimate) -> tuple[Chance, ...]:
    """Which intervals the outcome rests on: all; where nobody can tell, those that are not clear by themselves."""
    if over_cycles.low is None or by_group.low is None:
        return ()
    both: dict[Chance, Estimate] = {"over_cycles": over_cycles, "by_group": by_group}
    if outcome != "cannot tell":
        return tuple(both)
    return tuple(chance for chance, x in both.items() if decide(x, x) == outcome) or tuple(both)


def sentence(outcome: Outcome, subject: str) -> str:
    """The verdict for a person, short.

    Args:
        subject: what is judged, as it stands within a sentence.
    """
    starts = subject[0].upper() + subject[1:]
    return {
        "helped": f"{starts} helped.",
        "hurt": f"{starts} did harm.",
        "no difference": f"{starts} made no difference that matters.",
        "cannot tell": f"This data cannot tell whether {subject} helped.",
    }[outcome]


def evidence(outcome: Outcome, over_cycles: Estimate, by_group: Estimate, groups: int, cycles: int) -> str:
    """What the verdict rests on: the difference of the means over all trainings, and the intervals that decide it."""
    named: dict[Chance, tuple[str, Estimate]] = {
        "by_group": (f"over {groups} independent test parts", by_group),
        "over_cycles": (f"over {cycles} training cycles, on {groups} independent test parts", over_cycles),
    }
    change = f"{abs(by_group.mean) * 100:.1f} points of macro-F1 {'better' if by_group.mean > 0 else 'worse'}"
    if abs(by_group.mean) < SHOWN / 2:
        change = f"macro-F1 differs by less than {SHOWN * 100:.1f} points"
    if cycles < FEWEST_CYCLES:
        few = "was one training cycle" if cycles == 1 else f"were {cycles} training cycles"
        by_cycle = ", ".join(map(_points, over_cycles.singles))
        change = change[0].upper() + change[1:]
        return f"{change}, but there {few} only, and chance shows in {FEWEST_CYCLES} at least (by cycle: {by_cycle})."
    deciding = decisive(outcome, over_cycles, by_group)
    spans = [(where, x) for chance, (where, x) in named.items() if chance in deciding]
    span = "; ".join(f"{where}: {_points(x.low)} to {_points(x.high)}" for where, x in spans)
    said = {
        "helped": change,
        "hurt": change,
        "no difference": f"less than {MATTERS * 100:.0f} points of macro-F1",
        "cannot tell": f"{change}, but chance alone can explain the difference",
    }[outcome]
    return f"On the mean of {cycles} trainings an arm: {said} (95% interval {span})."


def _points(value: float | None) -> str:
    return "–" if value is None else f"{value * 100:+.1f}"
