"""The tables of what both arms' main cycles take for what on the test images, at their operating points."""

from collections.abc import Iterator, Mapping
from typing import Any


def label_rows(decisions: Mapping[str, Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """A row a label.

    Args:
        decisions: arm -> "decisions" of its evaluation.json.

    Yields:
        {"label", "images", "arms": for each arm {"precision", "recall", "taken": {label: images taken for it}}}.
    """
    for label in _common(decisions, "labels"):
        arms = []
        for found in decisions.values():
            names = list(found["labels"])
            row = found["confusion"][names.index(label)]
            figures = {name: found["labels"][label][name] for name in ("precision", "recall")}
            arms.append({**figures, "taken": {name: n for name, n in zip(names, row, strict=True) if n}})
        yield {"label": label, "images": next(iter(decisions.values()))["labels"][label]["images"], "arms": arms}


def escape_rows(decisions: Mapping[str, Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """A row a kind of defect: {"kind", "of", "arms": for each arm {"count", "of", "low", "high"}}."""
    for kind in _common(decisions, "escapes"):
        arms = [found["escapes"][kind] for found in decisions.values()]
        yield {"kind": kind, "of": arms[0]["of"], "arms": arms}


def _common(decisions: Mapping[str, Mapping[str, Any]], part: str) -> list[str]:
    """What every arm has, in the first one's order."""
    arms = list(decisions.values())
    return [name for name in (arms[0][part] if arms else {}) if all(name in arm[part] for arm in arms)]
