"""JSON files of annotation tools, and what they hold."""

import json
from typing import Any

from defectory.datasets.layouts.tree import Tree
from defectory.errors import InvalidInput

_LARGEST = 1 << 30  # bytes


def json_files(tree: Tree, depth: int) -> list[str]:
    """The JSON file that was given, or those at most so many folders below the root."""
    if tree.named:
        return [tree.named] if tree.named.lower().endswith(".json") else []
    return [path for path in tree.files if path.lower().endswith(".json") and path.count("/") <= depth]


def read_json(tree: Tree, path: str) -> Any:
    """A JSON file's content, parsed once a tree; nobody may change it.

    Raises:
        InvalidInput: it is no JSON, or larger than a gigabyte.
    """
    if (tree.root / path).stat().st_size > _LARGEST:
        raise InvalidInput(f"{path} is larger than a gigabyte; split it into one file a split or part of the pictures")
    if path not in tree.documents:
        try:
            tree.documents[path] = json.loads(tree.text(path).decode("utf-8-sig"))
        except (ValueError, RecursionError) as error:
            raise InvalidInput(f"{path} is not JSON: {error}") from error
    return tree.documents[path]


def is_like(tree: Tree, path: str, *keys: str) -> bool:
    """Whether a file is a JSON object with these keys."""
    try:
        content = read_json(tree, path)
    except InvalidInput:
        return False
    return isinstance(content, dict) and all(key in content for key in keys)
