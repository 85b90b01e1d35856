#!/usr/bin/env bash
# datasets 5.2.0: the loader "imagefolder" reads class folders of a factory as if most of them were not there.
#
# One would guess that load_dataset("imagefolder", data_dir=...) gives every picture in a class folder its folder's name.
# - A word of a split in ONE file's name decides for the whole folder: with good/part_test_7.png among class folders the
#   result is a split "test" with that one picture, without a label; all other pictures are gone, and nothing is said.
#   A class folder "dev" or "no-eval" does the same.
# - A category laid out as MVTec AD (train/good, test/good, test/<kind>) has no label in train: since train holds one
#   class folder only, every label there is None, while the column and its names say "good".
# - One picture beside the class folders, or a folder deeper, takes the label from all of them. (This one is documented.)
#
# Such a set trains without an error: on one picture, or without its good parts. Defectory looks for splits in folders
# above classes only, says what it recognised before it does anything, and lists each picture that it leaves out.
set -euo pipefail
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && cd "$folder"
python3 -m venv venv && venv/bin/pip install --quiet --disable-pip-version-check datasets==5.2.0 pillow==13.0.0
cat > load.py <<'PY'
from pathlib import Path

import datasets
import numpy as np
from PIL import Image

datasets.disable_progress_bars()


def loaded(name, *paths):
    for number, path in enumerate(paths):
        file = Path(name, path)
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8), number, np.uint8)).save(file)
    read = datasets.load_dataset("imagefolder", data_dir=name)
    result = {split: part["label"][:] if "label" in part.features else ["-"] * len(part) for split, part in read.items()}
    print(f"{name}:", *paths, "->", result)
    return result


plain = ("good/1.png", "good/2.png", "hole/1.png", "hole/2.png")
assert loaded("plain", *plain) == {"train": [0, 0, 1, 1]}, "the behaviour changed"
assert loaded("named", *plain, "good/part_test_7.png") == {"test": ["-"]}, "the behaviour changed"
assert loaded("class", *plain, "dev/1.png") == {"validation": ["-"]}, "the behaviour changed"
assert loaded("mvtec", "train/good/1.png", "train/good/2.png", "test/good/1.png", "test/hole/1.png") == {
    "train": [None, None], "test": [0, 1],
}, "the behaviour changed"
assert loaded("beside", *plain, "overview.png") == {"train": ["-"] * 5}, "the behaviour changed"
PY
HF_HOME="$folder/home" HF_DATASETS_OFFLINE=1 venv/bin/python load.py 2>/dev/null
echo "datasets 5.2.0: as described"
