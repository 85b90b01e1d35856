"""Where defects lie that have no mask, by a classifier's heat: a proposal, and marked as one."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict

from defectory.datasets.manifest import mask_key
from defectory.datasets.manifest_line import ManifestLine, MaskFile
from defectory.errors import NotMade
from defectory.imaging import decode, encode_png
from defectory.storage.references import rooted
from defectory.storage.store import ObjectStore

HOT = 0.5  # of the highest heat, from which a pixel counts as the defect's


class Heated(BaseModel):
    """A line of explanations.jsonl, as far as it says where the heat is."""

    model_config = ConfigDict(extra="ignore")

    sha256: str
    heatmap_uri: str
    on_background: bool
    unclear: str = ""


def without_masks(lines: Sequence[ManifestLine]) -> list[ManifestLine]:
    """Training pictures of defects that have no mask: of a label that others with a mask or kind have."""
    defective = {line.label for line in lines if line.mask or line.kind}
    training = [x for x in lines if x.split == "train" and x.origin.kind == "real" and not x.origin.augmentation]
    return [x for x in training if x.label in defective and not x.mask]


def heat_masks(
    store: ObjectStore, lines: Sequence[ManifestLine], explanations_uri: str, dataset: str
) -> list[ManifestLine]:
    """The lines, those of `without_masks` with a mask of what is hot; the masks are stored in a dataset.

    Args:
        explanations_uri: of what the explainer wrote of them, each for its own label.
        dataset: that is written.

    Raises:
        NotMade: the heat says nothing of any of them.
    """
    wanted = {line.file.sha256: line for line in without_masks(lines)}
    said = rooted(store.get(store.key(explanations_uri)), store)
    rows = [Heated.model_validate(json.loads(row)) for row in said.splitlines()]
    masked: dict[str, ManifestLine] = {}
    for row in rows:
        line = wanted.get(row.sha256)
        if line is None or row.unclear or row.on_background:
            continue
        heat = np.asarray(decode(store.get(store.key(row.heatmap_uri))).convert("L"))
        heat = cv2.resize(heat, (line.file.width, line.file.height), interpolation=cv2.INTER_LINEAR)
        png = encode_png((heat >= HOT * max(int(heat.max()), 1)).astype(np.uint8) * 255)
        sha256 = hashlib.sha256(png).hexdigest()
        key = mask_key(dataset, sha256)
        store.put(key, png)
        masked[line.file.sha256] = replace(line, mask=MaskFile(uri=store.uri(key), sha256=sha256))
    if not masked:
        raise NotMade(
            f"the heat says of none of {len(wanted)} training pictures without a mask where its defect lies: use a "
            "classifier that sees more pixels, or draw masks"
        )
    return [masked.get(line.file.sha256, line) for line in lines]
