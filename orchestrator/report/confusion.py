"""The tables of what every arm's main cycle takes for what on the test images, at its operating point."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from orchestrator.report.documents import Decisions, Rate


@dataclass(frozen=True)
class Taken:
    """A label in one arm.

    Attributes:
        precision: of the images taken for it; None where none was. recall: of its images; None where there are none.
        taken: label -> images of this one that were taken for it, without zeros.
    """

    precision: float | None
    recall: float | None
    taken: dict[str, int]


@dataclass(frozen=True)
class LabelRow:
    """A label in all arms."""

    label: str
    images: int
    arms: list[Taken]


@dataclass(frozen=True)
class EscapeRow:
    """A kind of defect, and how many pass in every arm."""

    kind: str
    of: int
    arms: list[Rate]


def label_rows(decisions: Mapping[str, Decisions]) -> Iterator[LabelRow]:
    """A row a label that all arms know.

    Args:
        decisions: arm's title -> what it decided.
    """
    arms = list(decisions.values())
    for label in _common([list(arm.labels) for arm in arms]):
        yield LabelRow(label, arms[0].labels[label].images, [_taken(arm, label) for arm in arms])


def _taken(arm: Decisions, label: str) -> Taken:
    names = list(arm.labels)
    row = arm.confusion[names.index(label)]
    figures = arm.labels[label]
    claimed = sum(of_truth[names.index(label)] for of_truth in arm.confusion)
    taken = {name: images for name, images in zip(names, row, strict=True) if images}
    return Taken(figures.precision if claimed else None, figures.recall if sum(row) else None, taken)


def escape_rows(decisions: Mapping[str, Decisions]) -> Iterator[EscapeRow]:
    """A row a kind of defect that all arms have met."""
    arms = list(decisions.values())
    for kind in _common([list(arm.escapes) for arm in arms]):
        rates = [arm.escapes[kind] for arm in arms]
        yield EscapeRow(kind, rates[0].of, rates)


def _common(names: list[list[str]]) -> list[str]:
    """What every arm has, in the first one's order."""
    return [name for name in (names[0] if names else []) if all(name in others for others in names)]
