"""Datumaro's own format: `annotations/<subset>.json`, `images/<subset>/x.jpg`."""

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from defectory.datasets.layouts.entries import Entry, pool
from defectory.datasets.layouts.json_file import is_like, json_files, read_json
from defectory.datasets.layouts.locating import Pictures
from defectory.datasets.layouts.names import SPLITS
from defectory.datasets.layouts.polygons import Outline
from defectory.datasets.layouts.source import Choices, Layout, Source
from defectory.datasets.layouts.tree import Tree
from defectory.datasets.layouts.written import written_by


def _files(tree: Tree) -> list[str]:
    return [path for path in json_files(tree, depth=1) if is_like(tree, path, "dm_format_version", "items")]


def _recognise(tree: Tree) -> str:
    files = _files(tree)
    return f"{', '.join(files[:3])} {'is' if len(files) == 1 else 'are'} Datumaro's" if files else ""


def _read(tree: Tree, choices: Choices) -> Source:
    files = _files(tree)
    if tree.named and tree.root.name == "annotations":  # the pictures lie beside this folder
        files = [f"annotations/{name}" for name in files]
        tree = Tree.of(tree.root.absolute().parent)
    pictures = Pictures(tree)
    read = pool([entry for name in files for entry in _entries(tree, name, pictures)], choices)
    return Source(tree.root, DATUMARO.name, read.files, left_out=read.left_out, notes=read.notes)


def _entries(tree: Tree, name: str, pictures: Pictures) -> Iterator[Entry]:
    content = read_json(tree, name)
    subset = PurePosixPath(name).stem
    split = SPLITS.get(subset.lower(), "none")
    with written_by("Datumaro", name):
        names = [str(label["name"]) for label in content["categories"]["label"]["labels"]]
        for item in content["items"]:
            given = str((item.get("image") or {}).get("path") or item["id"])
            path = pictures.find(given, f"{name}, item {item['id']}", (f"images/{subset}", "images"))
            height, width = (item.get("image") or {}).get("size") or (0, 0)
            # A label of the whole picture comes before those of its parts.
            said = sorted(item["annotations"], key=lambda annotation: annotation["type"] != "label")
            labels = dict.fromkeys(names[one["label_id"]] for one in said if one.get("label_id") is not None)
            outlines = [Outline(name, drawn, (width, height)) for one in said if (drawn := _segmentation(one))]
            yield Entry(path or given, tuple(labels), split, masks=tuple(outlines), is_there=bool(path))


def _segmentation(annotation: Mapping[str, Any]) -> Any:
    """A polygon or mask as COCO has it; None for what has no outline."""
    if annotation["type"] == "polygon":
        return [annotation["points"]]
    return annotation["rle"] if annotation["type"] == "mask" else None


DATUMARO = Layout(
    name="datumaro",
    on_disk="`annotations/<subset>.json`, `images/<subset>/x.jpg`",
    recognised_by="JSON files with `dm_format_version` and `items`",
    label="the `label`, else those of polygons and masks; several: the first, all are kept as kinds; none: left out",
    split="the subset's name",
    mask="polygons and masks",
    group="found",
    described_in="files written by datumaro 1.13.12",
    recognise=_recognise,
    read=_read,
)
