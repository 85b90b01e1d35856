#!/usr/bin/env bash
# supervision 0.31.2: masks written to COCO, YOLO and Pascal VOC come out a pixel narrower and lower, and a scratch that is a
# pixel wide gets a box without height and no outline.
#
# One would guess that a mask goes through an annotation file and comes back as it was, or nearly. `mask_to_xyxy` gives the
# indices of the last row and column, not the edge behind them, and the polygons are OpenCV's contours, which run through the
# centres of border pixels: both are half a pixel short on every side. A square of 10 x 10 becomes a box of 9 x 9 and an
# outline around 81 pixels (in COCO with "area" 100 beside it). A scratch of 1 x 40 becomes "bbox": [.., .., 39.0, 0.0] with an
# empty "segmentation", and in YOLO a box of height 0.00000. Scratches and cracks are thin.
#
# Defectory's outlines run around the pixels, not through them (defectory/datasets/exporting/outlines.py), and its boxes end
# behind the last pixel.
set -euo pipefail
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check supervision==0.31.2 opencv-python-headless==4.12.0.88 \
  pycocotools==2.0.11 numpy==2.2.6
cat > masks.py <<'PY'
import json
import warnings
from pathlib import Path

import cv2
import numpy as np
import supervision as sv
from pycocotools import mask as coco

warnings.simplefilter("ignore")
Path("images").mkdir()
cv2.imwrite("images/a.png", np.zeros((64, 64, 3), np.uint8))
masks = np.zeros((2, 64, 64), bool)
masks[0, 5:15, 5:15] = True  # a square of 10 x 10
masks[1, 20, 5:45] = True  # a scratch of 1 x 40
drawn = sv.Detections(xyxy=sv.mask_to_xyxy(masks).astype(float), mask=masks, class_id=np.array([0, 0]))
dataset = sv.DetectionDataset(classes=["x"], images=["images/a.png"], annotations={"images/a.png": drawn})
dataset.as_coco(annotations_path="coco.json")
dataset.as_yolo(annotations_directory_path="yolo")

square, scratch = json.loads(Path("coco.json").read_text())["annotations"]
kept = int(coco.decode(coco.frPyObjects(square["segmentation"], 64, 64)).sum())
print(f"square of 10 x 10: box {square['bbox']}, area {square['area']}, pixels of its outline {kept}")
print(f"scratch of 1 x 40: box {scratch['bbox']}, area {scratch['area']}, outline {scratch['segmentation']}")
assert (square["bbox"], square["area"], kept) == ([5.0, 5.0, 9.0, 9.0], 100.0, 81)
assert (scratch["bbox"], scratch["area"], scratch["segmentation"]) == ([5.0, 20.0, 39.0, 0.0], 40.0, [])
yolo = Path("yolo/a.txt").read_text().split("\n")
print("YOLO:", yolo)
assert yolo[1].split()[4] == "0.00000" and len(yolo[1].split()) == 5
PY
venv/bin/python masks.py
