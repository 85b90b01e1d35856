#!/usr/bin/env bash
# scikit-image 0.26.0: `imread` makes one colour picture of a TIFF that holds three grey photographs, and a picture with
# transparency of one that holds four; from five on it gives what is there.
#
# A camera that writes a part's exposures, or lamps, as pages of one TIFF gives an array (pages, height, width). For exactly
# three or four pages `imread` moves the first axis to the end, because it takes it for planes of colour, though the file says
# of each page that it is grey ("black is zero"). The shape is that of an ordinary picture, so nothing behind it complains:
# three exposures become red, green and blue. tifffile, which does the reading, gives the array as it is.
#
# Defectory takes no TIFF of several pages, and says how many there are and of which sizes.
set -euo pipefail
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check scikit-image==0.26.0 tifffile==2026.3.3 numpy==2.2.6
cat > pages.py <<'PY'
import numpy as np
import tifffile
from skimage.io import imread

for pages, shape in ((2, (2, 40, 50)), (3, (40, 50, 3)), (4, (40, 50, 4)), (5, (5, 40, 50))):
    tifffile.imwrite("part.tif", np.zeros((pages, 40, 50), np.uint8), photometric="minisblack")
    with tifffile.TiffFile("part.tif") as file:
        assert len(file.pages) == pages and file.pages[0].photometric.name == "MINISBLACK"
    assert tifffile.imread("part.tif").shape == (pages, 40, 50)
    print(f"{pages} grey pages of 40 x 50: {imread('part.tif').shape}")
    assert imread("part.tif").shape == shape
PY
venv/bin/python pages.py
