"""What a review amounts to, in figures: who decided how much and how long, who agrees, how many of a sample are bad."""

from itertools import combinations

import numpy as np

from defectory.statistics import rate_interval
from orchestrator.pipeline.outputs import LabelVerdicts, Output, ReviewedBy, ReviewPair
from orchestrator.review.agreement import agreement
from orchestrator.review.decided import ACCEPTED, REJECTED, UNDECIDED, Reviewer
from orchestrator.review.rows import Rows

PAUSE_S = 60.0  # between two batches: a longer one is a pause, in which nobody reviews
MOST_PAIRS = 100  # of reviewers


class OfSample(Output):
    """A random sample, as one reviewer has decided about it.

    Attributes:
        bad: rejected, or of another label than they bear.
        low, high: 95% interval of their share; None: nothing is decided.
    """

    size: int
    decided: int
    bad: int
    low: float | None
    high: float | None


def of_reviewer(one: Reviewer, rows: Rows) -> ReviewedBy:
    """One reviewer's figures."""
    filter_verdict, undecided = rows.filter_verdict, one.verdict == UNDECIDED
    decided = ~undecided & (filter_verdict != UNDECIDED)
    of_labels = {label: rows.label == place for place, label in enumerate(rows.label_names)}
    return ReviewedBy(
        name=one.name,
        by_label={label: _verdicts(one, of) for label, of in of_labels.items() if not undecided[of].all()},
        **_verdicts(one, np.ones(len(rows), bool)).model_dump(),
        overruled=int((decided & (one.verdict != filter_verdict)).sum()),
        minutes=minutes(one.times),
    )


def _verdicts(one: Reviewer, of: np.ndarray) -> LabelVerdicts:
    """What a reviewer decided about some rows, bool (N,)."""
    return LabelVerdicts(
        accepted=int((of & (one.verdict == ACCEPTED) & (one.label == 0)).sum()),
        rejected=int((of & (one.verdict == REJECTED)).sum()),
        relabelled=int((of & (one.label > 0)).sum()),
    )


def minutes(times: list[float]) -> float:
    """Minutes between batches, in seconds since 1970, of which none lies farther apart than a pause.

    The first batch of a sitting counts nothing: when looking began is not known.
    """
    apart = np.diff(np.sort(np.array(times)))
    return round(float(apart[apart <= PAUSE_S].sum()) / 60, 2)


def pairs(reviewers: list[Reviewer]) -> list[ReviewPair]:
    """Every two reviewers who decided about the same pictures."""
    of_pairs = []
    for first, second in list(combinations(reviewers, 2))[:MOST_PAIRS]:
        of_both = agreement(first, second)
        if of_both.both:
            of_pairs.append(
                ReviewPair(
                    first=first.name, second=second.name, both=of_both.both, agreed=of_both.agreed,
                    kappa=of_both.kappa, low=of_both.low, high=of_both.high, differ=len(of_both.differ),
                )
            )  # fmt: skip
    return of_pairs


def of_sample(one: Reviewer, sample: np.ndarray) -> OfSample:
    """What is bad of a sample (rows), and between which shares that of all lies with 95% confidence.

    Clopper and Pearson's interval, which holds for a sample of however few.
    """
    verdicts, labels = one.verdict[sample], one.label[sample]
    decided, bad = int((verdicts != UNDECIDED).sum()), int(((verdicts == REJECTED) | (labels > 0)).sum())
    low, high = rate_interval(bad, decided) if decided else (None, None)
    return OfSample(size=len(sample), decided=decided, bad=bad, low=low, high=high)
