#!/usr/bin/env bash
# datumaro 1.13.12 reads CVAT's XML without its ellipses: the parts are gone, and nothing says so.
#
# CVAT writes what was drawn as <ellipse cx cy rx ry rotation>. datumaro's reader knows boxes, turned
# boxes, polygons, lines, points and masks; one would guess that it warns of what it does not know, or that the part's label is
# at least a label of the picture. A picture whose only defect was marked with an ellipse comes back without any: good.
#
# Defectory reads an ellipse as a mask (defectory/datasets/layouts/cvat.py).
set -euo pipefail
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && cd "$folder"
python3 -m venv venv && venv/bin/pip install --quiet --disable-pip-version-check datumaro==1.13.12
cat > read.py <<'PY'
import warnings
from pathlib import Path

import datumaro
from PIL import Image

PARTS = {
    "turned": '<box label="hole" source="manual" occluded="0" xtl="10" ytl="30" xbr="50" ybr="40" rotation="45.0" z_order="0"></box>',
    "outlined": '<polygon label="hole" source="manual" occluded="0" points="1,1;9,1;9,9" z_order="0"></polygon>',
    "round": '<ellipse label="hole" source="manual" occluded="0" cx="70" cy="60" rx="10" ry="5" z_order="0"></ellipse>',
}
Path("task/images").mkdir(parents=True)
images = []
for number, (name, part) in enumerate(PARTS.items()):
    Image.new("RGB", (100, 80)).save(f"task/images/{name}.png")
    images.append(f'<image id="{number}" name="{name}.png" width="100" height="80">{part}</image>')
labels = "<labels><label><name>hole</name><attributes></attributes></label></labels>"
meta = f"<meta><task><size>{len(images)}</size><mode>annotation</mode>{labels}</task></meta>"
Path("task/annotations.xml").write_text(
    f'<?xml version="1.0" encoding="utf-8"?><annotations><version>1.1</version>{meta}{"".join(images)}</annotations>'
)
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    dataset = datumaro.Dataset.import_from("task", "cvat")
    parts = {item.id: [type(part).__name__ for part in item.annotations] for item in dataset}
print(parts, "warnings that name it:", sum("ellipse" in str(one.message).lower() for one in warned))
assert parts == {"turned": ["RotatedBbox"], "outlined": ["Polygon"], "round": []}, "the behaviour changed"
assert not any("ellipse" in str(one.message).lower() for one in warned), "the behaviour changed"
PY
venv/bin/python read.py
echo "datumaro 1.13.12: as described"
