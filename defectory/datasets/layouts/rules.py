"""What holds for every layout: what is never a label, whose mask a file is, what is good; nothing goes in silence."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import PurePosixPath

from defectory.datasets.layouts.mask_file import MaskFile
from defectory.datasets.layouts.names import GOOD, SPLITS, goods_among, is_no_label, plain, spelled
from defectory.datasets.layouts.siblings import Pairing, pair
from defectory.datasets.layouts.source import Choices, Layout, LeftOut, Source, SourceFile
from defectory.datasets.layouts.tree import Tree, is_foreign_picture
from defectory.datasets.splits import SPLIT_NAMES
from defectory.errors import InvalidInput

UNNAMED = "the layout does not name it"
FOREIGN = "a picture in a format that is not read: store it as PNG, JPEG, BMP or TIFF"


def settle(source: Source, layout: Layout, tree: Tree, choices: Choices) -> Source:
    """What a layout's reader listed, with the rules of all layouts applied.

    Raises:
        InvalidInput: a label is the name of a split, a container or of masks; a file may be a mask or a photograph;
            several labels mean a good part, or the one that was named is not there.
    """
    files, unlabelled = _labelled(source.files, choices.good)
    files, respelled = _spelled_alike(files)
    _check_labels(files, choices)
    pairing = _pair(files, source, layout, tree, choices)
    files = _with_masks(files, pairing)
    good = _good(source, files, choices)
    left_out = _left_out(source, tree, files, unlabelled, pairing)
    notes = [*source.notes, *respelled, *_of_folders(files), *pairing.notes, *_of_links(tree), *_of_good(good, choices)]
    if not (choices.keep_splits or layout.fixes_splits):
        notes += _of_splits(files)
        files = [replace(file, split="none") for file in files]
    return replace(
        source,
        files=tuple(sorted(files, key=lambda file: file.path)),
        good=good,
        left_out=left_out,
        notes=tuple(notes),
    )


def _labelled(files: Iterable[SourceFile], good: str) -> tuple[list[SourceFile], list[LeftOut]]:
    """The files with a label, and those whose label says that they have none."""
    labelled, without = [], []
    for file in files:
        label = file.label.strip()
        if is_no_label(label) == "nothing" and label != good:
            without.append(LeftOut(file.path, _unlabelled(label)))
        else:
            labelled.append(file)
    return labelled, without


def _spelled_alike(files: list[SourceFile]) -> tuple[list[SourceFile], list[str]]:
    """Labels that differ only in capitals, spaces, "-" and "_" are one, spelled as it is most often."""
    counts = Counter(file.label for file in files)
    usual = {spelled(label): label for label, _ in sorted(counts.items(), key=lambda item: (item[1], item[0]))}
    others = sorted(label for label in counts if usual[spelled(label)] != label)
    notes = [f"{label!r} ({counts[label]}) is taken for {usual[spelled(label)]!r}" for label in others]
    return [replace(file, label=usual[spelled(file.label)]) for file in files], notes


def _unlabelled(label: str) -> str:
    if not label:
        return "it has no label"
    return f"its label is {label!r}" + (f" (--good {label} if that means no defect)" if plain(label) == "none" else "")


def _check_labels(files: Iterable[SourceFile], choices: Choices) -> None:
    wrong = {label: kind for label in {file.label for file in files} if (kind := is_no_label(label))}
    wrong.pop(choices.good, None)
    if wrong:
        names = ", ".join(f"{label!r} (a {kind}'s name)" for label, kind in sorted(wrong.items()))
        right = "name the layout with --layout, rename the label, or give the folder that holds the classes"
        raise InvalidInput(f"labels would be {names}: {right}", {"layout": right})
    _check_joined({file.label for file in files})


def _check_joined(labels: set[str]) -> None:
    """InvalidInput where a split and a class stand in one name: `train_OK` beside `test_OK`."""
    joined: dict[str, list[str]] = defaultdict(list)  # class -> the labels that are it in some split
    for label in sorted(labels):
        first, _, behind = plain(label).partition("_")
        before, _, last = plain(label).rpartition("_")
        if behind and first in SPLITS:
            joined[behind].append(label)
        elif before and last in SPLITS:
            joined[before].append(label)
    several = next((names for names in joined.values() if len(names) > 1), None)
    if several:
        right = "make folders <split>/<class> of them"
        raise InvalidInput(
            f"labels would be {', '.join(several)}, which name a split and one class: {right}", {"directory": right}
        )


def _pair(files: Iterable[SourceFile], source: Source, layout: Layout, tree: Tree, choices: Choices) -> Pairing:
    photographs = [file.path for file in files]
    masks = {mask.path for file in source.files for mask in file.masks}
    known = {file.path for file in source.files} | masks
    if not layout.any_tree:  # such a layout knows what it leaves out, and why
        known |= {file.path for file in source.left_out}
    return pair(tree.root, photographs, [path for path in tree.pictures() if path not in known], choices)


def _with_masks(files: Iterable[SourceFile], pairing: Pairing) -> list[SourceFile]:
    masks = pairing.paired | pairing.lonely.keys()
    return [
        replace(file, masks=(*file.masks, *(MaskFile(path) for path in pairing.masks.get(file.path, ()))))
        for file in files
        if file.path not in masks
    ]


def _good(source: Source, files: Iterable[SourceFile], choices: Choices) -> str:
    labels = {file.label for file in files}
    if choices.good:
        alike = [label for label in labels if spelled(label) == spelled(choices.good)]
        if not alike:
            right = f"use one of {', '.join(sorted(labels))}"
            raise InvalidInput(f"no photograph is labelled {choices.good!r}: {right}", {"good": right})
        return alike[0]
    if source.good:
        return source.good
    proposed = goods_among(labels)
    if len(proposed) > 1:
        right = f"choose one with --good: {', '.join(proposed)}"
        raise InvalidInput(f"several labels can mean a part without defect: {right}", {"good": right})
    return proposed[0] if proposed else ""


def _left_out(
    source: Source, tree: Tree, files: Iterable[SourceFile], unlabelled: Iterable[LeftOut], pairing: Pairing
) -> tuple[LeftOut, ...]:
    """Every picture that is neither among the files nor a mask, with one reason each."""
    used = {file.path for file in files} | {mask.path for file in files for mask in file.masks}
    reasons = dict.fromkeys(tree.pictures(), UNNAMED)
    reasons |= {path: FOREIGN for path in tree.files if is_foreign_picture(path)}
    reasons |= dict(tree.lost)
    reasons |= {file.path: file.reason for file in (*source.left_out, *unlabelled)}
    reasons |= pairing.lonely
    return tuple(LeftOut(path, reason) for path, reason in sorted(reasons.items()) if path not in used)


def _of_folders(files: Iterable[SourceFile]) -> list[str]:
    """Photographs that lie in a folder that is called after another label than theirs."""
    files = list(files)
    words = {_meaning(file.label) for file in files} | {GOOD[0]}
    others = []
    for file in files:
        named = {_meaning(folder) for folder in PurePosixPath(file.path).parts[:-1]} & words
        if named and _meaning(file.label) not in named:
            others.append(file)
    if not others:
        return []
    first = f"{others[0].path} is labelled {others[0].label}"
    return [f"{len(others)} photographs lie in a folder that is called after another label, e.g. {first}"]


def _meaning(name: str) -> str:
    """One word for all that mean a good part; else the name, however it is spelled."""
    return GOOD[0] if plain(name) in GOOD else spelled(name)


def _of_splits(files: Iterable[SourceFile]) -> list[str]:
    counts = Counter(file.split for file in files)
    if not counts.keys() - {"none"}:
        return []
    splits = ", ".join(f"{split} {counts[split]}" for split in SPLIT_NAMES if counts[split])
    return [f"the folder's own splits ({splits}) are one pool, split anew by group; --keep-splits keeps them"]


def _of_links(tree: Tree) -> list[str]:
    if not tree.links:
        return []
    return [f"{len(tree.links)} links were followed, e.g. {tree.links[0]} to {(tree.root / tree.links[0]).resolve()}"]


def _of_good(good: str, choices: Choices) -> list[str]:
    if good == "0" and not choices.good:
        return ["the label 0 is taken for good parts and 1 for defects; --good 1 says that it is the other way round"]
    return []
