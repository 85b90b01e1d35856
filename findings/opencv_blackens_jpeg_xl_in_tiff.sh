#!/usr/bin/env bash
# OpenCV 5.0.0: a TIFF with JPEG XL or JPEG 2000 inside is read as a black picture where it has 8 bits.
#
# One would guess that imread gives None, its way of saying that it cannot read a file; that is what it does at 16 bits.
# What happens: at 8 bits imread returns a picture of the right size in which every pixel is 0, whole or tiled, grey or in
# colour. The only trace is a line of its log on stderr. GDAL writes JPEG XL into TIFF, microscopes and scanners JPEG 2000;
# a training set is then full of equal black pictures.
#
# Defectory reads both with tifffile and imagecodecs; a block that is of another size than the page says is refused.
set -euo pipefail
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && cd "$folder"
python3 -m venv venv && venv/bin/pip install --quiet --disable-pip-version-check numpy==2.4.6 opencv-python-headless==5.0.0.93 tifffile==2026.3.3 imagecodecs==2026.3.6
cat > look.py <<'PY'
import cv2
import numpy as np
import tifffile

print("opencv", cv2.__version__, "tifffile", tifffile.__version__)
grey = np.full((16, 16), 200, np.uint8)
for codec in ("jpegxl", "jpeg2000"):
    tifffile.imwrite("8.tif", grey, compression=codec)
    tifffile.imwrite("16.tif", grey.astype(np.uint16) * 257, compression=codec)
    assert (tifffile.imread("8.tif") == grey).all()
    eight, sixteen = (cv2.imread(name, cv2.IMREAD_UNCHANGED) for name in ("8.tif", "16.tif"))
    print(codec, "8 bits:", eight.shape, "brightest", eight.max(), "| 16 bits:", sixteen)
    assert eight.shape == (16, 16)
    assert eight.max() == 0, "black, and no error"
    assert sixteen is None
PY
venv/bin/python look.py
