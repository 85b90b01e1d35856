#!/usr/bin/env bash
# A TIFF of packed 12-bit samples: OpenCV 5.0.0 gives values 16 times those that Pillow 13.0.0 and tifffile give.
#
# One would guess that 12 bits a sample (GenICam's Mono12p, as cameras' viewers save it) come out as 0 to 4095 or are
# refused.
# What happens: Pillow and tifffile give 0 to 4095. OpenCV spreads them over 16 bits (0 to 65520) and does not say so; of 10
# bits it makes 0 to 65472, and Pillow cannot open those. Code that divides by 4095 is right with one reader and white with
# the other; code that divides by 65535 is nearly black with one and right with the other.
#
# Defectory reads such files with tifffile, and scales them by the depth that the file itself names.
set -euo pipefail
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && cd "$folder"
python3 -m venv venv && venv/bin/pip install --quiet --disable-pip-version-check numpy==2.4.6 pillow==13.0.0 opencv-python-headless==5.0.0.93 tifffile==2026.3.3 imagecodecs==2026.3.6
cat > look.py <<'PY'
import cv2
import numpy as np
import PIL
import tifffile
from PIL import Image, UnidentifiedImageError

print("pillow", PIL.__version__, "opencv", cv2.__version__, "tifffile", tifffile.__version__)
seen = {}
for bits in (10, 12):
    values = np.array([[0, 1, (1 << bits) - 1]], np.uint16)
    tifffile.imwrite("packed.tif", values, bitspersample=bits)
    try:
        by_pillow = np.asarray(Image.open("packed.tif"))[0].tolist()
    except UnidentifiedImageError:
        by_pillow = "not an image"
    by_opencv = cv2.imread("packed.tif", cv2.IMREAD_UNCHANGED)[0].tolist()
    seen[bits] = by_pillow, by_opencv, tifffile.imread("packed.tif").ravel().tolist()
    print(bits, "bits: pillow", seen[bits][0], "opencv", seen[bits][1], "tifffile", seen[bits][2])
assert seen[12] == ([0, 1, 4095], [0, 16, 65520], [0, 1, 4095])
assert seen[10] == ("not an image", [0, 64, 65472], [0, 1, 1023])
PY
venv/bin/python look.py
