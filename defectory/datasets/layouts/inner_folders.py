"""Class folders in folders of something else: `<line>/<class>/x.png`."""

from collections import defaultdict

from defectory.datasets.layouts.class_path import ClassPath, by_class, class_paths
from defectory.datasets.layouts.names import goods_among, spelled
from defectory.datasets.layouts.source import Choices, Layout, Source
from defectory.datasets.layouts.tree import Tree


def _recognise(tree: Tree) -> str:
    """Whether the inner folders can be the classes as well as the outer ones."""
    paths = [path for path in class_paths(tree) if path.is_photograph and path.classes]
    holders: dict[str, set[str]] = defaultdict(set)  # inner folder -> outer folders that hold it
    for path in paths:
        if len(path.classes) > 1:
            holders[path.classes[-1]].add(path.classes[0])
    outer = {path.classes[0] for path in paths}
    again = [inner for inner in sorted(holders) if _is_class_outside(inner, holders[inner], outer)]
    if again:
        holding = sorted(holders[again[0]] - {again[0]})
        return f"{', '.join(holding[:3])} hold{'s' if len(holding) == 1 else ''} the folder of a class, {again[0]}"
    shared = {inner for inner, holding in holders.items() if len(holding) > 1}
    good_outside = goods_among(outer)
    if not good_outside and (len(outer) == 1 or goods_among(set(holders))):
        inner = set(holders)
    elif not good_outside or goods_among(shared) or any(_holds_a_split(path) for path in paths):
        inner = shared
    else:
        inner = set()
    if len(inner) < 2:
        return ""
    some = ", ".join(sorted(outer)[:3]) + (", …" if len(outer) > 3 else "")
    return f"{some} hold{'s' if len(outer) == 1 else ''} folders of their own, {', '.join(sorted(inner)[:5])}"


def _is_class_outside(inner: str, holding: set[str], outer: set[str]) -> bool:
    """`augmented/hole` beside `hole`, `old/ok` beside `good`: outside, the folder's name is that of a class."""
    others = {folder for folder in holding if spelled(folder) != spelled(inner)}
    if goods_among({inner}) and goods_among(outer):
        return bool(others - set(goods_among(outer)))
    return bool(others) and spelled(inner) in {spelled(folder) for folder in outer}


def _holds_a_split(path: ClassPath) -> bool:
    """`bottle/train/good`: a split between two folders that can be classes."""
    named = [kind for kind in path.kinds if kind in ("", "split")]
    return "split" in named[1:-1] and named[0] == named[-1] == ""


def _read(tree: Tree, choices: Choices) -> Source:
    paths = class_paths(tree, choices.good)
    files, left_out = by_class(paths, "innermost", in_splits=any(path.in_split for path in paths))
    return Source(tree.root, INNER_FOLDERS.name, files, left_out=left_out)


INNER_FOLDERS = Layout(
    name="inner-folders",
    on_disk="`<line>/<class>/x.png`",
    recognised_by="only where it is asked for: where inner folders can be the classes, both readings are listed",
    label="the innermost folder that is no split, container or place of masks",
    split="the split's folder, where there is one",
    mask="by name, folder or content",
    group="found",
    described_in="this page",
    recognise=_recognise,
    read=_read,
    any_tree=True,
)
