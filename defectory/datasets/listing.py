"""The datasets of a store, and in what two of them differ."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from defectory.datasets.manifest import read_card
from defectory.datasets.manifest_line import ManifestLine
from defectory.datasets.parts import FOUND
from defectory.errors import DefectoryError
from defectory.storage.store import ObjectStore

_PREFIX, _CARD = "datasets/", "/dataset.json"
COMPARED: Mapping[str, Callable[[ManifestLine], str]] = {  # what is decided about an image
    "label": lambda line: line.label,
    "split": lambda line: line.split,
    "group": lambda line: line.group,
    "kind": lambda line: line.kind,
    "verdict": lambda line: line.judgement.verdict,
}


@dataclass(frozen=True)
class Difference:
    """Images by SHA-256 of which two datasets say different things."""

    only_first: tuple[ManifestLine, ...]
    only_second: tuple[ManifestLine, ...]
    changed: tuple[tuple[ManifestLine, ManifestLine], ...]  # the same image, of which a compared field differs

    @property
    def is_empty(self) -> bool:
        """Whether both say the same of the same images."""
        return not (self.only_first or self.only_second or self.changed)


def dataset_names(store: ObjectStore) -> list[str]:
    """The names of all finished datasets."""
    names = (
        info.key.removeprefix(_PREFIX).removesuffix(_CARD) for info in store.list(_PREFIX) if info.key.endswith(_CARD)
    )
    return sorted(name for name in names if "/" not in name)


def list_datasets(store: ObjectStore) -> tuple[list[dict[str, Any]], list[str]]:
    """The cards of all finished datasets, by name, and what is wrong with those that cannot be read."""
    cards, broken = [], []
    for name in dataset_names(store):
        try:
            cards.append(read_card(store, name))
        except DefectoryError as error:
            broken.append(str(error))
    return sorted(cards, key=lambda card: str(card.get("name"))), broken


def compare(first: Sequence[ManifestLine], second: Sequence[ManifestLine]) -> Difference:
    """What is in one dataset and not in the other, and what both hold and say differently; sorted by hash."""
    ours, theirs = ({line.file.sha256: line for line in lines} for lines in (first, second))
    both = sorted(ours.keys() & theirs.keys())
    theirs |= _named_alike({sha: ours[sha] for sha in both}, {sha: theirs[sha] for sha in both})
    return Difference(
        tuple(ours[sha] for sha in sorted(ours.keys() - theirs.keys())),
        tuple(theirs[sha] for sha in sorted(theirs.keys() - ours.keys())),
        tuple((ours[sha], theirs[sha]) for sha in both if changes(ours[sha], theirs[sha])),
    )


def _named_alike(ours: Mapping[str, ManifestLine], theirs: Mapping[str, ManifestLine]) -> dict[str, ManifestLine]:
    """The second's lines, their found groups called as the first's where they hold the same images of both.

    Found groups are numbered anew in every dataset.
    """
    first, second = _members(ours), _members(theirs)
    return {
        sha: replace(line, group=ours[sha].group)
        for sha, line in theirs.items()
        if line.group.startswith(FOUND)
        and ours[sha].group.startswith(FOUND)
        and first[ours[sha].group] == second[line.group]
    }


def _members(lines: Mapping[str, ManifestLine]) -> dict[str, set[str]]:
    members: dict[str, set[str]] = defaultdict(set)
    for sha, line in lines.items():
        members[line.group].add(sha)
    return members


def changes(first: ManifestLine, second: ManifestLine) -> dict[str, tuple[str, str]]:
    """Field -> what either says, where they differ."""
    pairs = {field: (of(first), of(second)) for field, of in COMPARED.items()}
    return {field: pair for field, pair in pairs.items() if pair[0] != pair[1]}
