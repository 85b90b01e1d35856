"""Parts of a dataset: how many each split and label has, and those that are good on one photograph and not on another.

`ManifestLine.part` says which part an image shows.
"""

from collections.abc import Iterable, Mapping, Sequence

from defectory.datasets.manifest_line import ManifestLine

FOUND = "found-"  # begins the name of a group that was found here; a number follows
NAMED = 3  # parts that a sentence names


def found_by_likeness(lines: Iterable[ManifestLine]) -> int:
    """How many parts nobody named: photographs that look alike are taken for one."""
    return len({line.group for line in lines if line.group.startswith(FOUND)})


def parts_by_split(lines: Iterable[ManifestLine]) -> dict[str, dict[str, int]]:
    """split -> label -> parts. Augmented copies count for nothing, and a part of two labels for both of them."""
    parts: dict[str, dict[str, set[str]]] = {}
    for line in lines:
        if not line.origin.augmentation:
            parts.setdefault(line.split, {}).setdefault(line.label, set()).add(line.part)
    return {split: {label: len(parts[split][label]) for label in sorted(parts[split])} for split in sorted(parts)}


def label_of_good(card: Mapping[str, object]) -> str:
    """The label of good parts in a dataset, as its card has it; "good" where the card does not say."""
    match card:
        case {"label_mode": "kinds", "source": {"good": str(good)}} if good:
            return good
    return "good"


def mixed_parts(lines: Iterable[ManifestLine], good: str) -> list[str]:
    """Groups of which one photograph is good and another one is not, by name; edited and made images say nothing.

    A photograph of which one tile is defective is defective.
    """
    is_good: dict[str, dict[str, bool]] = {}  # group -> photograph -> whether it is
    for line in lines:
        if line.group and line.is_photograph and not line.origin.augmentation:
            photographs, name = is_good.setdefault(line.group, {}), line.origin.source or line.file.sha256
            photographs[name] = photographs.get(name, True) and line.label == good
    return sorted(group for group, photographs in is_good.items() if len(set(photographs.values())) == 2)


def mixed_in_words(mixed: Sequence[str]) -> str:
    """What it means that such parts have good and defective photographs, in a sentence; empty where there are none."""
    if not mixed:
        return ""
    named = ", ".join(mixed[:NAMED]) + ", …" * (len(mixed) > NAMED)
    one = len(mixed) == 1
    subject = f"{len(mixed)} part{' has' if one else 's have'} good and defective photographs ({named})"
    right = (
        "that is right where a part was photographed from several sides, or before and after it broke, and it stays in "
        "one split"
    )
    if any(group.startswith(FOUND) for group in mixed):
        wrong = "where different parts only look alike, say with --groups CSV which photograph shows which part"
    else:
        wrong = "where the groups that were given are no parts but, say, batches or days, give the parts in their place"
    return f"{subject}: {right}; {wrong}"
