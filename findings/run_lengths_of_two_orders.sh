#!/usr/bin/env bash
# datumaro 1.13.12: one mask, run lengths in two orders, and neither file says which it has.
#
# One would guess that "RLE" in two annotation files of one exporter means the same. CVAT's <mask rle=…> counts along the
# rows of a rectangle (left, top, width, height); COCO's counts go down the columns of the whole picture. Read by the
# other's rule a mask keeps its area and lies elsewhere, so sums and areas do not show the mistake.
#
# Defectory reads each format by its own order, and turns one into the other in one place.
set -euo pipefail
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && cd "$folder"
python3 -m venv venv && venv/bin/pip install --quiet --disable-pip-version-check datumaro==1.13.12
cat > orders.py <<'PY'
import json
import re
from pathlib import Path

import numpy as np
from datumaro.components.annotation import Mask
from datumaro.components.dataset import Dataset
from datumaro.components.dataset_base import DatasetItem
from datumaro.components.media import Image

mask = np.zeros((8, 12), bool)
mask[1:3, 5:10] = True
item = DatasetItem("a", subset="train", media=Image.from_numpy(np.zeros((8, 12, 3), np.uint8)), annotations=[Mask(mask, label=0)])
dataset = Dataset.from_iterable([item], categories=["hole"])
dataset.export("cvat", "cvat", save_media=True)
dataset.export("coco", "coco_instances", save_media=True)

runs_cvat = [int(run) for run in re.search('rle="([^"]*)"', Path("cvat/train.xml").read_text())[1].split(",")]
segmentation = json.loads(Path("coco/annotations/instances_train.json").read_text())["annotations"][0]["segmentation"]
runs_coco = segmentation["counts"]
print("CVAT:", runs_cvat)
print("COCO:", runs_coco)


def drawn(runs, order):
    return np.repeat(np.arange(len(runs)) % 2, runs).reshape(mask.shape, order=order).astype(bool)


assert (drawn(runs_cvat, "C") == mask).all() and (drawn(runs_coco, "F") == mask).all(), "the behaviour changed"
swapped = drawn(runs_coco, "C")
print("COCO's read along the rows: same area", swapped.sum() == mask.sum(), "- pixels in common", (swapped & mask).sum())
assert swapped.sum() == mask.sum() and (swapped & mask).sum() < mask.sum()
PY
venv/bin/python orders.py 2>/dev/null
echo "datumaro 1.13.12: as described"
