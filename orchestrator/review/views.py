"""Views: which rows a page shows, and in which order, as the query of a URL says."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from defectory.datasets.manifest_line import ManifestLine
from orchestrator.review.decided import ACCEPTED, REJECTED, UNDECIDED, Reviewer
from orchestrator.review.quality import Score
from orchestrator.review.rows import Rows
from orchestrator.review.sets import ScoredSet, SetName

Sort = Literal["doubt", "confidence", "novelty", "order"]
Mine = Literal["", "undecided", "decided", "accepted", "rejected", "relabelled"]


class ViewQuery(BaseModel):
    """What a view is asked for; empty fields ask for nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: tuple[str, ...] = Field((), description="labels, as they came")
    kind: tuple[str, ...] = Field((), description="kinds of defect")
    origin: tuple[str, ...] = Field((), description="real, edited, synthetic")
    verdict: tuple[str, ...] = Field((), description="of the filter: accepted, rejected, not judged")
    reason: tuple[str, ...] = Field((), description="of the filter's; one of them is enough")
    confidence_from: float | None = Field(None, description="least mean probability of the label")
    confidence_to: float | None = Field(None, description="largest")
    novelty_from: float | None = Field(None, description="least distance to the nearest real image")
    novelty_to: float | None = Field(None, description="largest")
    mine: Mine = Field("", description="what the asking reviewer has decided")
    reviewer: tuple[str, ...] = Field((), description="reviewers who have decided about it, one is enough")
    differ: bool = Field(False, description="only where two reviewers decided otherwise")
    sort: Sort = Field("doubt", description="the most doubtful, least confident or least novel first, or as they came")
    score: Literal["", Score] = Field("", description="only what counts for it, the worst first, whatever the order")
    of: SetName = Field("kept", description="the set that is scored: what counts now, or all that were made")
    sample: int = Field(0, ge=0, le=1_000_000, description="so many of them, drawn at random; 0: all")
    seed: int = Field(0, ge=0, le=2**31, description="of the draw")


def view(rows: Rows, query: ViewQuery, me: Reviewer, reviewers: Sequence[Reviewer]) -> np.ndarray:
    """uint32 (M,): the rows of a view, in its order. Rows whose figure is not known come last.

    A sample is drawn before it is asked what anybody decided: it stays the same while it is looked through.
    """
    chosen = _facts(rows, query)
    if query.sample:
        candidates = np.flatnonzero(chosen)
        drawn = np.random.default_rng(query.seed).permutation(candidates)[: query.sample]
        chosen = np.zeros(len(rows), bool)
        chosen[drawn] = True
    chosen &= _MINE[query.mine](me)
    if query.reviewer:
        by = [one.verdict != UNDECIDED for one in reviewers if one.name in query.reviewer]
        chosen &= np.any(by, axis=0) if by else False
    if query.differ:
        chosen &= differing(reviewers, len(rows))
    return _ordered(rows, query.sort, np.flatnonzero(chosen)).astype(np.uint32)


def scored_view(
    rows: Rows,
    photographs: Sequence[ManifestLine],
    query: ViewQuery,
    scored: ScoredSet,
    me: Reviewer,
    reviewers: Sequence[Reviewer],
) -> np.ndarray:
    """uint32 (M,): what counts for a query's score, the worst first; photographs stand behind all rows.

    Of photographs it is asked which label and kind they have, and nothing else: nobody judges them.
    """
    if query.score == "":
        return view(rows, query, me, reviewers)
    worst = scored.worst_first(query.score)
    if query.score == "uncovered":
        fits = [
            (not query.label or line.label in query.label) and (not query.kind or line.kind in query.kind)
            for line in photographs
        ]
        behind: np.ndarray = (len(rows) + worst[np.array(fits, bool)[worst]]).astype(np.uint32)
        return behind
    chosen = np.zeros(len(rows), bool)
    chosen[view(rows, query, me, reviewers)] = True
    shown: np.ndarray = worst[chosen[worst]].astype(np.uint32)
    return shown


def differing(reviewers: Sequence[Reviewer], count: int) -> np.ndarray:
    """bool (N,): rows about which two reviewers say different things, of verdict or label."""
    differs, first = np.zeros(count, bool), np.zeros((2, count), np.int32)
    for one in reviewers:
        decided = one.verdict != UNDECIDED
        before = first[0] != UNDECIDED
        other = (first[0] != one.verdict) | (first[1] != one.label)
        differs |= decided & before & other
        new = decided & ~before
        first[0][new], first[1][new] = one.verdict[new], one.label[new]
    return differs


_MINE: Mapping[Mine, Callable[[Reviewer], np.ndarray]] = {
    "": lambda me: np.ones(len(me.verdict), bool),
    "undecided": lambda me: me.verdict == UNDECIDED,
    "decided": lambda me: me.verdict != UNDECIDED,
    "accepted": lambda me: (me.verdict == ACCEPTED) & (me.label == 0),
    "rejected": lambda me: me.verdict == REJECTED,
    "relabelled": lambda me: me.label > 0,
}


def _facts(rows: Rows, query: ViewQuery) -> np.ndarray:
    """bool (N,): what the pictures, and whoever judged them, let through."""
    chosen = np.ones(len(rows), bool)
    for column, names, wanted in (
        (rows.label, rows.label_names, query.label),
        (rows.kind, rows.kind_names, query.kind),
        (rows.origin, rows.origin_names, query.origin),
        (rows.verdict, rows.verdict_names, query.verdict),
    ):
        if wanted:
            chosen &= np.isin(column, [place for place, name in enumerate(names) if name in wanted])
    if query.reason:
        bits = sum(1 << place for place, name in enumerate(rows.reason_names) if name in query.reason)
        chosen &= (rows.reasons & np.uint32(bits)) != 0
    for figures, least, most in (
        (rows.confidence, query.confidence_from, query.confidence_to),
        (rows.novelty, query.novelty_from, query.novelty_to),
    ):  # nan is neither
        if least is not None:
            chosen &= figures >= least
        if most is not None:
            chosen &= figures <= most
    return chosen


def _ordered(rows: Rows, sort: Sort, chosen: np.ndarray) -> np.ndarray:
    if sort == "order":
        return chosen
    figures = -rows.doubt if sort == "doubt" else rows.confidence if sort == "confidence" else rows.novelty
    return chosen[np.argsort(figures[chosen], kind="stable")]  # nan sorts last
