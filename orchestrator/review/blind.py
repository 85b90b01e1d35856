"""The blind test: real and synthetic pictures of a label, mixed; can a person tell which is which?"""

import secrets
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

from defectory.datasets.manifest_line import ManifestLine
from defectory.errors import FailedPrecondition, InvalidInput, NotFound
from defectory.statistics import rate_interval
from defectory.storage.store import ObjectStore
from orchestrator.pipeline.outputs import BlindTest
from orchestrator.review.journal import slug
from orchestrator.review.subject import Subject

FEWEST, MOST = 10, 200  # pictures of a trial
OPEN_TRIALS = 64  # at once; the oldest is forgotten


@dataclass(frozen=True)
class Trial:
    """Pictures in the order in which they are shown."""

    id: str
    by: str
    label: str
    lines: tuple[ManifestLine, ...]
    side_px: int  # of the square that all are shown at: that of the synthetic ones
    at: datetime = field(default_factory=lambda: datetime.now(UTC))


class BlindTests:
    """Trials that are open, and the results of those that are finished, which lie beside the journals.

    As many real pictures of a label as synthetic ones are drawn, in an order that nothing but chance makes.
    """

    def __init__(self, store: ObjectStore, subject: Subject) -> None:
        self._store = store
        self._subject = subject
        self._open: OrderedDict[str, Trial] = OrderedDict()
        self._lock = threading.Lock()

    def labels(self) -> list[str]:
        """Labels with enough of both for a trial."""
        return [label for label in self._subject.labels if min(map(len, self._candidates(label))) * 2 >= FEWEST]

    def begin(self, by: str, label: str, pictures: int) -> Trial:
        """Draw a trial; it holds fewer pictures where there are not so many.

        Raises:
            InvalidInput: not so many pictures make a trial. FailedPrecondition: the label has too few.
        """
        if not FEWEST <= pictures <= MOST:
            right = f"{FEWEST} to {MOST}"
            raise InvalidInput(f"a blind test of {pictures} pictures: use {right}", {"pictures": right})
        real, synthetic = self._candidates(label)
        half = min(pictures // 2, len(real), len(synthetic))
        if 2 * half < FEWEST:
            raise FailedPrecondition(
                f"{label} has {len(real)} real and {len(synthetic)} synthetic pictures: a blind test needs at least "
                f"{FEWEST // 2} of each"
            )
        random = np.random.default_rng(secrets.randbits(128))
        drawn = [real[at] for at in random.permutation(len(real))[:half]]
        drawn += [synthetic[at] for at in random.permutation(len(synthetic))[:half]]
        order = random.permutation(len(drawn))
        side_px = min(line.file.width for line in synthetic)
        trial = Trial(secrets.token_hex(16), by, label, tuple(drawn[at] for at in order), side_px)
        with self._lock:
            self._open[trial.id] = trial
            while len(self._open) > OPEN_TRIALS:
                self._open.popitem(last=False)
        return trial

    def trial(self, trial_id: str, by: str) -> Trial:
        """An open trial of a reviewer.

        Raises:
            NotFound: he has none of that id.
        """
        with self._lock:
            trial = self._open.get(trial_id)
        if trial is None or trial.by != by:
            raise NotFound("this blind test is no longer open; begin another one")
        return trial

    def finish(self, trial_id: str, by: str, called_real: Sequence[bool]) -> tuple[BlindTest, list[bool]]:
        """Keep and return the result, and which pictures were real.

        Raises:
            NotFound: no such trial. InvalidInput: not an answer for each picture.
        """
        trial = self.trial(trial_id, by)
        if len(called_real) != len(trial.lines):
            right = f"{len(trial.lines)}, one a picture"
            raise InvalidInput(f"{len(called_real)} answers: give {right}", {"answers": right})
        real = [line.is_real for line in trial.lines]
        right_ones = sum(said == is_real for said, is_real in zip(called_real, real, strict=True))
        low, high = rate_interval(right_ones, len(real))
        result = BlindTest(
            by=by, label=trial.label, pictures=len(real), right=right_ones, low=low, high=high,
            synthetic=real.count(False),
            called_real=sum(said and not is_real for said, is_real in zip(called_real, real, strict=True)),
        )  # fmt: skip
        folder = f"datasets/{self._subject.datasets[0].name}/blind-tests"
        key = f"{folder}/{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{slug(by)}.json"
        self._store.put(key, result.model_dump_json(indent=1).encode())
        with self._lock:
            self._open.pop(trial_id, None)
        return result, real

    def results(self) -> list[BlindTest]:
        """All finished trials, the oldest first."""
        return blind_results(self._store, self._subject)

    def _candidates(self, label: str) -> tuple[list[ManifestLine], list[ManifestLine]]:
        real = [x for x in self._subject.real.values() if x.label == label and not x.origin.augmentation]
        synthetic = [x for x in self._subject.lines if x.label == label and x.origin.kind == "synthetic"]
        return real, synthetic


def blind_keys(store: ObjectStore, dataset: str) -> list[str]:
    """Keys of what came of blind tests, the oldest first; they never change."""
    return [info.key for info in store.list(f"datasets/{dataset}/blind-tests/")]


def blind_results(store: ObjectStore, subject: Subject) -> list[BlindTest]:
    """What came of a subject's blind tests, the oldest first. They lie beside the journals of its first dataset."""
    keys = blind_keys(store, subject.datasets[0].name) if subject.datasets else []
    return [BlindTest.model_validate_json(store.get(key)) for key in keys]
