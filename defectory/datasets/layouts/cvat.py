"""CVAT's XML: `<image name=…><tag label=…/></image>`, with outlines."""

from collections.abc import Iterator
from pathlib import PurePosixPath
from xml.etree import ElementTree

import numpy as np

from defectory.datasets.layouts.entries import Entry, pool
from defectory.datasets.layouts.locating import Pictures
from defectory.datasets.layouts.names import SPLITS
from defectory.datasets.layouts.polygons import Outline, ellipse
from defectory.datasets.layouts.source import Choices, Layout, Source
from defectory.datasets.layouts.tree import Tree
from defectory.datasets.layouts.written import written_by
from defectory.datasets.layouts.xml_file import read_xml
from defectory.imaging import MAX_PIXELS

_PARTS = ("polygon", "mask", "box", "polyline", "points", "ellipse", "cuboid")


def _files(tree: Tree) -> list[str]:
    near = [tree.named] if tree.named else [path for path in tree.files if path.count("/") <= 1]
    return [path for path in near if path.lower().endswith(".xml") and _is_export(tree, path)]


def _is_export(tree: Tree, path: str) -> bool:
    with (tree.root / path).open("rb") as file:
        start = file.read(4096)
    return b"<annotations>" in start and b"<meta>" in start


def _recognise(tree: Tree) -> str:
    files = _files(tree)
    return f"{', '.join(files[:3])} {'is' if len(files) == 1 else 'are'} CVAT's XML" if files else ""


def _read(tree: Tree, choices: Choices) -> Source:
    pictures = Pictures(tree)
    read = pool([entry for name in _files(tree) for entry in _entries(tree, name, pictures)], choices)
    return Source(tree.root, CVAT.name, read.files, left_out=read.left_out, notes=read.notes)


def _entries(tree: Tree, name: str, pictures: Pictures) -> Iterator[Entry]:
    with written_by("CVAT", name):
        for image in read_xml(tree, name).iter("image"):
            given = image.attrib["name"]
            path = pictures.find(given, f"{name}, image {image.get('id', given)}", ("images",))
            size = (int(image.get("width", 0)), int(image.get("height", 0)))
            subset = image.get("subset", PurePosixPath(name).stem)
            # A tag is about the whole picture and comes before its parts.
            parts = [part for part in image if part.tag in _PARTS]
            labels = dict.fromkeys(part.attrib["label"] for part in [*image.iter("tag"), *parts])
            outlines = [Outline(name, drawn, size) for part in parts if (drawn := _segmentation(part, size))]
            split = SPLITS.get(subset.lower(), "none")
            yield Entry(path or given, tuple(labels), split, masks=tuple(outlines), is_there=bool(path))


def _segmentation(part: ElementTree.Element, size: tuple[int, int]) -> object:
    """A polygon, ellipse or mask as COCO has it; None for what has no outline."""
    if part.tag == "polygon":
        return [[float(value) for point in part.attrib["points"].split(";") for value in point.split(",")]]
    if part.tag == "ellipse":
        x, y, along_x, along_y = (float(part.attrib[name]) for name in ("cx", "cy", "rx", "ry"))
        return [ellipse((x, y), (along_x, along_y), float(part.get("rotation", 0)))]
    if part.tag != "mask":
        return None
    # CVAT's run lengths go along the rows of a rectangle; COCO's go down the columns of the picture.
    width, height = int(part.attrib["width"]), int(part.attrib["height"])
    left, top = int(part.attrib["left"]), int(part.attrib["top"])
    runs = [int(run) for run in part.attrib["rle"].split(",")]
    if size[0] * size[1] > MAX_PIXELS:
        raise ValueError(f"its picture has {size[0]}x{size[1]} pixels, more than the {MAX_PIXELS} allowed")
    if sum(runs) != width * height or left < 0 or top < 0 or left + width > size[0] or top + height > size[1]:
        raise ValueError(f"a mask of {width}x{height} at {left}, {top} does not fit its picture or its run lengths")
    pixels = np.repeat(np.arange(len(runs)) % 2, runs).reshape(height, width)
    whole = np.zeros((size[1], size[0]), np.uint8)
    whole[top : top + height, left : left + width] = pixels
    down = whole.ravel(order="F")
    edges = np.flatnonzero(np.diff(down)) + 1
    counts = np.diff(np.concatenate([[0], edges, [down.size]])).tolist()
    return {"size": [size[1], size[0]], "counts": [0, *counts] if down.size and down[0] else counts}


CVAT = Layout(
    name="cvat",
    on_disk="`annotations.xml` or `<subset>.xml`, `images/x.jpg` (its ImageNet export: `folders`, `imagenet-lists`)",
    recognised_by="XML with `<annotations>` and `<meta>`",
    label="the tag, else the labels of its parts; several: the first, all are kept as kinds; none: left out",
    split="the subset",
    mask="polygons, ellipses and masks; a box makes none",
    group="found",
    described_in="CVAT's manual, XML 1.1 for images; files of datumaro 1.13.12",
    recognise=_recognise,
    read=_read,
)
