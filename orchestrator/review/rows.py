"""The columns of the reviewed pictures: what views filter and sort by, compact, one entry a row."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from defectory.datasets.manifest_line import ManifestLine
from orchestrator.review.decided import UNDECIDED, VERDICTS
from orchestrator.review.subject import Subject

NOBODY = "not judged"  # verdict of a picture that no filter judged
MOST_REASONS = 32  # different ones; a row has them as bits


@dataclass(frozen=True)
class Rows:
    """Columns (N,) over a subject's rows; figures that are not known are nan.

    Attributes:
        generation: changes with the pictures and their order, so that a page never decides about other rows.
        label, kind, verdict, origin: indices of the tuples beside.
        reasons: bit i: `reason_names[i]` is among the filter's reasons.
        confidence: mean probability that the judge gives to the picture's label, in [0, 1].
        doubt: 1 - (highest - second highest mean probability), in [0, 1]: margin sampling (Settles, Active Learning
            Literature Survey, 2009, section 3.1).
        novelty: 1 - correlation with the nearest real training image, in [0, 2].
    """

    generation: str
    label: np.ndarray
    kind: np.ndarray
    verdict: np.ndarray
    origin: np.ndarray
    reasons: np.ndarray
    confidence: np.ndarray
    doubt: np.ndarray
    novelty: np.ndarray
    label_names: tuple[str, ...]
    kind_names: tuple[str, ...]
    verdict_names: tuple[str, ...]
    origin_names: tuple[str, ...]
    reason_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.label)

    @property
    def filter_verdict(self) -> np.ndarray:
        """uint8 (N,): what the filter decided, as a reviewer's decisions; UNDECIDED where none judged."""
        codes = [VERDICTS.index(name) if name in VERDICTS else UNDECIDED for name in self.verdict_names]
        verdicts: np.ndarray = np.array(codes, np.uint8)[self.verdict]
        return verdicts


def rows_of(subject: Subject) -> Rows:
    """The columns of a subject."""
    lines = subject.lines
    label, label_names = _indexed([line.label for line in lines], subject.labels)
    kind, kind_names = _indexed([line.kind for line in lines])
    verdict, verdict_names = _indexed([line.judgement.verdict or NOBODY for line in lines])
    origin, origin_names = _indexed([line.origin.kind for line in lines])
    reason_names = tuple(sorted({reason for line in lines for reason in line.judgement.reasons}))[:MOST_REASONS]
    bit = {name: 1 << place for place, name in enumerate(reason_names)}
    return Rows(
        generation=_generation(subject),
        label=label,
        kind=kind,
        verdict=verdict,
        origin=origin,
        reasons=np.array([sum(bit.get(x, 0) for x in line.judgement.reasons) for line in lines], np.uint32),
        confidence=np.array([_confidence(line) for line in lines], np.float32),
        doubt=np.array([_doubt(line) for line in lines], np.float32),
        novelty=np.array([_known(line.judgement.nearest_real_distance) for line in lines], np.float32),
        label_names=label_names,
        kind_names=kind_names,
        verdict_names=verdict_names,
        origin_names=origin_names,
        reason_names=reason_names,
    )


def _indexed(values: Sequence[str], names: tuple[str, ...] = ()) -> tuple[np.ndarray, tuple[str, ...]]:
    names = names or tuple(sorted(set(values)))
    place = {name: number for number, name in enumerate(names)}
    return np.array([place[value] for value in values], np.int32), names


def _confidence(line: ManifestLine) -> float:
    return _known((line.judgement.scores or {}).get(line.label))


def _doubt(line: ManifestLine) -> float:
    scores = sorted((line.judgement.scores or {}).values(), reverse=True)
    return 1 - (scores[0] - scores[1]) if len(scores) > 1 else float("nan")


def _known(value: float | None) -> float:
    return float("nan") if value is None else value


def _generation(subject: Subject) -> str:
    digest = hashlib.sha256(repr([(one.name, one.content_hash) for one in subject.datasets]).encode())
    for line in (*subject.lines, *subject.photographs):
        digest.update(bytes.fromhex(line.file.sha256))
    return digest.hexdigest()[:16]
