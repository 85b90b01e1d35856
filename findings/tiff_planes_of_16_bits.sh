#!/usr/bin/env bash
# Pillow 13.0.0: of a 16-bit RGB TIFF whose colours lie in planes, the lower byte of every value is taken.
#
# One would guess that Pillow, which has no 16-bit colour, keeps the upper 8 bits, as it does where the colours are
# interleaved.
# What happens: with PlanarConfiguration 2 and little-endian values the picture is made of the lower bytes: noise that
# has nothing to do with the photograph, of the right size and mode, without a warning. The same file in big-endian order
# is right. OpenCV and tifffile read both.
#
# Defectory reads colours of more than 8 bits with tifffile.
set -euo pipefail
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && cd "$folder"
python3 -m venv venv && venv/bin/pip install --quiet --disable-pip-version-check numpy==2.4.6 pillow==13.0.0 tifffile==2026.3.3
cat > look.py <<'PY'
import numpy as np
import PIL
import tifffile
from PIL import Image

print("pillow", PIL.__version__)
colours = np.full((4, 5, 3), (0x8011, 0x4022, 0xC033), np.uint16)
planes = np.moveaxis(colours, -1, 0)
tifffile.imwrite("interleaved.tif", colours, photometric="rgb")
tifffile.imwrite("planes.tif", planes, photometric="rgb", planarconfig="separate")
tifffile.imwrite("planes-big-endian.tif", planes, photometric="rgb", planarconfig="separate", byteorder=">")
seen = {}
for name in ("interleaved.tif", "planes.tif", "planes-big-endian.tif"):
    seen[name] = Image.open(name).getpixel((0, 0))
    print(name, [hex(value) for value in seen[name]])
assert seen["interleaved.tif"] == seen["planes-big-endian.tif"] == (0x80, 0x40, 0xC0)
assert seen["planes.tif"] == (0x11, 0x22, 0x33), "the lower bytes"
PY
venv/bin/python look.py
