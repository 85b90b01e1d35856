#!/usr/bin/env bash
# datasets 5.2.0: one metadata.csv anywhere in an "imagefolder" decides which pictures exist.
#
# One would guess that metadata.csv adds columns to the pictures it names, and that a picture without a row keeps its
# folder's label, or is reported. (That labels are no longer inferred beside metadata is documented; this is not.)
# - Pictures without a row are gone, without a word: of three, two are left.
# - A metadata.csv in ONE class folder takes the other classes away altogether.
# - One in train/ only: test/ ends in 'Instruction "test" corresponds to no data!'.
# - A row whose file is not there counts as a picture, until it is opened.
#
# So a table of groups or of exposures that is put beside the photographs shrinks the set that is trained on. Defectory
# counts and names rows without pictures and pictures without rows before it reads anything.
set -euo pipefail
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && cd "$folder"
python3 -m venv venv && venv/bin/pip install --quiet --disable-pip-version-check datasets==5.2.0 pillow==13.0.0
cat > load.py <<'PY'
from pathlib import Path

import datasets
import numpy as np
from PIL import Image

datasets.disable_progress_bars()


def loaded(name, table, rows, *paths):
    for number, path in enumerate(paths):
        file = Path(name, path)
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8), number, np.uint8)).save(file)
    Path(name, table).write_text("file_name,part\n" + "".join(f"{row},a\n" for row in rows))
    try:
        read = datasets.load_dataset("imagefolder", data_dir=name)
        result = {split: (len(part), sorted(part.features)) for split, part in read.items()}
    except ValueError as error:
        result = str(error)
    print(f"{name}:", *paths, f"and {table} of", *rows, "->", result)
    return result


three = ("good/1.png", "hole/2.png", "hole/3.png")
columns = ["image", "part"]
assert loaded("whole", "metadata.csv", three, *three) == {"train": (3, columns)}, "the behaviour changed"
assert loaded("row", "metadata.csv", three[:2], *three) == {"train": (2, columns)}, "the behaviour changed"
assert loaded("class", "hole/metadata.csv", ["2.png", "3.png"], *three) == {"train": (2, columns)}, "the behaviour changed"
assert loaded("gone", "metadata.csv", [*three, "hole/9.png"], *three) == {"train": (4, columns)}, "the behaviour changed"
split = ("train/good/1.png", "train/hole/2.png", "test/good/3.png", "test/hole/4.png")
assert loaded("split", "train/metadata.csv", ["good/1.png", "hole/2.png"], *split) == (
    'Instruction "test" corresponds to no data!'
), "the behaviour changed"
PY
HF_HOME="$folder/home" HF_DATASETS_OFFLINE=1 venv/bin/python load.py 2>/dev/null
echo "datasets 5.2.0: as described"
