"""Label Studio's JSON and JSON-MIN exports. Its CSV and TSV are tables."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from defectory.datasets.layouts.brush import Brush
from defectory.datasets.layouts.cells import labels_of
from defectory.datasets.layouts.entries import Entry, pool
from defectory.datasets.layouts.json_file import json_files, read_json
from defectory.datasets.layouts.locating import Pictures
from defectory.datasets.layouts.polygons import Outline, ellipse
from defectory.datasets.layouts.source import Choices, Layout, MaskSource, Source
from defectory.datasets.layouts.tree import Tree, is_picture
from defectory.datasets.layouts.written import written_by
from defectory.errors import InvalidInput

_UPLOADED = re.compile("[0-9a-f]{8}-(?=.)")  # what the server puts before the name of a picture that it was given
# What a part's labels stand under, which tells what it was drawn with.
_PARTS = ("polygonlabels", "brushlabels", "rectanglelabels", "ellipselabels", "keypointlabels", "vectorlabels")
_OWN = {"id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time"}  # fields of JSON-MIN's own


def uploaded(pictures: Pictures, name: str, where: str) -> str:
    """The file that Label Studio means by an address of its own; "" where there is none.

    Such as `/data/upload/1/1f2a3b4c-x.png` or `/data/local-files/?d=photos/x.png`. The name after the last '/' counts,
    with or without the eight digits that an upload gets.
    """
    last = PurePosixPath(name.split("?d=")[-1]).name
    return pictures.find(last, where) or pictures.find(_UPLOADED.sub("", last, count=1), where)


def _is_export(tree: Tree, path: str) -> bool:
    try:
        content = read_json(tree, path)
    except InvalidInput:
        return False
    first = content[0] if isinstance(content, list) and content else None
    return isinstance(first, dict) and ({"id", "data", "annotations"} <= first.keys() or first.keys() >= _OWN)


def _files(tree: Tree) -> list[str]:
    return [path for path in json_files(tree, depth=0) if _is_export(tree, path)]


def _recognise(tree: Tree) -> str:
    files = _files(tree)
    return (
        f"{', '.join(files[:3])} {'is an export' if len(files) == 1 else 'are exports'} of Label Studio"
        if files
        else ""
    )


def _read(tree: Tree, choices: Choices) -> Source:
    pictures = Pictures(tree)
    entries = [
        entry
        for name in _files(tree)
        for number, task in enumerate(read_json(tree, name), start=1)
        for entry in _entries(task, f"{name}, task {number}", pictures)
    ]
    read = pool(entries, choices)
    return Source(tree.root, LABEL_STUDIO.name, read.files, left_out=read.left_out, notes=read.notes)


def _entries(task: Any, where: str, pictures: Pictures) -> Iterator[Entry]:
    """What everyone who annotated a task says; skipped annotations count as none."""
    if not isinstance(task, dict):
        raise InvalidInput(f"{where} is no object; export the project as JSON or JSON-MIN")
    with written_by("Label Studio", where):
        yield from _entries_of(task, where, pictures)


def _entries_of(task: Mapping[str, Any], where: str, pictures: Pictures) -> Iterator[Entry]:
    whole = "annotations" in task
    name = _picture(task["data"] if whole else task, where)
    path = uploaded(pictures, name, where)
    said = [(one, *_said(one, where)) for one in task["annotations"]] if whole else [(task, *_minimal(task, where))]
    for one, labels, masks in said or [({}, (), ())]:
        person = one.get("annotator") or one.get("completed_by") or ""
        by = str(person.get("email", person.get("id", ""))) if isinstance(person, dict) else str(person)
        yield Entry(path or name, labels, masks=masks, by=by, is_there=bool(path))


def _picture(data: Mapping[str, Any], where: str) -> str:
    """The first field whose value is a picture's address."""
    for value in data.values():
        if isinstance(value, str) and is_picture(value):
            return value
    raise InvalidInput(f"{where} names no picture; its fields are {', '.join(map(str, data))}")


_Said = tuple[tuple[str, ...], tuple[MaskSource, ...]]  # labels, and the masks of the parts that they name


def _said(annotation: Mapping[str, Any], where: str) -> _Said:
    """What an annotation says, the whole picture's labels before those of its parts."""
    if annotation.get("was_cancelled"):
        return (), ()
    results = annotation.get("result") or []
    chosen = [one.get("value") for one in results if one.get("type") == "choices"]
    # JSON-MIN has a part's size beside its points, JSON around them.
    parts = [{**one, **one["value"]} for one in results if isinstance(one.get("value"), dict)]
    return _together(chosen, [part for part in parts if _drawn_with(part)], where)


def _minimal(task: Mapping[str, Any], where: str) -> _Said:
    """JSON-MIN has a field for each question; those with an answer are choices, or parts."""
    answers = [value for key, value in task.items() if key not in _OWN and not _is_address(value)]
    parts = [part for value in answers if isinstance(value, list) for part in value if _drawn_with(part)]
    chosen = [value for value in answers if not (isinstance(value, list) and any(map(_drawn_with, value)))]
    return _together(chosen, parts, where)


def _together(chosen: Sequence[Any], parts: Sequence[Mapping[str, Any]], where: str) -> _Said:
    labels = dict.fromkeys(
        label for value in (*chosen, *(part[_drawn_with(part)] for part in parts)) for label in labels_of(value, where)
    )
    return tuple(labels), tuple(mask for part in parts if (mask := _mask(part, where)))


def _drawn_with(part: Any) -> str:
    """The first of `_PARTS` that it has; "" where it is no part."""
    return next((kind for kind in _PARTS if kind in part), "") if isinstance(part, dict) else ""


def _mask(part: Mapping[str, Any], where: str) -> MaskSource | None:
    """A polygon's or ellipse's, which are in percent of the picture, or a brush's; None for what has no outline."""
    kind = _drawn_with(part)
    if kind not in ("polygonlabels", "ellipselabels", "brushlabels"):
        return None
    size = (int(part["original_width"]), int(part["original_height"]))
    if kind == "brushlabels":
        return Brush(where, part["rle"], size)
    if kind == "ellipselabels":
        (x, across), (y, down) = (
            (float(part[axis.lower()]) / 100 * side, float(part[f"radius{axis}"]) / 100 * side)
            for axis, side in zip("XY", size, strict=True)
        )
        return Outline(where, [ellipse((x, y), (across, down), float(part.get("rotation", 0)))], size)
    corners = [float(c) / 100 * side for corner in part["points"] for c, side in zip(corner, size, strict=True)]
    return Outline(where, [corners], size)


def _is_address(value: Any) -> bool:
    return isinstance(value, str) and is_picture(value)


LABEL_STUDIO = Layout(
    name="label-studio",
    on_disk="an export of JSON or JSON-MIN beside or above the pictures (CSV and TSV: `csv`)",
    recognised_by="a JSON list of tasks",
    label="the choice, else the labels of its parts; several: the first, all are kept as kinds; nobody's or a skipped"
    " one: left out; two people who disagree: left out and named",
    split="none",
    mask="polygons, ellipses and what a brush painted, of JSON; a rectangle makes none",
    group="found",
    described_in="files written by label-studio-sdk 2.1.2",
    recognise=_recognise,
    read=_read,
)
