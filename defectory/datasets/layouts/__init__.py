"""How data sets lie on disk: one module a layout, and the choice among them."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

from defectory.alike import one_of
from defectory.datasets.layouts.btad import BTAD
from defectory.datasets.layouts.coco import COCO
from defectory.datasets.layouts.cvat import CVAT
from defectory.datasets.layouts.dagm import DAGM
from defectory.datasets.layouts.datumaro import DATUMARO
from defectory.datasets.layouts.fiftyone import FIFTYONE
from defectory.datasets.layouts.folders import FOLDERS
from defectory.datasets.layouts.imagenet_lists import IMAGENET_LISTS
from defectory.datasets.layouts.inner_folders import INNER_FOLDERS
from defectory.datasets.layouts.kolektor import KOLEKTOR
from defectory.datasets.layouts.kolektor2 import KOLEKTOR2
from defectory.datasets.layouts.label_studio import LABEL_STUDIO
from defectory.datasets.layouts.magnetic_tile import MAGNETIC_TILE
from defectory.datasets.layouts.mvtec import MVTEC
from defectory.datasets.layouts.mvtec2 import MVTEC2
from defectory.datasets.layouts.names import is_no_label, split_of
from defectory.datasets.layouts.neu import NEU
from defectory.datasets.layouts.realiad import REALIAD
from defectory.datasets.layouts.roboflow import ROBOFLOW
from defectory.datasets.layouts.rules import settle
from defectory.datasets.layouts.severstal import SEVERSTAL
from defectory.datasets.layouts.source import Choices, Layout, Source
from defectory.datasets.layouts.split_folders import SPLIT_FOLDERS
from defectory.datasets.layouts.table import TABLE
from defectory.datasets.layouts.tree import Tree, is_picture
from defectory.datasets.layouts.unrecognised import unread, unrecognised
from defectory.datasets.layouts.visa import VISA
from defectory.errors import InvalidInput

USUAL_SPLITS = ("train", "validation", "val", "test")  # as folders are called
LAYOUTS: tuple[Layout, ...] = (  # a new one is a module and its name here; the particular ones first
    MVTEC, MVTEC2, BTAD, VISA, KOLEKTOR, KOLEKTOR2, MAGNETIC_TILE, DAGM, NEU, SEVERSTAL, REALIAD,
    COCO, DATUMARO, CVAT, IMAGENET_LISTS, LABEL_STUDIO, ROBOFLOW, FIFTYONE, TABLE,
    SPLIT_FOLDERS, FOLDERS, INNER_FOLDERS,
)  # fmt: skip


def read_source(path: Path, choices: Choices = Choices()) -> Source:  # noqa: B008 -- frozen
    """Recognise how the pictures at a path are laid out, and list them.

    Raises:
        NotFound: there is nothing at the path.
        InvalidInput: no layout fits, or several do and none was chosen, or what the layout needs is wrong or missing.
    """
    tree = Tree.of(path)
    layout, reason = _choose(tree, choices.layout)
    source = replace(layout.read(tree, choices), reason=reason)
    if source.root != tree.root:  # the layout's pictures lie beside the folder that was given, not in it
        tree = Tree.of(source.root)
    if layout.any_tree:
        source = replace(source, notes=(*source.notes, *unread(tree)))
    source = settle(source, layout, tree, choices)
    if not source.files:
        kinds = Counter(file.reason for file in source.left_out)
        left_out = "; ".join(f"{count} files: {kind}" for kind, count in kinds.most_common(5)) or "it is empty"
        raise InvalidInput(
            f"{path} holds no images with a label. It was read as {layout.name} because {reason}, and all was left out"
            f" ({left_out})",
            {"directory": left_out},
        )
    return source


def _choose(tree: Tree, name: str) -> tuple[Layout, str]:
    """The layout to read a tree by, and why."""
    by_name = {layout.name: layout for layout in LAYOUTS}
    if name and name not in by_name:
        right = one_of(name, sorted(by_name))
        raise InvalidInput(f"there is no layout {name!r}; {right}", {"layout": right})
    if name:
        return by_name[name], "it was asked for"
    plausible = _plausible(tree)
    if not plausible:
        raise unrecognised(tree)
    if all(layout.any_tree for layout in plausible):
        _check_level(tree)
    if len(plausible) > 1:
        readings = "; ".join(f"--layout {layout.name}: {reason}" for layout, reason in plausible.items())
        raise InvalidInput(
            f"{tree.root} can be read in several ways: {readings}. Choose one{_mistyped(tree)}", {"layout": readings}
        )
    return next(iter(plausible.items()))


def _mistyped(tree: Tree) -> str:
    """Which folder may be meant to be that of a split; empty where none is called alike."""
    folders = sorted({path.partition("/")[0] for path in tree.files if "/" in path})
    unknown = [folder for folder in folders if split_of(folder) is None]
    meant = {folder: get_close_matches(folder.lower(), USUAL_SPLITS, 1) for folder in unknown}
    return "".join(f"; or is {folder} to be called {like[0]}?" for folder, like in meant.items() if like)


def _plausible(tree: Tree) -> Mapping[Layout, str]:
    """Every layout that a tree can be read by, and why; those that give way to another are left out."""
    reasons = {layout: reason for layout in LAYOUTS if (reason := layout.recognise(tree))}
    refined = {other for layout in reasons for other in layout.refines}
    particular = any(not layout.any_tree for layout in reasons)
    return {
        layout: reason
        for layout, reason in reasons.items()
        if layout.name not in refined and not (particular and layout.any_tree)
    }


def _check_level(tree: Tree) -> None:
    """InvalidInput where the folders of a tree are data sets of their own: the folder above them was given."""
    inner: dict[str, list[str]] = defaultdict(list)
    for file in tree.files:
        folder, _, rest = file.partition("/")
        if rest and not is_no_label(folder):  # images and masks are one data set's
            inner[folder].append(rest)
    inner = {folder: files for folder, files in inner.items() if any(map(is_picture, files))}
    layouts = {
        folder: layout
        for folder, files in inner.items()
        for layout in _plausible(Tree(tree.root / folder, tuple(files)))
        if not layout.any_tree or layout.name == SPLIT_FOLDERS.name
    }
    if layouts and len(layouts) * 2 >= len(inner):
        folder, layout = min(layouts.items())
        right = f"give one of them, e.g. {tree.root / folder}"
        raise InvalidInput(
            f"{tree.root} holds data sets of their own ({layout.name}): {', '.join(sorted(layouts)[:5])}; {right}",
            {"directory": right},
        )
