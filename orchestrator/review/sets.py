"""Which pictures make up a set that is scored: all that were made, or those that count now."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from orchestrator.review.decided import ACCEPTED, UNDECIDED, Final
from orchestrator.review.features import Features
from orchestrator.review.quality import SCORES, Measured, OfLabel, Report, Score, Share, measure, parts_of, why_not
from orchestrator.review.rows import Rows
from orchestrator.review.subject import Subject

SetName = Literal["kept", "made"]
SET_NAMES: tuple[SetName, ...] = get_args(SetName)


@dataclass(frozen=True)
class ScoredSet:
    """A set's scores.

    Attributes:
        ratios: score -> float32 (N,) of the subject's rows, or (P,) of its photographs; nan where there is none.
        group: int64 (N,): rows that are too alike share a number.
        shares: label -> score -> how many count. missing: label -> why it has no scores.
    """

    ratios: dict[Score, np.ndarray]
    group: np.ndarray
    shares: dict[str, dict[Score, Share]]
    missing: dict[str, str]

    def worst_first(self, score: Score) -> np.ndarray:
        """int64 (M,): rows, or photographs, that count; those that are alike stand side by side."""
        ratio = self.ratios[score]
        chosen = np.flatnonzero(ratio < 1)
        if score != "alike":
            return chosen[np.argsort(ratio[chosen], kind="stable")]
        worst = np.full(self.group.max(initial=0) + 1, np.inf)
        np.minimum.at(worst, self.group[chosen], ratio[chosen])
        group = self.group[chosen]
        return chosen[np.lexsort((ratio[chosen], group, worst[group]))]


def members_of(name: SetName, rows: Rows, said: Final) -> np.ndarray:
    """int64 (N,): the label under which a row is in a set, as an index of the subject's; -1: it is not in it.

    In what is kept are those that people accepted, under the label that they gave, and of the rest what the filter
    accepted, or has not judged.
    """
    own = rows.label.astype(np.int64)
    if name == "made":
        return own
    by_people = said.verdict != UNDECIDED
    by_filter = (rows.filter_verdict == ACCEPTED) | (rows.filter_verdict == UNDECIDED)
    kept = np.where(by_people, said.verdict == ACCEPTED, by_filter)
    label = np.where(said.label > 0, said.label.astype(np.int64) - 1, own)
    return np.where(kept, label, -1)


def score_set(features: Features, subject: Subject, members: np.ndarray, report: Report) -> ScoredSet:
    """The four scores of every label of a set.

    Args:
        members: as `members_of` gives them.
    """
    ratios = {score: np.full(len(subject.lines), np.nan, np.float32) for score in SCORES}
    ratios["uncovered"] = np.full(len(subject.photographs), np.nan, np.float32)
    group = np.arange(len(subject.lines))
    shares: dict[str, dict[Score, Share]] = {}
    missing: dict[str, str] = {}
    rows = features.rows(line.file.sha256 for line in subject.lines)
    real_rows = features.rows(line.file.sha256 for line in subject.photographs)
    real_labels = np.array([line.label for line in subject.photographs], dtype=str)
    parts = parts_of([line.part for line in subject.photographs])
    for place, name in enumerate(subject.labels):
        own = np.flatnonzero((members == place) & (rows >= 0))
        real = np.flatnonzero((real_labels == name) & (real_rows >= 0))
        label = OfLabel(rows[own], real_rows[real], parts[real])
        if why := why_not(label):
            missing[name] = why
            continue
        measured = measure(features, label, _part_of(report, place, len(subject.labels)))
        _spread(measured, own, real, ratios, group)
        shares[name] = measured.shares
    return ScoredSet(ratios, group, shares, missing)


def _part_of(report: Report, place: int, of: int) -> Report:
    """Reports a part's progress as the whole's."""
    return lambda done: report((place + done) / of)


def _spread(
    measured: Measured, own: np.ndarray, real: np.ndarray, ratios: dict[Score, np.ndarray], group: np.ndarray
) -> None:
    for score, ratio in measured.ratios.items():
        ratios[score][real if score == "uncovered" else own] = ratio
    first = np.full(measured.group.max(initial=0) + 1, len(group))
    np.minimum.at(first, measured.group, own)
    group[own] = first[measured.group]
