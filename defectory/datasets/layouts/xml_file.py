"""XML files of annotation tools."""

from xml.etree import ElementTree

from defectory.datasets.layouts.tree import Tree
from defectory.errors import InvalidInput


def read_xml(tree: Tree, path: str) -> ElementTree.Element:
    """An XML file's root element.

    Raises:
        InvalidInput: it is no XML, or declares entities, which no annotation tool writes and which can grow without
            bound.
    """
    content = tree.text(path)
    if b"<!ENTITY" in content or b"<!DOCTYPE" in content:
        raise InvalidInput(f"{path} declares a document type; remove the line <!DOCTYPE …>")
    try:
        return ElementTree.fromstring(content)
    except ElementTree.ParseError as error:
        raise InvalidInput(f"{path} is not XML: {error}") from error
