"""COCO: JSON files with images, annotations and categories."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, cast

from defectory.datasets.layouts.entries import Entry, pool
from defectory.datasets.layouts.json_file import is_like, json_files, read_json
from defectory.datasets.layouts.locating import Pictures
from defectory.datasets.layouts.names import SPLITS
from defectory.datasets.layouts.polygons import Outline
from defectory.datasets.layouts.roboflow import photograph_of
from defectory.datasets.layouts.source import Choices, Layout, LeftOut, Source
from defectory.datasets.layouts.tree import Tree
from defectory.datasets.layouts.written import written_by
from defectory.datasets.manifest_line import Split
from defectory.errors import InvalidInput


def _files(tree: Tree) -> list[str]:
    return [path for path in json_files(tree, depth=1) if is_like(tree, path, "images", "categories")]


def _recognise(tree: Tree) -> str:
    files = _files(tree)
    return f"{', '.join(files[:3])} {'is' if len(files) == 1 else 'are'} COCO's (images, categories)" if files else ""


def _read(tree: Tree, choices: Choices) -> Source:
    """All files are read as one: a picture's labels are those of every file that names it."""
    files = _files(tree)
    if not files:
        raise InvalidInput(f"{tree.root} holds no JSON file with images and categories")
    if tree.named and (tree.root.name == "annotations"):  # the pictures lie beside this folder
        files = [f"annotations/{tree.named}"]
        tree = Tree.of(tree.root.absolute().parent)
    pictures = Pictures(tree)
    labels: dict[str, dict[str, None]] = defaultdict(dict)  # in order, once
    outlines: dict[str, list[Outline]] = defaultdict(list)
    about: dict[str, tuple[Split, bool]] = {}
    for name in files:
        for path, is_there, split, annotations in _images(tree, name, pictures):
            about.setdefault(path, (split, is_there))
            for label, outline in annotations:
                labels[path].setdefault(label)
                if outline and outline.segmentation not in (known.segmentation for known in outlines[path]):
                    outlines[path].append(outline)  # one annotation can stand in several files
    # A picture without annotation is good, or nobody looked at it: only a person can know which.
    used = {label for named in labels.values() for label in named}
    bare = (choices.good,) if choices.good and choices.good not in used else ()
    entries = [
        Entry(path, tuple(labels[path]) or bare, split, photograph_of(path), tuple(outlines[path]), is_there=is_there)
        for path, (split, is_there) in about.items()
    ]
    read = pool(entries, choices)
    unlabelled = sum(not labels[path] for path in about)
    notes = list(read.notes)
    if unlabelled and not bare:
        notes.append(
            f"no annotation on {unlabelled} of {len(about)} pictures: they are left out; if they show good parts, say"
            " --good good"
        )
    panoptic = tuple(
        LeftOut(path, "it is a map of segments, no photograph") for path in tree.pictures() if "annotations/" in path
    )
    return Source(tree.root, COCO.name, read.files, left_out=(*read.left_out, *panoptic), notes=tuple(notes))


_RIGHT = "every image needs id and file_name, every annotation image_id and the category_id of a category"


def _images(
    tree: Tree, name: str, pictures: Pictures
) -> Iterator[tuple[str, bool, Split, list[tuple[str, Outline | None]]]]:
    """(path, whether it is there, split, [(label, outline)]) of every image of one file."""
    content = read_json(tree, name)
    split = _split(name)
    stem = PurePosixPath(name).stem.rsplit("_", 1)[-1]
    beside = str(PurePosixPath(name).parent)
    folders = [f"images/{stem}", stem, "images", "data", *([] if beside == "." else [beside])]
    with written_by("COCO", name, _RIGHT):
        categories = {entry["id"]: str(entry["name"]) for entry in content["categories"]}
        annotations: dict[Any, list[tuple[str, Outline | None]]] = defaultdict(list)
        sizes = {
            image["id"]: (int(image.get("width") or 0), int(image.get("height") or 0)) for image in content["images"]
        }
        for annotation in content.get("annotations") or []:
            if "category_id" not in annotation:  # captions and panoptic maps say nothing of a label
                continue
            label = categories[annotation["category_id"]]
            annotations[annotation["image_id"]].append((label, _outline(name, annotation, sizes)))
        for image in content["images"]:
            given = str(image["file_name"])
            path = pictures.find(given, f"{name}, image {image['id']}", folders)
            yield path or given, bool(path), split, annotations[image["id"]]


def _outline(name: str, annotation: Mapping[str, Any], sizes: Mapping[Any, tuple[int, int]]) -> Outline | None:
    segmentation = annotation.get("segmentation")
    return Outline(name, segmentation, sizes.get(annotation["image_id"], (0, 0))) if segmentation else None


def _split(name: str) -> Split:
    """From the file's name (instances_train.json) or its folder's (Roboflow's train/_annotations.coco.json)."""
    path = PurePosixPath(name)
    words = (re.sub(r"\d{4}$", "", path.stem.rsplit("_", 1)[-1]), path.stem, path.parent.name)
    return cast(Split, next((SPLITS[word.lower()] for word in words if word.lower() in SPLITS), "none"))


COCO = Layout(
    name="coco",
    on_disk="`annotations/<kind>_<split>.json` and `images/<split>/x.jpg`; Roboflow: `<split>/_annotations.coco.json`",
    recognised_by="JSON files with `images` and `categories`",
    label="the category; several: the first, all are kept as kinds; no annotation: left out, or good with `--good`",
    split="the file's or folder's name",
    mask="`segmentation`: polygons or run lengths; a box alone makes none",
    group="Roboflow's augmented copies of one photograph; else found",
    described_in="the COCO data set's page; files of datumaro 1.13.12 and Roboflow",
    recognise=_recognise,
    read=_read,
)
