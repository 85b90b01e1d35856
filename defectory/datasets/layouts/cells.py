"""The labels in a cell or field: one rule for tables and annotation tools."""

import json
import re
from typing import Any

from defectory.datasets.layouts.names import is_no_label
from defectory.errors import InvalidInput


def labels_of(value: Any, where: str) -> tuple[str, ...]:
    """Every label that is named, in order and once; the first is the picture's label.

    A text holds one label, several between commas, semicolons or bars ("melt, scratch"), or JSON. JSON is a text, a
    list of texts, or an object with the list under `choices` (as Label Studio writes several choices) or the text
    under `label` (FiftyOne). Words for nothing ("no_label", null) are no label.

    Raises:
        InvalidInput: it is nothing of this; names where it stands.
    """
    try:
        names = [name.strip() for name in _names(value, where)]
    except RecursionError as error:
        raise InvalidInput(f"{where}: its lists lie too deep in each other; use one list of texts") from error
    return tuple(dict.fromkeys(name for name in names if is_no_label(name) != "nothing"))


def _names(value: Any, where: str) -> list[str]:
    if value is None:
        return []
    if isinstance(value, str):
        return _names(_json(value, where), where) if value.strip()[:1] in ("{", "[") else re.split("[,;|]", value)
    if isinstance(value, list):
        return [name for item in value for name in _names(item, where)]
    if isinstance(value, dict) and isinstance(value.get("choices", value.get("label", 0)), list | str):
        return _names(value.get("choices", value.get("label")), where)
    raise InvalidInput(f"{where}: {value!r:.80} is no label; use a text, or a list of texts in JSON")


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(
            f"{where}: {text[:80]!r} begins like JSON and is none ({error}); use a text, or a list of texts in JSON"
        ) from error
