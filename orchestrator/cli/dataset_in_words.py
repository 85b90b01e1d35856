"""A dataset's card for a person: what it is, how it is divided, and what to know of it, in sentences."""

from collections.abc import Iterator, Mapping
from typing import get_args

from pydantic import BaseModel

from defectory.datasets.manifest_line import Split
from defectory.datasets.parts import mixed_in_words
from orchestrator.cli.output import table

COLOURS = {"L": "grey", "RGB": "colour", "RGBA": "colour, with transparency", "LA": "grey, with transparency"}


class LeftOut(BaseModel):
    """Files of a folder that were left out for one reason."""

    files: int


class Source(BaseModel):
    """What was recognised at the folder."""

    layout: str = ""
    because: str = ""
    labels: dict[str, int] = {}
    becomes: list[str] = []
    splits: dict[str, int] = {}
    left_out: dict[str, LeftOut] = {}
    notes: list[str] = []


class Shown(BaseModel):
    """A card as far as it is shown, and what its images say; cards of earlier versions say less."""

    name: str = ""
    manifest: str
    labels: list[str] = []
    counts: dict[str, dict[str, int]] = {}
    by_origin: dict[str, int]
    parts: int
    parts_by_split: dict[str, dict[str, int]]
    mixed_parts: list[str]
    masks: int
    shares: tuple[float, float, float] | None = None
    seed: int = 0
    groups_from: str = ""
    colour: str = ""
    bits: int | None = None
    drawn: str = ""
    skipped: list[list[str]] = []
    notes: list[str] = []
    warning: str = ""
    validation_warning: str = ""
    source: Source = Source()


def in_words(shown: Shown) -> str:
    """The text of `dataset show`."""
    lines = [f"{name:<9}  {text}" for name, text in _lines(shown) if text]
    said = (shown.warning, shown.validation_warning, mixed_in_words(shown.mixed_parts))
    notes = [*shown.notes, *shown.source.notes, *filter(None, said)]
    warned = "\n".join(f"! {note}" for note in dict.fromkeys(notes))
    return "\n\n".join(filter(None, ["\n".join(lines), _counts(shown.counts, shown.parts_by_split), warned]))


def _lines(shown: Shown) -> Iterator[tuple[str, str]]:
    source, origins = shown.source, shown.by_origin
    by_origin = ", ".join(f"{count} {name}" for name, count in origins.items())
    beside = "" if set(origins) == {"real"} else f" ({by_origin})"
    yield "images", f"{sum(origins.values())}{beside}, of {shown.parts} parts"
    kinds = ", ".join(f"{label} {count}" for label, count in source.labels.items())
    merged = bool(source.becomes) and set(source.becomes) != set(source.labels)
    yield "labels", f"{kinds} -> {', '.join(source.becomes)}" if merged else kinds or ", ".join(shown.labels)
    yield "read as", f"{source.layout}: {source.because}" if source.because else ""
    yield "divided", _divided(shown)
    grouped = {
        "found": f"found by likeness: `defectory dataset groups {shown.name}` shows which are taken for one",
        "given": "as the folder, its table or --groups says which photographs are of one",
    }
    yield "parts", grouped.get(shown.groups_from, "")
    yield "masks", f"{shown.masks} images have one" if shown.masks else "none"
    colour = COLOURS.get(shown.colour, shown.colour)
    stored = ", ".join(filter(None, [colour, f"{shown.bits} bits" if shown.bits else ""]))
    yield "pictures", f"{stored} (of the pictures; how a model reads them is in its card)" if stored else ""
    unread = [f"{len(shown.skipped)} files that cannot be read"] if shown.skipped else []
    yield "left out", "; ".join([*unread, *(f"{of.files} files, {reason}" for reason, of in source.left_out.items())])
    yield "drawn", shown.drawn
    yield "manifest", shown.manifest


def _divided(shown: Shown) -> str:
    if shown.source.splits:
        return "as the photographs came"
    if shown.shares is None:
        return ""
    train, validation, test = shown.shares
    return f"{train:.0%} to train, {validation:.0%} to validate, {test:.0%} to test, parts whole, seed {shown.seed}"


def _counts(counts: Mapping[str, Mapping[str, int]], parts: Mapping[str, Mapping[str, int]]) -> str:
    """Images of every split and label, and of how many parts they are where that are fewer."""
    labels = sorted({label for split in counts.values() for label in split})

    def cell(split: str, label: str) -> str:
        images, of_parts = counts[split].get(label, 0), parts.get(split, {}).get(label, 0)
        return str(images) if images == of_parts else f"{images}, of {of_parts} part{'s' * (of_parts != 1)}"

    rows = [
        {"split": "in none" if split == "none" else split, **{label: cell(split, label) for label in labels}}
        for split in get_args(Split)
        if split in counts
    ]
    return table(rows, ["split", *labels]) if rows else ""
