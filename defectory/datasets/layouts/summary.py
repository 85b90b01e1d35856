"""What was recognised at a path, in figures and in words: it is said before anything is done."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from defectory.datasets.layouts.source import Source
from defectory.datasets.splits import MIN_GROUPS, SPLIT_NAMES

_EXAMPLES = 3  # files that are named of each kind left out


def summarise(source: Source, labels: str = "binary") -> dict[str, Any]:
    """Layout, labels, splits, masks, groups and what is left out, as JSON can hold it.

    Args:
        labels: what becomes of kinds of defect: `binary` or `kinds`; see `defectory.datasets.ingest`.
    """
    counts = Counter(file.label for file in source.files)
    splits = Counter(file.split for file in source.files)
    left_out: dict[str, list[str]] = {}
    for file in source.left_out:
        left_out.setdefault(file.reason, []).append(file.path)
    return {
        "layout": source.layout,
        "because": source.reason,
        "images": len(source.files),
        "labels": dict(sorted(counts.items(), key=lambda item: (item[0] != source.good, item[0]))),
        "good": source.good,
        "becomes": sorted({label_of(file.label, source.good, labels) for file in source.files}),
        "splits": {split: splits[split] for split in SPLIT_NAMES if splits[split]},
        "masks": sum(bool(file.masks) for file in source.files),
        "groups": len({file.group for file in source.files if file.group}),
        "grouped_images": sum(bool(file.group) for file in source.files),
        "several_kinds": sum(len(file.kinds) > 1 for file in source.files),
        "left_out": {
            reason: {"files": len(paths), "examples": paths[:_EXAMPLES]} for reason, paths in sorted(left_out.items())
        },
        "notes": [*source.notes, *_of_labels(source, labels), *_of_splits(source, labels)],
    }


def label_of(label: str, good: str, labels: str) -> str:
    """The label of the dataset: the layout's own, or good / defect where that is wanted and a good one is known."""
    if labels != "binary" or not good:
        return label
    return "good" if label == good else "defect"


def in_words(summary: Mapping[str, Any]) -> list[str]:
    """The same for a person, a line a subject; `warnings` has the rest."""
    good = summary["good"]
    names = [f"{label} {count}{' (no defect)' if label == good else ''}" for label, count in summary["labels"].items()]
    becomes = f" -> {', '.join(summary['becomes'])}" if set(summary["becomes"]) != set(summary["labels"]) else ""
    splits = ", ".join(f"{split} {count}" for split, count in summary["splits"].items())
    unsplit = summary["images"] - sum(summary["splits"].values())
    if splits and unsplit:
        splits += f"; {unsplit} are split by group"
    return [
        f"layout  {summary['layout']}: {summary['because']}",
        f"labels  {', '.join(names)}{becomes}",
        f"splits  {splits or 'by group, anew'}",
        f"masks   {_of(summary['masks'], summary['images']) if summary['masks'] else 'none'}",
        f"groups  {_groups(summary)}",
    ]


def warnings(summary: Mapping[str, Any]) -> Iterator[str]:
    """What a person has to read: notes, and what is left out, kind by kind."""
    yield from summary["notes"]
    for reason, files in summary["left_out"].items():
        some = ", ".join(files["examples"]) + (", …" if files["files"] > len(files["examples"]) else "")
        yield f"left out: {files['files']} file{'s' * (files['files'] != 1)}, {reason} ({some})"


def _of_labels(source: Source, labels: str) -> Sequence[str]:
    notes = []
    names = sorted({file.label for file in source.files})
    if labels == "binary" and not source.good and len(names) > 1:
        notes.append(
            f"no label means a good part, so binary labels turn into kinds: {', '.join(names)}; "
            "--good LABEL names the good one"
        )
    if len(names) == 1:
        notes.append(f"all photographs are labelled {names[0]}: enough for a generator, not for a classifier")
    merged = {
        name: count for name, count in Counter(file.label for file in source.files).items() if name != source.good
    }
    if labels == "binary" and source.good and len(merged) > 1:
        kinds = ", ".join(f"{name} ({count})" for name, count in sorted(merged.items()))
        notes.append(f"{kinds} become one label, defect: --labels kinds keeps them apart")
    several = sum(len(file.kinds) > 1 for file in source.files)
    if several:
        notes.append(f"{several} photographs have several labels: the first is the label, all are kept as kinds")
    return notes


def _of_splits(source: Source, labels: str) -> Sequence[str]:
    """Labels that no split can be made of: an ingest refuses them when it has seen the photographs."""
    notes = []
    counts = Counter(label_of(file.label, source.good, labels) for file in source.files)
    few = [f"{label} {count}" for label, count in sorted(counts.items()) if count < MIN_GROUPS]
    if few:
        notes.append(
            f"too few photographs to make a dataset of ({', '.join(few)}): every label needs {MIN_GROUPS} parts"
        )
    trainable = {label_of(file.label, source.good, labels) for file in source.files if file.split in ("train", "none")}
    if untrained := sorted(counts.keys() - trainable):
        notes.append(f"nothing of {', '.join(untrained)} is in train, so no dataset can be made with these splits")
    return notes


def _groups(summary: Mapping[str, Any]) -> str:
    if not summary["groups"]:
        return "found by likeness when the photographs are read (`defectory dataset groups` then shows them)"
    rest = summary["images"] - summary["grouped_images"]
    looked_for = f"; found by likeness among the other {rest}" if rest else ""
    return f"{summary['groups']} parts on {summary['grouped_images']} images{looked_for}"


def _of(some: int, all_: int) -> str:
    return f"of {some} of {all_} images"
