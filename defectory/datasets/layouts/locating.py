"""From the name that a table or tool gives a picture to the file of the tree."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import PurePosixPath, PureWindowsPath

from defectory.datasets.layouts.tree import Tree
from defectory.errors import InvalidInput


class Pictures:
    """The picture files of a tree, to be looked up by the names that others have for them.

    A name fits a file when one is the tail of the other: "images/1.png" is `Data/images/1.png`, and
    "pcb1/Data/images/1.png" is `Data/images/1.png` in the folder pcb1. A part of both is not enough.
    """

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._by_name: dict[str, list[str]] = defaultdict(list)
        for path in tree.pictures():
            self._by_name[PurePosixPath(path).name].append(path)

    def find(self, name: str, where: str, folders: Sequence[str] = ()) -> str:
        """The file that a name means, relative to the root; "" where there is none.

        Args:
            name: with '/' or '\\\\' between folders.
            where: it stands, for the message.
            folders: to look in first, relative to the root.

        Raises:
            InvalidInput: the name fits several files.
        """
        wanted = "/".join(piece for piece in PureWindowsPath(name).parts if piece not in ("\\", "/", ".", ".."))
        if not wanted:
            return ""
        for folder in (*folders, ""):
            path = f"{folder}/{wanted}" if folder else wanted
            if self._tree.has(path):
                return path
        fitting = [path for path in self._by_name[PurePosixPath(wanted).name] if _is_tail(wanted, path)]
        if len(fitting) > 1:
            raise InvalidInput(
                f"{where}: {name} may be {' or '.join(fitting[:3])}; give its path from {self._tree.root.name}"
            )
        return fitting[0] if fitting else ""


def _is_tail(one: str, other: str) -> bool:
    longer, shorter = (one, other) if len(one) > len(other) else (other, one)
    return f"/{longer}".endswith(f"/{shorter}")
