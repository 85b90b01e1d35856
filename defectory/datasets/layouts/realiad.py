"""Real-IAD: views `…_C1_…` to `…_C5_…` of a sample, and a JSON file that says which of them show its fault."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

from defectory.datasets.layouts.json_file import is_like, json_files, read_json
from defectory.datasets.layouts.level import part_of
from defectory.datasets.layouts.locating import Pictures
from defectory.datasets.layouts.mask_file import MaskFile
from defectory.datasets.layouts.source import Choices, Layout, LeftOut, Source, SourceFile
from defectory.datasets.layouts.tree import Tree
from defectory.datasets.manifest_line import Split
from defectory.errors import InvalidInput

_VIEW = re.compile(r"(?P<sample>.+)_C\d_[^/]*")
_IN_SAMPLE = re.compile(r"(?:NG/)?(?:\w+/)?S\d+/[^/]+_(?:OK|NG_\w+)_C\d_[^/]*")
_RESULTS = ("OK", "NG")  # folders of the samples that are good, and of those that are not
_RESOLUTION = re.compile(r"realiad_(?:\d+|raw)")
_SPLITS: tuple[Split, ...] = ("train", "test")
_JSONS = "realiad_jsons"
NOT_THERE = "the JSON file names it, but no such file is there"


@dataclass(frozen=True)
class _Category:
    """A category's JSON file."""

    name: str
    content: Mapping[str, Any]

    @property
    def normal(self) -> str:
        """The class of views that show no fault."""
        return str(self.content["meta"]["normal_class"])

    def views(self) -> Iterator[tuple[str, Split, Mapping[str, Any]]]:
        """(where it stands, split, entry) of every view."""
        for split in _SPLITS:
            for number, entry in enumerate(self.content[split], start=1):
                where = f"{self.name}, {split} {number}"
                fields = ("image_path", "anomaly_class")
                if not isinstance(entry, dict) or not all(isinstance(entry.get(name), str) for name in fields):
                    raise InvalidInput(f"{where}: an entry has to have image_path and anomaly_class")
                yield where, split, entry


@dataclass
class _Views:
    """The views that were read so far."""

    files: list[SourceFile] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    unfaulty: int = 0  # views of faulty samples that show no fault
    lost_masks: int = 0


def _recognise(tree: Tree) -> str:
    if tree.named:
        return f"{tree.named} labels a category" if _parse(tree, tree.named) else ""
    if _resolutions(tree):
        return f"it holds {' and '.join(_resolutions(tree))}"
    pictures = tree.pictures()
    if any(_IN_SAMPLE.fullmatch(path) for path in pictures):
        return "it holds samples S0001, … of several views"
    has_views = any(_VIEW.fullmatch(path) for path in pictures)
    return f"{_inside(tree)[0].name} names its views" if has_views and _inside(tree) else ""


def _resolutions(tree: Tree) -> list[str]:
    return [folder for folder in tree.top if _RESOLUTION.fullmatch(folder)]


def _read(tree: Tree, choices: Choices) -> Source:
    _check_level(tree)
    category = _category(tree)
    views = _views(tree, category)
    notes = [f"labels are those of {category.name}"]
    if views.unfaulty:
        notes.append(f"{views.unfaulty} views of faulty samples have no mask there: their label is {category.normal}")
    if views.lost_masks:
        notes.append(f"{views.lost_masks} masks that {category.name} names are not there")
    if not views.files:
        raise InvalidInput(f"{tree.root} holds none of the pictures that {category.name} names")
    return Source(tree.root, REALIAD.name, tuple(views.files), category.normal, tuple(views.left_out), tuple(notes))


def _check_level(tree: Tree) -> None:
    """InvalidInput where more or less than the pictures of one category was given."""
    if _resolutions(tree):
        folders = {"/".join(path.split("/")[:2]) for path in tree.pictures() if _RESOLUTION.match(path)}
        first = tree.root / min(folders, default=_resolutions(tree)[0])
        right = f"give the pictures of one, e.g. {first}"
        raise InvalidInput(f"{tree.root} holds categories of Real-IAD: {right}", {"directory": right})
    if tree.named:
        right = f"give the folder of its pictures, e.g. realiad_1024/{PurePosixPath(tree.named).stem}"
        raise InvalidInput(f"{tree.root / tree.named} labels a category: {right}", {"directory": right})
    root = tree.root.absolute()
    above = next((folder.parent for folder in (root, *root.parents) if folder.name in _RESULTS), None)
    if above and not _inside(tree) and not any(map(tree.has, _RESULTS)):
        raise part_of(tree.root, "a part of a category of Real-IAD", above)


def _category(tree: Tree) -> _Category:
    """The JSON file in the folder, else the one beside it, else the one in `realiad_jsons` where that is unpacked."""
    inside = _inside(tree)
    if len(inside) > 1:
        right = f"leave one of {', '.join(category.name for category in inside)}"
        raise InvalidInput(f"{tree.root} holds several JSON files with labels: {right}", {"directory": right})
    root = tree.root.absolute()
    file = f"{root.name}.json"
    places = (root.parent, root.parent.parent / _JSONS, root.parent.parent / _JSONS / _JSONS)
    trees = [Tree(place, (file,)) for place in places if (place / file).is_file()]
    outside = [replace(category, name=str(t.root / file)) for t in trees if (category := _parse(t, file))]
    if not inside and not outside:
        right = f"put {file} of {_JSONS} beside the pictures: it says which views of a faulty sample show the fault"
        raise InvalidInput(f"{tree.root} holds views without their labels: {right}", {"directory": right})
    return (inside or outside)[0]


def _inside(tree: Tree) -> list[_Category]:
    return [category for path in json_files(tree, depth=1) if (category := _parse(tree, path))]


def _parse(tree: Tree, path: str) -> _Category | None:
    """A category's JSON file; None where a file is none."""
    if not is_like(tree, path, "meta", *_SPLITS):
        return None
    content = read_json(tree, path)
    is_one = (
        isinstance(content["meta"], dict)
        and "normal_class" in content["meta"]
        and all(isinstance(content[split], list) for split in _SPLITS)
    )
    return _Category(path, content) if is_one else None


def _views(tree: Tree, category: _Category) -> _Views:
    pictures = Pictures(tree)
    views = _Views()
    has_masks = any(entry.get("mask_path") for _, _, entry in category.views())
    seen: set[str] = set()
    for where, split, entry in category.views():
        path = pictures.find(entry["image_path"], where)
        if not path:
            views.left_out.append(LeftOut(entry["image_path"], NOT_THERE))
            continue
        if path in seen:
            raise InvalidInput(f"{where}: {path} was named before")
        seen.add(path)
        faulty = entry["anomaly_class"] != category.normal
        mask = ""
        if faulty and entry.get("mask_path"):
            mask = pictures.find(str(entry["mask_path"]), where)
            views.lost_masks += not mask
        elif faulty and has_masks:  # as the data set's own loader has it
            views.unfaulty += 1
            faulty = False
        label = entry["anomaly_class"] if faulty else category.normal
        views.files.append(SourceFile(path, label, split, _sample(path), (MaskFile(mask),) if mask else ()))
    return views


def _sample(path: str) -> str:
    """The sample that a view shows: its folder, and its name up to the number of the camera."""
    match = _VIEW.fullmatch(path)
    return match["sample"] if match else str(PurePosixPath(path).with_suffix(""))


REALIAD = Layout(
    name="real-iad",
    on_disk="one category, e.g. `realiad_1024/audiojack`: `OK/S0001/audiojack_0001_OK_C1_<time>.jpg`, "
    "`NG/BX/S0001/audiojack__0001_NG_BX_C1_<time>.jpg` and `.png`, and `audiojack.json` in it, beside it or in "
    "`../../realiad_jsons`",
    recognised_by="a JSON file with `meta`, `train` and `test` and views `_C1_` to `_C5_`, or the folders `OK/S0001`, "
    "`NG/<class>/S0001` with such views",
    label="the JSON file's class; a view without a mask is good though its sample is faulty",
    split="`train`, `test` of the JSON file",
    mask="as the JSON file names it",
    group="a sample under all its views",
    described_in="Wang et al., Real-IAD (CVPR 2024); Tencent/AnomalyDetection_Real-IAD, datasets/explicit_dataset.py",
    recognise=_recognise,
    read=_read,
    refines=("csv",),
)
