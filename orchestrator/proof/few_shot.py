"""Which few photographs an arm is trained on: of a kind of defect so many parts, and so many good ones."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice

from defectory.datasets.manifest_line import ManifestLine
from orchestrator.proof.spec import FewShot


def few_of(lines: Sequence[ManifestLine], few: FewShot, good: str, seed: int) -> set[str]:
    """SHA-256 of the chosen ones among training photographs.

    A kind of defect has one photograph of each of so many parts, fewer where there are no more parts: photographs of
    one part are no independent evidence. Good photographs are of as many parts as there are; then second ones follow.
    The order is drawn by hash, so that more photographs only add to fewer.

    Args:
        good: label of good parts.
    """
    by_kind: dict[str, dict[str, list[ManifestLine]]] = defaultdict(lambda: defaultdict(list))
    for line in sorted(lines, key=lambda line: _drawn(seed, line.file.sha256)):
        kind = "" if line.label == good else line.kind or line.label
        by_kind[kind][line.part].append(line)
    chosen: set[str] = set()
    for kind, parts in by_kind.items():
        ordered = sorted(parts.values(), key=lambda part: _drawn(seed, part[0].part))
        wanted = islice((part[0] for part in ordered), few.per_kind) if kind else islice(_in_turn(ordered), few.good)
        chosen |= {line.file.sha256 for line in wanted}
    return chosen


def _in_turn(parts: Sequence[Sequence[ManifestLine]]) -> Iterator[ManifestLine]:
    """The first photograph of every part, then every part's second one, and so on."""
    for number in range(max(map(len, parts), default=0)):
        yield from (part[number] for part in parts if number < len(part))


def _drawn(seed: int, name: str) -> str:
    return hashlib.sha256(f"{seed} {name}".encode()).hexdigest()
