#!/usr/bin/env bash
# Pillow 13.0.0, OpenCV 5.0.0 and tifffile 2026.3.3: of a TIFF whose first page is a thumbnail, the thumbnail is read.
#
# One would guess that NewSubfileType 1 ("a reduced-resolution version of another image in this file") makes a reader pass
# over the page, at least tifffile's, which knows pyramids.
# What happens: all three give the thumbnail by default: Image.open, imread and tifffile.imread. Raw files of still cameras
# (DNG, NEF) and some scanners' files begin with one. Seen at 64 px, a set of thumbnails looks like a set of photographs;
# the defect is no longer on them.
#
# Defectory takes the one page that is no smaller copy and no mask, looks below the first page as well, and refuses a file of
# several.
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
with tifffile.TiffWriter("scan.tif") as writer:
    writer.write(np.full((4, 5), 9, np.uint8), subfiletype=1)
    writer.write(np.full((400, 500), 200, np.uint8))
sizes = {
    "pillow": Image.open("scan.tif").size,
    "opencv": cv2.imread("scan.tif", cv2.IMREAD_UNCHANGED).shape[::-1],
    "tifffile": tifffile.imread("scan.tif").shape[::-1],
}
print(sizes)
assert set(sizes.values()) == {(5, 4)}, "the thumbnail"
PY
venv/bin/python look.py
