"""How data sets lie on disk: one module a layout, and the choice among them."""

from pathlib import Path

from defectory.datasets.layouts.folders import FOLDERS
from defectory.datasets.layouts.mvtec import MVTEC
from defectory.datasets.layouts.source import Choices, Layout, Source
from defectory.datasets.layouts.table import TABLE
from defectory.datasets.layouts.tree import Tree
from defectory.errors import InvalidInput

LAYOUTS: tuple[Layout, ...] = (MVTEC, TABLE, FOLDERS)  # a new one is a module and its name here


def read_source(path: Path, choices: Choices = Choices()) -> Source:  # noqa: B008 -- frozen
    """Recognise how the pictures at a path are laid out, and list them.

    Raises:
        NotFound: there is nothing at the path.
        InvalidInput: no layout fits, or several do and none was chosen, or what the layout needs is wrong or missing.
    """
    tree = Tree.of(path)
    layout, reason = _choose(tree, choices.layout)
    source = layout.read(tree, choices)
    if not source.files:
        raise InvalidInput(
            f"{path} holds no images: it was read as {layout.name} because {reason}; use class folders, an MVTec AD"
            " category (train/good, test/<kind>) or a CSV file with the columns image and label"
        )
    return source


def _choose(tree: Tree, name: str) -> tuple[Layout, str]:
    """The layout to read a tree by, and why."""
    by_name = {layout.name: layout for layout in LAYOUTS}
    if name and name not in by_name:
        right = f"use one of {', '.join(sorted(by_name))}"
        raise InvalidInput(f"there is no layout {name!r}; {right}", {"layout": right})
    if name:
        return by_name[name], "it was asked for"
    reasons = {layout: reason for layout in LAYOUTS if (reason := layout.recognise(tree))}
    refined = {other for layout in reasons for other in layout.refines}
    plausible = {layout: reason for layout, reason in reasons.items() if layout.name not in refined}
    if not plausible:
        raise InvalidInput(f"{tree.root} holds no images: it has no folders and no table with columns image and label")
    if len(plausible) > 1:
        readings = "; ".join(f"--layout {layout.name}: {reason}" for layout, reason in plausible.items())
        raise InvalidInput(f"{tree.root} can be read in several ways: {readings}. Choose one", {"layout": readings})
    return next(iter(plausible.items()))
