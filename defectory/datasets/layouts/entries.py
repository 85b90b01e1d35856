"""What rows, tools and people say of pictures, put together: one label a picture, or the reason why there is none."""

from collections.abc import Iterable
from dataclasses import dataclass

from defectory.datasets.layouts.names import goods_among
from defectory.datasets.layouts.source import Choices, LeftOut, MaskSource, SourceFile
from defectory.datasets.manifest_line import Split

UNLABELLED = "nobody labelled it"
ABSENT = "it is named, but no such file is there"
DISAGREE = "those who labelled it disagree"
BOTH = "it is labelled good and faulty at once"
_SHOWN = 5  # pictures that a note names


@dataclass(frozen=True)
class Entry:
    """What one row or one person says of one picture."""

    path: str  # relative to the ingested folder; where no such file is there, the name as it was given
    labels: tuple[str, ...]  # the first is the label
    split: Split = "none"
    group: str = ""
    masks: tuple[MaskSource, ...] = ()
    by: str = ""  # who says it
    is_there: bool = True


@dataclass(frozen=True)
class Pool:
    """The pictures that the entries give a label, those they do not, and what a person has to read of it."""

    files: tuple[SourceFile, ...]
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]


def pool(entries: Iterable[Entry], choices: Choices) -> Pool:
    """One file a picture. Several people who agree are one; a picture that they disagree on is left out and named."""
    by_path: dict[str, list[Entry]] = {}
    for entry in entries:
        by_path.setdefault(entry.path, []).append(entry)
    labels = {label for said in by_path.values() for entry in said for label in entry.labels}
    goods = {choices.good} if choices.good else set(goods_among(labels))
    files, left_out, disagreements = [], [], []
    for path, said in by_path.items():
        labelled = [entry for entry in said if entry.labels]
        if not said[0].is_there:
            left_out.append(LeftOut(path, ABSENT))
        elif not labelled:
            left_out.append(LeftOut(path, UNLABELLED))
        elif len({frozenset(entry.labels) for entry in labelled}) > 1:
            left_out.append(LeftOut(path, DISAGREE))
            disagreements.append(f"{path} ({', '.join(_vote(entry) for entry in labelled)})")
        elif goods & set(labelled[0].labels) and set(labelled[0].labels) - goods:
            left_out.append(LeftOut(path, BOTH))
        else:
            files.append(_file(path, labelled))
    notes = []
    if disagreements:
        more = f" and {len(disagreements) - _SHOWN} more" if len(disagreements) > _SHOWN else ""
        notes.append(f"those who labelled disagree on {', '.join(disagreements[:_SHOWN])}{more}")
    return Pool(tuple(files), tuple(left_out), tuple(notes))


def _file(path: str, said: list[Entry]) -> SourceFile:
    first = said[0]
    masks = tuple(mask for entry in said for mask in entry.masks)
    kinds = first.labels if len(first.labels) > 1 else ()
    return SourceFile(path, first.labels[0], first.split, first.group, masks, kinds)


def _vote(entry: Entry) -> str:
    return f"{' and '.join(entry.labels)}{f' by {entry.by}' if entry.by else ''}"
