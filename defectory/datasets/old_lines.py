"""Manifest lines of formats 1 and 2, which were flat: they are lifted to what is read and written today.

Format 1, of version 0.1.0, described squares that ingest had made for one network; its lines do not say their format.
Format 2 described pictures at their own size.
"""

from collections.abc import Mapping
from typing import Any

OLD_FORMATS = (1, 2)

_PARTS: Mapping[str, Mapping[str, str]] = {  # part -> its field -> the flat one
    "file": {name: name for name in ("uri", "sha256", "width", "height", "colour", "bits", "fit")},
    "mask": {"uri": "mask_uri", "sha256": "mask_sha256"},
    "origin": {
        "kind": "origin",
        **{name: name for name in ("parents", "source", "tile", "augmentation", "stretched_from")},
    },
    "synthesis": {
        name: name
        for name in (
            "generator", "seed", "truncation_psi", "truncation_cutoff", "noise_mode", "resolution_px", "precision",
            "half_resolutions",
        )
    },
    "judgement": {
        "spread": "score_spread",
        **{
            name: name
            for name in (
                "scores", "nearest_real", "nearest_real_distance", "feature_distance", "duplicate_of", "verdict",
                "reasons", "reviewer",
            )
        },
    },
}  # fmt: skip


def lifted(flat: Mapping[str, Any], written: int) -> dict[str, Any]:
    """The fields of a flat line in today's parts; what it should not have stays, and is refused as in any line.

    Args:
        written: format of the flat line.
    """
    fields = {name: value for name, value in flat.items() if name != "format"}
    parts: dict[str, Any] = {}
    for part, names in _PARTS.items():
        held = {name: fields.pop(old) for name, old in names.items() if old in fields}
        if held:
            parts[part] = held
    if written == 1 and flat.get("fit") and flat.get("origin") != "synthetic":
        parts["origin"] = {**parts.get("origin", {}), "square_px": flat.get("width")}
    return fields | parts
