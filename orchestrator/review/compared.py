"""What a server computes of its pictures' features: once, when somebody asks first, beside the verdicts."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from defectory.errors import Cancelled
from defectory.storage.store import ObjectStore
from orchestrator.review.features import NOT_SCORED, Features, read_features
from orchestrator.review.plane import Plane, plane_of
from orchestrator.review.sets import ScoredSet, SetName, score_set
from orchestrator.review.subject import Subject


@dataclass
class Work:
    """Scores of a set that are on their way, or there."""

    members: np.ndarray
    future: "Future[ScoredSet]" = field(default_factory=Future)
    done: float = 0.0  # share of it


class Compared:
    """Features, scores and the map of one subject. Safe for many threads; scores are computed one after the other."""

    def __init__(self, store: ObjectStore, subject: Subject) -> None:
        self._store = store
        self._subject = subject
        self._features: Features | None = None
        self._plane: Plane | None = None
        self._lock = threading.Lock()
        self._works: dict[SetName, Work] = {}
        self._works_lock = threading.Lock()
        self._worker = ThreadPoolExecutor(1, "scores")
        self._closed = threading.Event()

    def close(self) -> None:
        """Stop what is on its way."""
        self._closed.set()
        self._worker.shutdown(cancel_futures=True)
        with self._lock:
            if self._features is not None:
                self._features.close()

    def features(self) -> Features:
        """All features; none where nobody has scored the pictures."""
        with self._lock:
            if self._features is None:
                self._features = read_features(self._store, self._subject)
            return self._features

    def missing(self) -> str:
        """Why there is nothing to compare by; empty where there is."""
        return "" if len(self.features()) else NOT_SCORED

    def plane(self) -> Plane:
        """The map: points of the rows, then of the photographs."""
        features = self.features()
        with self._lock:
            if self._plane is None:
                self._plane = plane_of(
                    features,
                    features.rows(line.file.sha256 for line in self._subject.lines),
                    features.rows(line.file.sha256 for line in self._subject.photographs),
                )
            return self._plane

    def scores(self, name: SetName, members: np.ndarray, *, anew: bool) -> Work:
        """The work on a set's scores, which is begun where there is none.

        Args:
            members: as they are now. anew: where there are scores of other members, compute these.
        """
        with self._works_lock:
            work = self._works.get(name)
            if work is None or (anew and work.future.done() and not np.array_equal(work.members, members)):
                work = Work(members)
                work.future = self._worker.submit(self._score, work)
                self._works[name] = work
            elif work.future.done() and work.future.exception() is not None:
                del self._works[name]  # who asks now is told why, and who asks again has it tried again
            return work

    def _score(self, work: Work) -> ScoredSet:
        def report(done: float) -> None:
            if self._closed.is_set():
                raise Cancelled("the server is being stopped")
            work.done = done

        return score_set(self.features(), self._subject, work.members, report)
