"""Datumaro's own format: labels, masks and lineage in one file a split."""

import json
from collections.abc import Sequence
from typing import Any

from defectory.datasets.exporting.picture import Exported, Picture


def write(pictures: Sequence[Picture], good: str) -> Exported:
    """`images/<split>/x.png`, `annotations/<split>.json`."""
    del good
    from defectory.datasets.exporting.outlines import run_lengths

    names = sorted({picture.kind for picture in pictures})
    labels = [{"name": name, "parent": "", "attributes": []} for name in names]
    documents = {}
    for split in sorted({picture.split for picture in pictures}):
        items = []
        for picture in pictures:
            if picture.split != split:
                continue
            line, number = picture.line, names.index(picture.kind)
            lineage = {
                "origin": line.origin.kind,
                "group": line.group,
                "generator": line.synthesis.generator if line.synthesis else "",
                "verdict": line.judgement.verdict,
            }
            attributes = {name: value for name, value in lineage.items() if value}
            said: list[dict[str, Any]] = [
                {"id": 0, "type": "label", "attributes": attributes, "group": 0, "label_id": number}
            ]
            mask = picture.read_mask() if picture.read_mask else None
            if mask is not None and mask.any():
                said.append({
                    "id": 1, "type": "mask", "attributes": {}, "group": 0, "label_id": number, "z_order": 0,
                    "rle": run_lengths(mask),
                })  # fmt: skip
            image = {"path": f"{picture.name}.png", "size": [line.file.height, line.file.width]}
            items.append({"id": picture.name, "annotations": said, "image": image})
        content = {
            "dm_format_version": "1.0", "media_type": 2, "infos": {},
            "categories": {"label": {"labels": labels, "label_groups": [], "attributes": []}}, "items": items,
        }  # fmt: skip
        documents[f"annotations/{split}.json"] = json.dumps(content).encode()
    return Exported({picture: f"images/{picture.split}/{picture.name}.png" for picture in pictures}, {}, documents)
