"""What reviewers have decided, in memory beside their journals: read once, changed with every batch."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from defectory.datasets.manifest_line import Verdict
from defectory.errors import FailedPrecondition, InvalidInput
from defectory.storage.store import ObjectStore
from orchestrator.review.journal import Batch, Change, Journal, read_journals
from orchestrator.review.subject import Subject

VERDICTS: tuple[Verdict, ...] = ("", "accepted", "rejected")
UNDECIDED, ACCEPTED, REJECTED = range(3)
MOST_NAMES = 200  # reviewers of one subject
Decision = tuple[int, int, int]  # row, verdict as an index of VERDICTS, label as an index of the subject's + 1, or 0


@dataclass
class Reviewer:
    """One person's decisions.

    Attributes:
        verdict: uint8 (N,), indices of VERDICTS. label: uint16 (N,), index of the subject's labels + 1; 0: its own.
        at: float64 (N,), seconds since 1970 of the last decision about the row; 0: never.
        done: id of a batch -> what was decided before of its rows, (n, 3) as a `Decision` each; in their order, without
            those that were taken back and those that took them back.
        times: when batches were written, in seconds since 1970.
        kept: (id, dataset) of all batches.
    """

    name: str
    verdict: np.ndarray
    label: np.ndarray
    at: np.ndarray
    done: dict[str, list[np.ndarray]] = field(default_factory=dict)
    times: list[float] = field(default_factory=list)
    kept: set[tuple[str, int]] = field(default_factory=set)
    journals: dict[int, Journal] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Decided:
    """All reviewers' decisions about a subject.

    Safe for many threads: a reviewer's batches are written one after the other, those of several at the same time.
    """

    def __init__(self, store: ObjectStore, subject: Subject) -> None:
        self._store = store
        self._subject = subject
        self._row = {
            (dataset, line.file.sha256): row
            for row, (dataset, line) in enumerate(zip(subject.of_row, subject.lines, strict=True))
        }
        self._label = {label: place + 1 for place, label in enumerate(subject.labels)}
        self._reviewers: dict[str, Reviewer] = {}
        self._lock = threading.Lock()
        batches = [
            (batch, place)
            for place, dataset in enumerate(subject.datasets)
            for own in read_journals(store, dataset.name).values()
            for batch in own
        ]
        for batch, place in sorted(batches, key=lambda pair: pair[0].at):
            reviewer = self.reviewer(batch.by)
            self._journal(reviewer, place).last = batch.at
            self._apply(reviewer, batch, place)

    def reviewers(self) -> list[Reviewer]:
        """Everybody who is there or has decided something, by name."""
        with self._lock:
            return [self._reviewers[name] for name in sorted(self._reviewers)]

    def reviewer(self, name: str) -> Reviewer:
        """A reviewer by name, new or not.

        Raises:
            InvalidInput: too many names.
        """
        with self._lock:
            known = self._reviewers.get(name)
            if known is None:
                if len(self._reviewers) >= MOST_NAMES:
                    right = f"at most {MOST_NAMES} reviewers; use a name that is there"
                    raise InvalidInput(f"{name!r} would be one name too many: {right}", {"name": right})
                count = len(self._subject.lines)
                known = Reviewer(name, np.zeros(count, np.uint8), np.zeros(count, np.uint16), np.zeros(count))
                self._reviewers[name] = known
            return known

    def decide(self, name: str, batch_id: str, decisions: Sequence[Decision]) -> None:
        """Keep a reviewer's decisions; of a batch that is kept already, nothing more.

        Raises:
            InvalidInput: a row, verdict or label that there is not. Unavailable, …: as the store says.
        """
        reviewer = self.reviewer(name)
        self._check(decisions)
        with reviewer.lock:
            self._write(reviewer, batch_id, decisions)

    def undo(self, name: str, batch_id: str) -> list[Decision]:
        """Take back a reviewer's last batch that was not taken back; returns the rows as they are then.

        Raises:
            FailedPrecondition: there is none.
        """
        reviewer = self.reviewer(name)
        with reviewer.lock:
            if not reviewer.done:
                raise FailedPrecondition("there is nothing to undo: you have decided nothing that is not taken back")
            undone = next(reversed(reviewer.done))
            before = [tuple(row) for rows in reviewer.done[undone] for row in rows.tolist()]
            self._write(reviewer, batch_id, before, undone)
            return before

    def _check(self, decisions: Sequence[Decision]) -> None:
        for row, verdict, label in decisions:
            if not 0 <= row < len(self._subject.lines) or not 0 <= verdict < len(VERDICTS):
                raise InvalidInput(f"row {row} or verdict {verdict} does not exist", {"changes": "rows of this page"})
            if not 0 <= label <= len(self._subject.labels) or (label and verdict != ACCEPTED):
                right = f"0 to {len(self._subject.labels)}, and of an accepted picture only"
                raise InvalidInput(f"label {label} does not go with that: {right}", {"changes": right})

    def _write(self, reviewer: Reviewer, batch_id: str, decisions: Sequence[Decision], undoes: str = "") -> None:
        of_dataset: dict[int, list[Change]] = {}
        for row, verdict, label in decisions:
            of_dataset.setdefault(self._subject.of_row[row], []).append(
                Change(
                    sha256=self._subject.lines[row].file.sha256,
                    verdict=VERDICTS[verdict],
                    label=self._named(label),
                    was_verdict=VERDICTS[reviewer.verdict[row]],
                    was_label=self._named(reviewer.label[row]),
                )
            )
        for place, changes in of_dataset.items():
            if (batch_id, place) not in reviewer.kept:
                batch = self._journal(reviewer, place).append(batch_id, changes, undoes)
                self._apply(reviewer, batch, place)

    def _journal(self, reviewer: Reviewer, place: int) -> Journal:
        if place not in reviewer.journals:
            reviewer.journals[place] = Journal(self._store, self._subject.datasets[place].name, reviewer.name)
        return reviewer.journals[place]

    def _apply(self, reviewer: Reviewer, batch: Batch, place: int) -> None:
        at, before = batch.at.timestamp(), []
        for change in batch.changes:
            row = self._row.get((place, change.sha256))
            if row is not None:
                before.append((row, VERDICTS.index(change.was_verdict), self._place(change.was_label)))
                reviewer.verdict[row] = VERDICTS.index(change.verdict)
                reviewer.label[row] = self._place(change.label)
                reviewer.at[row] = at
        if batch.undoes:
            reviewer.done.pop(batch.undoes, None)
        else:
            reviewer.done.setdefault(batch.id, []).append(np.array(before, np.int32).reshape(-1, 3))
        reviewer.times.append(at)
        reviewer.kept.add((batch.id, place))

    def _named(self, label: int) -> str:
        return self._subject.labels[label - 1] if label else ""

    def _place(self, label: str) -> int:
        return self._label.get(label, 0)


@dataclass(frozen=True)
class Final:
    """What counts of all reviewers' decisions: about each picture the latest one.

    Attributes:
        verdict, label: as of a `Reviewer`. by: int32 (N,), index of `names`; -1: nobody decided.
    """

    verdict: np.ndarray
    label: np.ndarray
    by: np.ndarray
    names: tuple[str, ...]


def final(reviewers: Sequence[Reviewer], count: int) -> Final:
    """The latest decision about every row; a decision that was taken back is none.

    Args:
        count: of rows.
    """
    verdict, label = np.zeros(count, np.uint8), np.zeros(count, np.uint16)
    by, latest = np.full(count, -1, np.int32), np.zeros(count)
    for place, one in enumerate(reviewers):
        newer = (one.verdict != UNDECIDED) & (one.at >= latest)
        verdict[newer], label[newer], by[newer] = one.verdict[newer], one.label[newer], place
        latest[newer] = one.at[newer]
    return Final(verdict, label, by, tuple(one.name for one in reviewers))
