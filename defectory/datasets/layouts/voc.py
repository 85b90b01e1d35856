"""Pascal VOC annotations: an XML file a picture, with a box and a name for every defect."""

from dataclasses import dataclass
from math import isfinite
from xml.etree import ElementTree

from defectory.datasets.layouts.boxes import Box, Boxes
from defectory.datasets.layouts.tree import Tree
from defectory.datasets.layouts.xml_file import read_xml
from defectory.errors import InvalidInput

_SIDES = ("xmin", "ymin", "xmax", "ymax")


@dataclass(frozen=True)
class Annotation:
    """What one XML file says of its picture."""

    names: tuple[str, ...]  # of the objects, once each, in order
    masks: tuple[Boxes, ...]  # none where there is no object


def read_annotation(tree: Tree, path: str) -> Annotation:
    """Read a VOC annotation.

    Raises:
        InvalidInput: it is no XML, or an object has no name or box.
    """
    root = read_xml(tree, path)
    objects = root.findall("object")
    names = tuple(dict.fromkeys(_text(item, "name", path) for item in objects))
    boxes = tuple(_box(item, path) for item in objects)
    size = (int(_number(root, "size/width", path, "0")), int(_number(root, "size/height", path, "0")))
    return Annotation(names, (Boxes(path, boxes, size),) if boxes else ())


def _box(item: ElementTree.Element, path: str) -> Box:
    left, top, right, bottom = (_number(item, f"bndbox/{side}", path) for side in _SIDES)
    return left, top, right, bottom


def _number(item: ElementTree.Element, name: str, path: str, otherwise: str = "") -> float:
    text = _text(item, name, path, otherwise)
    try:
        number = float(text)
    except ValueError as error:
        raise InvalidInput(f"{path}: <{name}> is {text!r}; it has to be a number") from error
    if not isfinite(number):
        raise InvalidInput(f"{path}: <{name}> is {text!r}; it has to be a number")
    return number


def _text(item: ElementTree.Element, name: str, path: str, otherwise: str = "") -> str:
    text = (item.findtext(name) or "").strip() or otherwise
    if not text:
        raise InvalidInput(f"{path}: an <{item.tag}> has no <{name}>")
    return text
