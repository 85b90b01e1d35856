"""Files that are another's mask: by their name, by the folder they lie in, by what they hold."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TypeVar

from defectory.datasets.layouts.look import Look, look_at
from defectory.datasets.layouts.names import ANNOTATIONS, is_no_label, masks_for, plain, split_of
from defectory.datasets.layouts.source import Choices
from defectory.errors import InvalidInput

LONELY = "a mask of which no photograph is there"
AMBIGUOUS = "a mask whose name several photographs have"
NOT_WANTED = "it lies in a folder of masks"
_WORDS = r"(?:mask|masks|label|labels|gt|groundtruth|ground_truth|seg|segmentation|anno|annotation)"
_BEHIND = re.compile(rf"(?P<stem>.+?)[ _.\-(]+{_WORDS}(?:[ _.\-]?\d+)?\)?", re.IGNORECASE)
_BEFORE = re.compile(rf"{_WORDS}[ _.\-]+(?P<stem>.+)", re.IGNORECASE)
_SAMPLE = 5  # files of a kind that are opened, spread evenly
_IN_A_FOLDER = 3
_FOLDERS = 100  # folders that are looked into, spread evenly
_LOSSY = frozenset({".jpg", ".jpeg", ".jpe", ".jfif"})
T = TypeVar("T")


@dataclass
class Pairing:
    """Which files are masks, and of which photographs.

    Attributes:
        masks: photograph -> its masks.
        lonely: masks that belong to no photograph, and why they are left out.
        notes: what was decided by content, for a person to check.
    """

    masks: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    lonely: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def paired(self) -> set[str]:
        """Every mask that has a photograph."""
        return {mask for masks in self.masks.values() for mask in masks}


def pair(root: Path, photographs: Sequence[str], others: Sequence[str], choices: Choices) -> Pairing:
    """Find the masks among photographs and other pictures of a folder.

    Args:
        photographs: paths that a layout takes for photographs, relative to the root.
        others: pictures that it says nothing of.

    Raises:
        InvalidInput: a file may be a mask or a photograph, and nothing was chosen.
    """
    pairing = Pairing()
    _by_folder(pairing, photographs, others, choices)
    if choices.masks == "none":
        return pairing
    seen = _Seen(root)
    _by_name(pairing, photographs, _left(pairing, others), choices, seen)
    _by_ending(pairing, _left(pairing, photographs), _left(pairing, others), choices, seen)
    _by_content(pairing, _left(pairing, photographs), _left(pairing, others), choices, seen)
    return pairing


def mask_of(stem: str) -> str:
    """The stem of the photograph whose mask a file is by its name ("x" for "x_mask", "x_GT", "mask_x"); "": none."""
    match = _BEHIND.fullmatch(stem) or _BEFORE.fullmatch(stem)
    return match["stem"] if match else ""


def _in_masks(path: str) -> bool:
    """Whether a picture that is no photograph lies in a folder of masks, or of labels: there it is a mask."""
    folders = PurePosixPath(path).parts[:-1]
    return any(is_no_label(x) == "mask" or masks_for(x) or plain(x) in ANNOTATIONS for x in folders)


class _Seen:
    """Files that were looked at, once each."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._looks: dict[str, Look | None] = {}

    def __call__(self, path: str) -> Look | None:
        if path not in self._looks:
            self._looks[path] = look_at(self.root / path)
        return self._looks[path]

    def known(self, path: str) -> Look | None:
        """What was seen of a file, if it was looked at."""
        return self._looks.get(path)


def _left(pairing: Pairing, paths: Iterable[str]) -> list[str]:
    masks = pairing.paired | pairing.lonely.keys()
    return [path for path in paths if path not in masks]


def _by_folder(pairing: Pairing, photographs: Sequence[str], others: Sequence[str], choices: Choices) -> None:
    """Pictures in folders of masks: the photograph has the same name, in a folder that is called alike."""
    masks = [path for path in others if _in_masks(path)]
    if choices.masks == "none":
        pairing.lonely.update(dict.fromkeys(masks, NOT_WANTED))
        return
    known = [_places(photographs, key) for key in (_with_splits, _without_splits, _stem_alone)] if masks else []
    for mask in masks:
        stem, parent = PurePosixPath(mask).stem, PurePosixPath(mask).parent
        names = [str(parent / stem), str(parent / (mask_of(stem) or stem)), str(parent)]  # the last: <stem>/000.png
        keys = (_with_splits, _without_splits, _stem_alone)
        places = [(name, index.get(key(name), [])) for index, key in zip(known, keys, strict=True) for name in names]
        target = next((one[0] for name, one in places if len(one) == 1 and _fits(name, one[0])), "")
        if target:
            pairing.masks[target].append(mask)
        else:
            pairing.lonely[mask] = AMBIGUOUS if any(len(several) > 1 for _, several in places) else LONELY


def _places(paths: Iterable[str], key: Callable[[str], tuple[str, ...]]) -> dict[tuple[str, ...], list[str]]:
    places: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for path in paths:
        places[key(str(PurePosixPath(path).with_suffix("")))].append(path)
    return places


def _fits(mask: str, photograph: str) -> bool:
    """Whether every class folder of a mask is the photograph's, too."""
    return set(_without_splits(mask)[:-1]) <= set(PurePosixPath(photograph).parts[:-1])


def _with_splits(path: str) -> tuple[str, ...]:
    *folders, name = PurePosixPath(path).parts
    kept = (masks_for(x) or x for x in folders if is_no_label(x) not in ("mask", "container"))
    return (*kept, name)


def _without_splits(path: str) -> tuple[str, ...]:
    *folders, name = _with_splits(path)
    return (*(folder for folder in folders if not split_of(folder)), name)


def _stem_alone(path: str) -> tuple[str, ...]:
    return (PurePosixPath(path).name,)


def _by_name(
    pairing: Pairing, photographs: Sequence[str], others: Sequence[str], choices: Choices, seen: _Seen
) -> None:
    """`x_mask.png` beside `x.jpg`."""
    beside: dict[tuple[str, str], str] = {}
    for path in photographs:
        pure = PurePosixPath(path)
        beside.setdefault((str(pure.parent), pure.stem), path)
    named: dict[str, str] = {}  # mask -> photograph
    for path in (*photographs, *others):
        pure = PurePosixPath(path)
        stem = mask_of(pure.stem)
        while stem and (target := beside.get((str(pure.parent), stem))):
            named[path] = target
            stem = mask_of(stem)  # the mask of a mask is the photograph's
    if choices.masks == "auto":
        for mask in _spread(list(named)):
            if (look := seen(mask)) and look.kind == "photograph":
                raise _doubt(f"{mask} is called like a mask of {named[mask]} and looks like a photograph")
    for mask, photograph in named.items():
        pairing.masks[photograph].append(mask)


def _by_ending(
    pairing: Pairing, photographs: Sequence[str], others: Sequence[str], choices: Choices, seen: _Seen
) -> None:
    """`x.png` beside `x.jpg`: which of the two is a mask is seen in some of them."""
    known = set(photographs)
    beside: dict[str, list[str]] = defaultdict(list)
    for path in (*photographs, *others):
        beside[str(PurePosixPath(path).with_suffix(""))].append(path)
    kinds: dict[tuple[str, ...], list[list[str]]] = defaultdict(list)  # (folder, endings) -> files of one name
    for stem, paths in beside.items():
        if len(paths) > 1 and known & set(paths):
            parent = str(PurePosixPath(stem).parent)
            kinds[(parent, *(PurePosixPath(path).suffix for path in sorted(paths)))].append(sorted(paths))
    for alike in kinds.values():
        sample = _spread(alike)
        # Which of the files of one name are masks in every one of the sample.
        masks = [n for n in range(len(alike[0])) if _are_masks([seen(paths[n]) for paths in sample])]
        if not masks and choices.masks == "auto" and all(_are_photographs(paths, seen) for paths in sample):
            continue
        if len(masks) != len(alike[0]) - 1 and choices.masks == "all":
            masks = [n for n, path in enumerate(alike[0]) if PurePosixPath(path).suffix.lower() not in _LOSSY]
        photograph = set(range(len(alike[0]))) - set(masks)
        if len(photograph) != 1:
            names = " and ".join(alike[0])
            raise _doubt(f"{names} have one name, and which of them is the mask of the other is not seen")
        for paths in alike:
            pairing.masks[paths[photograph.copy().pop()]] += [paths[n] for n in masks]


def _by_content(
    pairing: Pairing, photographs: Sequence[str], others: Sequence[str], choices: Choices, seen: _Seen
) -> None:
    """Folders of files with two values, or black all over, beside folders of photographs."""
    folders: dict[str, list[str]] = defaultdict(list)
    for path in photographs:
        folders[str(PurePosixPath(path).parent)].append(path)
    looks = {
        folder: [look for path in _spread(folders[folder], _IN_A_FOLDER) if (look := seen(path))]
        for folder in _spread(list(folders), _FOLDERS)
    }
    is_photograph = (look.kind == "photograph" for of_folder in looks.values() for look in of_folder)
    if not any(is_photograph) and not any(_is_photograph(path, seen) for path in _spread(others)):
        _all_flat(pairing, photographs, choices, seen)
        return
    dark = [folder for folder, of_folder in looks.items() if of_folder and {x.kind for x in of_folder} == {"blank"}]
    if dark and choices.masks == "auto":
        raise _doubt(
            f"the files of {dark[0]} ({len(folders[dark[0]])}) are black all over, as masks of good parts are, e.g."
            f" {folders[dark[0]][0]}"
        )
    flat = [folder for folder, of_folder in looks.items() if _are_masks(of_folder) or folder in dark]
    real = [path for folder, paths in folders.items() if folder not in flat for path in paths]
    by_stem = _places(real, _stem_alone)
    for folder in flat:
        targets = {mask: _nearest(mask, by_stem) for mask in folders[folder]}
        pairs = {mask: target for mask, target in targets.items() if target and _same_size(mask, target, seen)}
        if len(pairs) * 2 < len(targets) and choices.masks == "auto":
            raise _doubt(
                f"the files of {folder} ({len(targets)}) hold few values, as masks do, e.g. {folders[folder][0]}"
            )
        for mask, target in pairs.items():
            pairing.masks[target].append(mask)
        pairing.lonely.update({mask: LONELY for mask in targets if mask not in pairs})
        example = next(iter(pairs.items()), None)
        pairing.notes.append(
            f"the files of {folder} ({len(targets)}) are masks by what they hold"
            + (f", e.g. {example[0]} that of {example[1]}" if example else "")
        )
    for folder in looks.keys() - set(flat):
        _mixed(pairing, folders[folder], looks[folder], choices, seen)


def _all_flat(pairing: Pairing, photographs: Sequence[str], choices: Choices, seen: _Seen) -> None:
    """No photograph is seen: thresholded ones, or the masks of a data set that were given without their photographs."""
    if not any(look for path in _spread(photographs) if (look := seen(path))):
        return
    what = f"all files that were looked at hold few values, as masks do, e.g. {photographs[0]}"
    named = mask_of(PurePosixPath(photographs[0]).stem) or is_no_label(seen.root.absolute().name) == "mask"
    if named and choices.masks == "auto":
        raise _doubt(f"{what}, and are called like masks; give the folder of their photographs, or")
    if named:
        pairing.lonely.update(dict.fromkeys(photographs, LONELY))
    else:
        pairing.notes.append(what)


def _mixed(pairing: Pairing, paths: Sequence[str], looks: Sequence[Look], choices: Choices, seen: _Seen) -> None:
    """Files of two values among photographs, with names that say nothing."""
    kinds = {look.kind for look in looks}
    if not {"mask", "photograph"} <= kinds:
        return
    masks = [path for path in paths if (look := seen(path)) and look.kind == "mask"]
    if choices.masks == "auto":
        raise _doubt(f"files among photographs ({len(masks)}) hold few values, as masks do, e.g. {masks[0]}")
    pairing.lonely.update(dict.fromkeys(masks, LONELY))


def _are_masks(looks: Sequence[Look | None]) -> bool:
    kinds = {look.kind for look in looks if look}
    return "mask" in kinds and "photograph" not in kinds


def _nearest(mask: str, by_stem: dict[tuple[str, ...], list[str]]) -> str:
    """The photograph of a mask's name that lies nearest to it; "" where there is none or no nearest one."""
    pure = PurePosixPath(mask)
    targets = by_stem.get((pure.stem,)) or by_stem.get((mask_of(pure.stem),)) or []
    shared = {target: _shared(pure.parts[:-1], PurePosixPath(target).parts[:-1]) for target in targets}
    nearest = [target for target, count in shared.items() if count == max(shared.values())]
    return nearest[0] if len(nearest) == 1 else ""


def _shared(one: Sequence[str], other: Sequence[str]) -> int:
    """How many folders two paths share: above, and by name."""
    above = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return above + len(set(one[above:]) & set(other[above:]))


def _is_photograph(path: str, seen: _Seen) -> bool:
    look = seen(path)
    return look is not None and look.kind == "photograph"


def _are_photographs(paths: Sequence[str], seen: _Seen) -> bool:
    """Whether files of one name all look like photographs, and each is of a size of its own, which no mask is."""
    looks = [look for path in paths if (look := seen(path))]
    return all(look.kind == "photograph" for look in looks) and len({look.size for look in looks}) == len(paths)


def _same_size(mask: str, photograph: str, seen: _Seen) -> bool:
    """Whether both have one size, as far as they were looked at; those that were not are held to it when read."""
    look = seen.known(mask)
    other = seen(photograph) if look else None
    return not look or not other or look.size == other.size


def _spread(items: Sequence[T], most: int = _SAMPLE) -> list[T]:
    """At most so many of a sequence, spread evenly."""
    if len(items) <= most:
        return list(items)
    return [items[n * (len(items) - 1) // (most - 1)] for n in range(most)]


def _doubt(what: str) -> InvalidInput:
    right = "--masks all takes such files as masks where it can, --masks none as photographs"
    return InvalidInput(f"{what}: {right}", {"masks": right})
