#!/usr/bin/env bash
# Pillow 13.0.0: a BMP of 8 or 4 bits a pixel and the two colours black and white is read as if it had 1 bit a pixel.
#
# One would guess that Pillow reads back what it wrote. A "P" image with a palette of black and white is written as BMP of
# 8 bits a pixel with two palette entries, as the format allows and other tools do. On reading, Pillow sees that the
# palette is black and white, calls the image bilevel (mode "1") and unpacks 8 pixels from every byte that holds one.
# There is no error and no warning, the size is right, and most of what was marked is gone: 6 of 56 pixels stay, where
# OpenCV finds all 56. imageio and scikit-image read BMP through Pillow. Masks of defects are such files, and a mask that
# comes out black makes a faulty part a good one.
#
# Defectory adds a third palette entry to the bytes of such a file before Pillow sees them.
set -euo pipefail
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && cd "$folder"
python3 -m venv venv && venv/bin/pip install --quiet --disable-pip-version-check pillow==13.0.0 numpy==2.4.6 opencv-python-headless==5.0.0.93
cat > two.py <<'PY'
import cv2
import numpy as np
from PIL import Image

marked = np.zeros((6, 40), np.uint8)
marked[1:3, 2:30] = 1
mask = Image.fromarray(marked).convert("P")
mask.putdata(marked.ravel().tolist())
mask.putpalette([0, 0, 0, 255, 255, 255])
mask.save("mask.bmp")
head = open("mask.bmp", "rb").read(54)
read = Image.open("mask.bmp")
pillow, opencv = np.asarray(read.convert("L")) > 0, cv2.imread("mask.bmp", cv2.IMREAD_GRAYSCALE) > 0
print("bits a pixel:", head[28], "- palette entries:", head[46])
print("marked:", int(marked.sum()), "- OpenCV reads", int(opencv.sum()), f'- Pillow (mode "{read.mode}") reads', int(pillow.sum()))
assert head[28] == 8 and head[46] == 2 and (opencv == (marked > 0)).all()
assert read.mode == "1" and pillow.sum() < marked.sum() / 2, "the behaviour changed"
PY
venv/bin/python two.py
echo "Pillow 13.0.0: as described"
