"""YOLO's segmentation: an outline a line, made of the masks. (Its classification reads `folders`.)"""

import json
from collections.abc import Sequence

from defectory.datasets.exporting.picture import Exported, Picture


def write(pictures: Sequence[Picture], good: str) -> Exported:
    """`data.yaml`, `images/<split>/x.png`, `labels/<split>/x.txt`; a good part has an empty file.

    A defect without mask would be read as a good part, so it is left out.
    """
    from defectory.datasets.exporting.outlines import polygons

    drawn = [picture for picture in pictures if picture.line.label == good or picture.read_mask]
    names = sorted({picture.kind for picture in drawn if picture.line.label != good})
    documents: dict[str, bytes] = {}
    for picture in drawn:
        outlines = polygons(picture.read_mask()) if picture.read_mask and picture.line.label != good else []
        lines = [
            " ".join([str(names.index(picture.kind)), *(f"{value:.6f}" for value in outline.ravel())])
            for outline in outlines
        ]
        documents[f"labels/{picture.split}/{picture.name}.txt"] = "".join(f"{line}\n" for line in lines).encode()
    splits = {picture.split for picture in drawn}
    data = [f"{split}: images/{split}" for split in ("train", "val", "test") if split in splits]
    # YAML takes JSON's quotes, so that no name can be taken for a number or a truth value.
    data.append("names:")
    data += [f"  {number}: {json.dumps(name)}" for number, name in enumerate(names)]
    documents["data.yaml"] = "".join(f"{line}\n" for line in data).encode()
    bare = len(pictures) - len(drawn)
    notes = (f"{bare} defects without a mask are left out: YOLO would take them for good parts",) if bare else ()
    return Exported({picture: f"images/{picture.split}/{picture.name}.png" for picture in drawn}, {}, documents, notes)
