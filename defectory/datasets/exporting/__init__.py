"""A dataset of the store as files in the layouts of other tools."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from defectory.alike import one_of
from defectory.datasets.exporting import coco, datumaro, folders, mvtec, table, yolo
from defectory.datasets.exporting.picture import Exported, Picture, Write, file_of, names_of
from defectory.datasets.manifest import fields_of
from defectory.datasets.manifest_line import ManifestLine, MaskFile
from defectory.datasets.pictures import image_of
from defectory.errors import AlreadyExists, FailedPrecondition, InvalidInput
from defectory.imaging import UPRIGHT, decode, encode_png, read_header
from defectory.imaging.png import is_png, is_wide
from defectory.job_settings.choices import Origins
from defectory.storage.fetching import verified
from defectory.storage.store import ObjectStore
from defectory.storage.taking import take_files

LINEAGE = "lineage.jsonl"  # the manifest's line of every file, whatever the format has room for
GOOD = "good"  # the label of good parts where nobody names another
NEED_GOOD = frozenset({"mvtec", "yolo"})  # formats that write a good part otherwise than a defect
FORMATS: Mapping[str, Write] = {
    "folders": folders.write, "mvtec": mvtec.write, "coco": coco.write, "datumaro": datumaro.write,
    "csv": table.write, "yolo": yolo.write,
}  # fmt: skip


@dataclass(frozen=True)
class ExportResult:
    """What was written: files by kind, and what a person has to know of it."""

    images: int
    masks: int
    rejected: int  # images that were left out because a filter or person rejected them
    notes: tuple[str, ...]


def export(
    store: ObjectStore,
    lines: Sequence[ManifestLine],
    form: str,
    out: Path,
    *,
    origins: Origins = "all",
    good: str = GOOD,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> ExportResult:
    """Write a dataset's images into a folder that is empty or not there, annotations last.

    Args:
        form: one of FORMATS.
        origins: "real" are photographs, edited or not, "synthetic" what a generator made.
        good: label of good parts; other words than "good" have to be a label of the dataset.
        report: told how many of the images are written.

    Raises:
        InvalidInput: no such format or label.
        AlreadyExists: the folder holds something. FailedPrecondition: no image is left.
        NotFound, Corrupted: an image is not in the store.
    """
    if form not in FORMATS:
        right = one_of(form, FORMATS)
        raise InvalidInput(f"there is no format {form!r}; {right}", {"format": right})
    _check_good(lines, good)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise AlreadyExists(f"{out} is not an empty folder; give another one")
    wanted = [line for line in lines if origins == "all" or line.is_real == (origins == "real")]
    kept = [line for line in wanted if line.judgement.verdict != "rejected"]
    if not kept:
        raise FailedPrecondition(f"no image is left to export: {len(lines)} in all, {len(wanted)} of origin {origins}")
    pictures = [
        Picture(line, name, partial(_mask, store, line.mask) if line.mask else None)
        for line, name in zip(kept, names_of(kept), strict=True)
    ]
    exported = FORMATS[form](pictures, good)
    _take(store, exported, out, report)
    documents = {**exported.documents, LINEAGE: _lineage(exported)}
    for path, content in documents.items():  # last: what names the images is there when they are
        file_of(out, path).parent.mkdir(parents=True, exist_ok=True)
        file_of(out, path).write_bytes(content)
    notes = (*exported.notes, *_of_good(kept, form, good))
    return ExportResult(len(exported.images), len(exported.masks), len(wanted) - len(kept), notes)


def _check_good(lines: Sequence[ManifestLine], good: str) -> None:
    labels = sorted({line.label for line in lines})
    if good != GOOD and good not in labels:
        right = f"use one of {', '.join(labels)}"
        raise InvalidInput(f"no image is labelled {good!r}: {right}", {"good": right})


def _of_good(lines: Sequence[ManifestLine], form: str, good: str) -> Sequence[str]:
    labels = sorted({line.label for line in lines})
    if form not in NEED_GOOD or good in labels:
        return ()
    return (f"no image is labelled {good}, so all are defects ({', '.join(labels)}); --good LABEL names the good one",)


def _take(store: ObjectStore, exported: Exported, out: Path, report: Callable[[int, int], None]) -> None:
    files = [
        (picture.line.file.uri, file_of(out, path), picture.line.file.sha256)
        for picture, path in exported.images.items()
    ]
    masks = ((picture.line.mask, path) for picture, path in exported.masks.items())
    files += [(mask.uri, file_of(out, path), mask.sha256) for mask, path in masks if mask]
    lines = {file_of(out, path): picture.line for picture, path in exported.images.items()}
    for start in range(0, len(files), 64):
        some = files[start : start + 64]
        take_files(store, some)
        for _, path, _ in some:
            if path in lines:
                _as_png(path, lines[path])
        report(min(start + 64, len(files)), len(files))


def _as_png(path: Path, line: ManifestLine) -> None:
    """Make a picture an upright PNG of 8 bits, which every tool reads alike; one that is that stays as it is."""
    content = path.read_bytes()
    if is_png(content) and not is_wide(content) and read_header(content).orientation() == UPRIGHT:
        return
    path.write_bytes(encode_png(image_of(content, line)))


def _mask(store: ObjectStore, mask: MaskFile) -> np.ndarray:
    content = verified(store.get(store.key(mask.uri)), mask.uri, mask.sha256)
    return np.asarray(decode(content).convert("L")) > 127


def _lineage(exported: Exported) -> bytes:
    rows = []
    for picture, path in exported.images.items():
        row = fields_of(picture.line)
        for part, exported_path in (("file", path), ("mask", exported.masks.get(picture))):
            if part in row:  # where it lay in the store is nobody's matter here
                del row[part]["uri"]
                row[part] |= {"path": exported_path} if exported_path else {}
        rows.append(json.dumps(row, sort_keys=True).encode() + b"\n")
    return b"".join(rows)
