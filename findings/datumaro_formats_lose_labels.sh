#!/usr/bin/env bash
# datumaro 1.13.12: four of its formats lose or change what was labelled, and none says so.
#
# One would guess that an exporter for labels writes every label that an item has, in its order, or refuses.
# - "mvtec_classification", named after MVTec AD's <split>/<kind>/ folders, writes all pictures flat into the split:
#   the labels are gone from the disk. (It takes the kind from the item's id, not from its label.)
# - "imagenet" writes a picture with two labels twice, once into each folder, and drops the split; a picture without a
#   label goes into a folder "no_label", which its own reader knows again and any other takes for a class.
# - "imagenet_txt" sorts the labels of a picture by their number: what was named first is no longer first.
#
# - "coco" writes the labels of whole pictures to labels_<subset>.json; read by "coco" again, together with the file of
#   boxes and masks that it wrote, a picture that has only such a label comes back without any.
#
# Defectory takes "no_label" for no label, names pictures that stand in two class folders, and reads Datumaro's own JSON
# and all of its COCO files together, which keep all of it.
set -euo pipefail
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && cd "$folder"
python3 -m venv venv && venv/bin/pip install --quiet --disable-pip-version-check datumaro==1.13.12
cat > export.py <<'PY'
from pathlib import Path

import numpy as np
from datumaro.components.annotation import Bbox, Label
from datumaro.components.dataset import Dataset
from datumaro.components.dataset_base import DatasetItem
from datumaro.components.media import Image

said = {"a": [0], "both": [2, 1], "nobody": []}
items = [
    DatasetItem(name, subset="test", media=Image.from_numpy(np.full((8, 8, 3), 40 * n, np.uint8)),
                annotations=[Label(label) for label in labels])
    for n, (name, labels) in enumerate(said.items())
]
dataset = Dataset.from_iterable(items, categories=["good", "scratch", "hole"])


def written(form):
    dataset.export(form, form, save_media=True)
    files = sorted(str(path.relative_to(form)) for path in Path(form).rglob("*") if path.is_file())
    print(f"{form}:", *files)
    return [str(Path(file).with_suffix("")) for file in files]


assert written("mvtec_classification") == ["test/a", "test/both", "test/nobody"], "the behaviour changed"
assert written("imagenet") == ["good/a", "hole/both", "no_label/nobody", "scratch/both"], "the behaviour changed"
written("imagenet_txt")
lines = [line.split() for line in Path("imagenet_txt/test.txt").read_text().splitlines()]
print("imagenet_txt/test.txt:", lines)
assert [line[1:] for line in lines if line[0].startswith("both")] == [["1", "2"]], "the behaviour changed"
dataset.put(items[0].wrap(id="boxed", annotations=[Bbox(1, 1, 4, 4, label=2)]))  # so that instances_test.json is written
written("coco")
read = {item.id: [annotation.label for annotation in item.annotations] for item in Dataset.import_from("coco", "coco")}
print("coco, read again:", read)
assert Path("coco/annotations/labels_test.json").exists() and read["a"] == [], "the behaviour changed"
PY
venv/bin/python export.py 2>/dev/null
echo "datumaro 1.13.12: as described"
