"""COCO: the label of every image, and the outline of every mask."""

import json
from collections.abc import Sequence
from typing import Any

from defectory.datasets.exporting.picture import Exported, Picture


def write(pictures: Sequence[Picture], good: str) -> Exported:
    """`images/<split>/x.png`, `annotations/labels_<split>.json` and `annotations/instances_<split>.json`.

    Images and annotations are numbered over all splits, so that files that are put together keep their numbers apart.
    """
    del good
    from defectory.datasets.exporting.outlines import box, run_lengths

    names = sorted({picture.kind for picture in pictures})
    categories = [{"id": number, "name": name, "supercategory": ""} for number, name in enumerate(names, start=1)]
    documents: dict[str, bytes] = {}
    for split in sorted({picture.split for picture in pictures}):
        images: list[dict[str, Any]] = []
        labels: list[dict[str, Any]] = []
        instances: list[dict[str, Any]] = []
        for number, picture in enumerate(pictures, start=1):
            if picture.split != split:
                continue
            line = picture.line
            images.append(
                {"id": number, "file_name": f"{picture.name}.png", "width": line.file.width, "height": line.file.height}
            )
            label = {"id": number, "image_id": number, "category_id": names.index(picture.kind) + 1}
            labels.append(label)
            mask = picture.read_mask() if picture.read_mask else None
            if mask is not None and mask.any():
                outline = {"segmentation": run_lengths(mask), "bbox": box(mask), "area": int(mask.sum()), "iscrowd": 0}
                instances.append({**label, **outline})
        for kind, annotations in (("labels", labels), ("instances", instances)):
            content = {
                "info": {},
                "licenses": [],
                "categories": categories,
                "images": images,
                "annotations": annotations,
            }
            documents[f"annotations/{kind}_{split}.json"] = json.dumps(content).encode()
    return Exported({picture: f"images/{picture.split}/{picture.name}.png" for picture in pictures}, {}, documents)
