#!/usr/bin/env bash
# OpenCV 4.12.0: what cameras call BayerRG8 is COLOR_BayerBG2RGB. By the name that is the same, red and blue are exchanged.
#
# A camera's pixel format (GenICam's BayerRG8, BayerGB8, …) is named after the first two pixels of the first row: red, green.
# OpenCV's older names are after the second row's second and third pixel. So `COLOR_BayerRG2RGB` on a picture of BayerRG8 gives
# a colour picture that looks right in shape and sharpness, and shows rust as blue; on grey parts nobody sees it. Names that
# mean what they say came with 4.5.2: COLOR_BayerRGGB2RGB.
#
# Defectory takes pictures that a camera's software has made colour; this is for whoever writes them.
set -euo pipefail
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check opencv-python-headless==4.12.0.88 numpy==2.2.6
cat > bayer.py <<'PY'
import cv2
import numpy as np

raw = np.zeros((8, 8), np.uint8)
raw[0::2, 0::2] = 200  # BayerRG8 of a red part: red is at the even rows and columns, all else is dark
seen = {name: cv2.cvtColor(raw, getattr(cv2, name))[4, 4].tolist()
        for name in ("COLOR_BayerRG2RGB", "COLOR_BayerBG2RGB", "COLOR_BayerRGGB2RGB")}
for name, colour in seen.items():
    print(f"{name}: red, green, blue = {colour}")
assert seen["COLOR_BayerRG2RGB"] == [0, 0, 200]
assert seen["COLOR_BayerBG2RGB"] == seen["COLOR_BayerRGGB2RGB"] == [200, 0, 0]
PY
venv/bin/python bayer.py
