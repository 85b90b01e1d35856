#!/usr/bin/env bash
# Pillow 13.0.0 and OpenCV 5.0.0: a TIFF that is white at zero is turned round at 8 bits, and not at 16.
#
# One would guess that PhotometricInterpretation 0 (WhiteIsZero) means the same at every depth, or that a reader leaves
# it alone always (tifffile does, and says so).
# What happens: both give the 8-bit file as the picture and the 16-bit file of the same picture as its negative, without a
# word. Line scanners and X-ray detectors write such files; a set that mixes depths is half negatives.
#
# Defectory turns 16-bit and floating-point files round as well, within the bits that are in use.
set -euo pipefail
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && cd "$folder"
python3 -m venv venv && venv/bin/pip install --quiet --disable-pip-version-check numpy==2.4.6 pillow==13.0.0 opencv-python-headless==5.0.0.93 tifffile==2026.3.3
cat > look.py <<'PY'
import cv2
import numpy as np
import PIL
import tifffile
from PIL import Image

print("pillow", PIL.__version__, "opencv", cv2.__version__, "tifffile", tifffile.__version__)
stored = np.array([[0, 64, 255]], np.uint8)  # white, light, black
tifffile.imwrite("8.tif", stored, photometric="miniswhite")
tifffile.imwrite("16.tif", stored.astype(np.uint16) * 257, photometric="miniswhite")
seen = {}
for name in ("8.tif", "16.tif"):
    seen[name] = [np.asarray(Image.open(name))[0].tolist(), cv2.imread(name, cv2.IMREAD_UNCHANGED)[0].tolist()]
    print(name, "pillow", seen[name][0], "opencv", seen[name][1])
assert seen["8.tif"] == [[255, 191, 0]] * 2, "8 bits: as the picture"
assert seen["16.tif"] == [[0, 64 * 257, 65535]] * 2, "16 bits: the negative"
PY
venv/bin/python look.py
