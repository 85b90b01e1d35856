"""A dataset's card for a person: what it is, how it is divided, and what to know of it, in sentences."""

from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.cli.output import table

SPLITS = ("train", "validation", "test", "none")


def in_words(shown: Mapping[str, Any]) -> str:
    """The text of `dataset show`; cards of earlier versions say what they know.

    Args:
        shown: card, with `parts`, `masks`, `by_origin`.
    """
    lines = [f"{name:<9}  {text}" for name, text in _lines(shown) if text]
    notes = [*shown.get("notes", []), *shown.get("source", {}).get("notes", [])]
    notes += [shown[name] for name in ("warning", "validation_warning") if shown.get(name)]
    parts = [
        "\n".join(lines),
        _counts(shown.get("counts", {})),
        "\n".join(f"! {note}" for note in dict.fromkeys(notes)),
    ]
    return "\n\n".join(filter(None, parts))


def _lines(shown: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    source, origins = shown.get("source", {}), shown["by_origin"]
    by_origin = ", ".join(f"{count} {name}" for name, count in origins.items())
    beside = "" if set(origins) == {"real"} else f" ({by_origin})"
    yield "images", f"{sum(origins.values())}{beside}, of {shown['parts']} parts"
    kinds = ", ".join(f"{label} {count}" for label, count in source.get("labels", {}).items())
    becomes = ", ".join(source.get("becomes", []))
    merged = bool(becomes) and set(source.get("becomes", [])) != set(source.get("labels", {}))
    yield "labels", f"{kinds} -> {becomes}" if merged else kinds or ", ".join(shown.get("labels", []))
    yield "read as", f"{source.get('layout', '')}: {source['because']}" if "because" in source else ""
    yield "divided", _divided(shown)
    yield (
        "parts",
        {
            "found": f"by what photographs look like: `defectory dataset groups {shown.get('name', '')}`",
            "given": "as they were given",
        }.get(str(shown.get("groups_from", "")), ""),
    )
    yield "masks", f"{shown['masks']} images have one" if shown["masks"] else "none"
    colours = {"L": "grey", "RGB": "colour", "RGBA": "colour, with transparency", "LA": "grey, with transparency"}
    colour = colours.get(str(shown.get("colour", "")), str(shown.get("colour", "")))
    yield "pictures", ", ".join(filter(None, [colour, f"{shown['bits']} bits" if shown.get("bits") else ""]))
    yield "left out", _left_out(shown)
    yield "drawn", str(shown.get("drawn", ""))
    yield "manifest", str(shown["manifest"])


def _divided(shown: Mapping[str, Any]) -> str:
    if shown.get("source", {}).get("splits"):
        return "as the photographs came"
    if "shares" not in shown:
        return ""
    train, validation, test = shown["shares"]
    return f"{train:.0%} to train, {validation:.0%} to validate, {test:.0%} to test, parts whole, seed {shown['seed']}"


def _left_out(shown: Mapping[str, Any]) -> str:
    skipped = [f"{len(shown['skipped'])} files that cannot be read"] if shown.get("skipped") else []
    files = shown.get("source", {}).get("left_out", {})
    return "; ".join([*skipped, *(f"{entry['files']} files, {reason}" for reason, entry in files.items())])


def _counts(counts: Mapping[str, Mapping[str, int]]) -> str:
    labels = sorted({label for split in counts.values() for label in split})
    rows = [
        {"split": "in none" if split == "none" else split, **{label: counts[split].get(label, 0) for label in labels}}
        for split in SPLITS
        if split in counts
    ]
    return table(rows, ["split", *labels]) if rows else ""
