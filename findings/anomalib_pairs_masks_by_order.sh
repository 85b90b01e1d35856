#!/usr/bin/env bash
# anomalib 2.7.0: in the layout of KolektorSDD a photograph gets the mask of another one, and its label with it, as soon
# as an item has more than ten.
#
# One would guess that Part1.jpg goes with Part1_label.bmp, whatever else lies beside it. `make_kolektor_dataset` sorts
# photographs and masks apart and joins them line by line, and "Part1.jpg" sorts before "Part10.jpg" while
# "Part10_label.bmp" sorts before "Part1_label.bmp". The check behind it looks at faulty ones only and asks whether "Part1"
# is in "Part10_label", which it is. So the good Part1 is called Bad with a mask of nothing on it, and the faulty Part10 is
# called Good and can go to training. The published set has eight an item and is read right; a factory's own, stored alike,
# is not. The split is by photograph, too: one item is on both sides.
#
# Defectory joins a mask by its photograph's name, and keeps an item on one side. torch is not needed for what is shown
# here: the two functions are run out of the installed file.
set -euo pipefail
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check --no-deps anomalib==2.7.0
venv/bin/pip install --quiet --disable-pip-version-check pandas==2.3.3 scikit-learn==1.7.2 opencv-python-headless==4.12.0.88 \
  2>&1 | grep -v -e "anomalib 2.7.0 requires" -e "dependency resolver" || true
cat > order.py <<'PY'
import ast
import sysconfig
from pathlib import Path

import cv2
import numpy as np
from pandas import DataFrame
from sklearn.model_selection import train_test_split

file = Path(sysconfig.get_paths()["purelib"]) / "anomalib/data/datasets/image/kolektor.py"
wanted = ("make_kolektor_dataset", "is_mask_anomalous")
functions = [n for n in ast.parse(file.read_text()).body if isinstance(n, ast.FunctionDef) and n.name in wanted]
later = ast.parse("from __future__ import annotations").body  # types are not looked up
names = {"DataFrame": DataFrame, "np": np, "imread": cv2.imread, "Path": Path, "train_test_split": train_test_split,
         "validate_path": Path, "MisMatchError": ValueError}
exec(compile(ast.Module(later + functions, []), str(file), "exec"), names)

for item in ("kos01", "kos02"):
    Path("data", item).mkdir(parents=True)
    for part in range(12):
        mask = np.zeros((20, 20), np.uint8)
        mask[5:9, 5:9] = 255 * (part == 10)  # Part10 shows a defect, and no other one
        cv2.imwrite(f"data/{item}/Part{part}.jpg", np.random.default_rng(part).integers(0, 256, (20, 20), np.uint8))
        cv2.imwrite(f"data/{item}/Part{part}_label.bmp", mask)
samples = names["make_kolektor_dataset"](Path("data"))
labels = {f"{s.item}/{Path(s.image_path).name}": (s.label, Path(s.mask_path).name) for s in samples.itertuples()}
for part in ("Part1.jpg", "Part10.jpg", "Part11.jpg"):
    print(part, *labels[f"kos01/{part}"])
sides = samples.groupby("item")["split"].agg(set).to_dict()
print("sides of an item:", sides)
assert labels["kos01/Part1.jpg"] == ("Bad", "Part10_label.bmp"), "the behaviour changed"
assert labels["kos01/Part10.jpg"][0] == "Good" and sides["kos01"] == {"train", "test"}
PY
venv/bin/python order.py
echo "anomalib 2.7.0: as described"
