#!/usr/bin/env bash
# label-studio-sdk 2.1.2: the COCO export of a classification project holds only the pictures that nobody labelled.
#
# One would guess that COCO, which has categories, either carries the choice of each picture or is refused for a project
# without boxes. The converter does neither: it leaves out every picture that has a choice, writes those without an
# annotation under "images", lists the choices as "categories", logs a line a picture, and ends without an error. Whoever
# takes a picture without boxes for a good one gets a set of "good" parts that nobody ever looked at.
#
# Defectory reads JSON, JSON-MIN, CSV and TSV of Label Studio, and leaves pictures without annotation out of any COCO
# file unless --good says what they are.
set -euo pipefail
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && cd "$folder"
python3 -m venv venv && venv/bin/pip install --quiet --disable-pip-version-check label-studio-sdk==2.1.2
cat > tasks.json <<'JSON'
[{"id": 1, "data": {"image": "/data/upload/1/1f2a3b4c-labelled.png"}, "predictions": [], "annotations": [
   {"id": 1, "completed_by": 1, "was_cancelled": false, "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
    "lead_time": 1.0, "result": [{"from_name": "kind", "to_name": "image", "type": "choices", "value": {"choices": ["scratch"]}}]}]},
 {"id": 2, "data": {"image": "/data/upload/1/5d6e7f80-nobody_looked.png"}, "predictions": [], "annotations": []}]
JSON
cat > convert.py <<'PY'
import json
from label_studio_sdk.converter import Converter

view = """<View><Image name="image" value="$image"/><Choices name="kind" toName="image">
<Choice value="good"/><Choice value="scratch"/></Choices></View>"""
Converter(view, project_dir=".", download_resources=False).convert("tasks.json", "coco", "COCO", is_dir=False)
made = json.load(open("coco/result.json"))
print("images:     ", [image["file_name"] for image in made["images"]])
print("categories: ", [category["name"] for category in made["categories"]])
print("annotations:", made["annotations"])
assert [image["file_name"].rsplit("-")[-1] for image in made["images"]] == ["nobody_looked.png"], "the behaviour changed"
assert [category["name"] for category in made["categories"]] == ["good", "scratch"] and made["annotations"] == []
PY
venv/bin/python convert.py 2>/dev/null
echo "label-studio-sdk 2.1.2: as described"
