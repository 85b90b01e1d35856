#!/usr/bin/env bash
# datumaro 1.13.12, globox 2.9.0, labelformat 0.1.17: boxes of Pascal VOC lose a row and a column and lie one pixel off.
#
# One would guess that libraries that read VOC read its boxes as VOC counts them: from 1, the last pixel included, so that
# 1, 1, 200, 200 is the whole of 200 by 200 pixels (NEU-DET's files are such: the least side is 1, the largest 200). All
# three take the numbers for edges counted from 0: the box begins at the second pixel, is 199 wide, and a defect of one
# pixel (5, 7, 5, 7) has no area at all. What is written on to COCO or YOLO keeps the mistake. The boxes that datumaro makes
# of MVTec AD's masks are as short: a mask of 6 by 4 pixels gives 5 by 3.
#
# Defectory draws a VOC box from its first to its last pixel, both included.
set -euo pipefail
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && cd "$folder"
python3 -m venv venv && venv/bin/pip install --quiet --disable-pip-version-check datumaro==1.13.12 globox==2.9.0 labelformat==0.1.17
mkdir -p voc/Annotations voc/JPEGImages voc/ImageSets/Main
cat > voc/Annotations/a.xml <<'XML'
<annotation><folder>JPEGImages</folder><filename>a.jpg</filename><source><database>NEU-DET</database></source>
<size><width>200</width><height>200</height><depth>3</depth></size><segmented>0</segmented>
<object><name>crazing</name><pose>Unspecified</pose><truncated>0</truncated><difficult>0</difficult>
<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>200</xmax><ymax>200</ymax></bndbox></object>
<object><name>crazing</name><pose>Unspecified</pose><truncated>0</truncated><difficult>0</difficult>
<bndbox><xmin>5</xmin><ymin>7</ymin><xmax>5</xmax><ymax>7</ymax></bndbox></object></annotation>
XML
echo a > voc/ImageSets/Main/train.txt
echo 'crazing:::' > voc/labelmap.txt
cat > boxes.py <<'PY'
from pathlib import Path

from datumaro.components.dataset import Dataset
import numpy as np
from globox import AnnotationSet
from labelformat.formats import PascalVOCObjectDetectionInput
from PIL import Image

Image.new("RGB", (200, 200)).save("voc/JPEGImages/a.jpg")
read = {"datumaro": [tuple(box.get_bbox()) for item in Dataset.import_from("voc", "voc_detection") for box in item.annotations]}
read["globox"] = [box.ltwh for annotation in AnnotationSet.from_pascal_voc(Path("voc/Annotations")) for box in annotation.boxes]
labels = PascalVOCObjectDetectionInput(input_folder=Path("voc/Annotations"), category_names="crazing").get_labels()
boxes = [thing.box for label in labels for thing in label.objects]
read["labelformat"] = [(box.xmin, box.ymin, box.xmax - box.xmin, box.ymax - box.ymin) for box in boxes]
for library, found in read.items():
    print(f"{library:12} left, top, width, height: {found}")
    assert sorted(found) == [(1, 1, 199, 199), (5, 7, 0, 0)], "the behaviour changed"
mask = np.zeros((20, 20), np.uint8)
mask[2:6, 3:9] = 255
for name, pixels in {"train/good/0": mask * 0, "test/hole/0": mask * 0, "ground_truth/hole/0_mask": mask}.items():
    Path("mvtec", name).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(f"mvtec/{name}.png")
items = Dataset.import_from("mvtec", "mvtec_detection")
found = [tuple(box.get_bbox()) for item in items for box in item.annotations if hasattr(box, "get_bbox")]
print("datumaro, a mask from column 3, row 2, 6 by 4 pixels:", found)
assert found == [(3, 2, 5, 3)], "the behaviour changed"
print("the VOC boxes as VOC counts, from 0: [(0, 0, 200, 200), (4, 6, 1, 1)]")
PY
venv/bin/python boxes.py 2>/dev/null
echo "datumaro 1.13.12, globox 2.9.0, labelformat 0.1.17: as described"
