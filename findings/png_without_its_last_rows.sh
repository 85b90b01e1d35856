#!/usr/bin/env bash
# Pillow 13.0.0: a PNG whose pixel data ends after any whole row is read, and verify() passes; what is missing is black.
#
# One would guess that a PNG with half of its rows is "truncated", as Pillow says when a byte less is there.
# What happens: where the compressed data ends exactly with a row, load() gives a picture of the full height whose rest is
# 0, and verify() has no complaint. Of a picture of one pixel a row (a column of a line camera, a profile) every second
# place is the end of a row. libpng's users (OpenCV, imagecodecs) refuse the file.
#
# Defectory counts the pixel data where the last row is black, and asks for the end of the file always.
set -euo pipefail
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && cd "$folder"
python3 -m venv venv && venv/bin/pip install --quiet --disable-pip-version-check numpy==2.4.6 pillow==13.0.0 opencv-python-headless==5.0.0.93
cat > look.py <<'PY'
import io
import struct
import zlib

import cv2
import numpy as np
import PIL
from PIL import Image

WIDE, HIGH = 10, 8
print("pillow", PIL.__version__, "opencv", cv2.__version__)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(pixels: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", WIDE, HIGH, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")


row = b"\0" + b"\xc8" * WIDE  # the filter's byte and ten pixels of 200
half = png(row * (HIGH // 2))
Image.open(io.BytesIO(half)).verify()
seen = np.asarray(Image.open(io.BytesIO(half)))[:, 0].tolist()
print("half of the rows: pillow", seen, "opencv", cv2.imdecode(np.frombuffer(half, np.uint8), cv2.IMREAD_UNCHANGED))
assert seen == [200] * 4 + [0] * 4
assert cv2.imdecode(np.frombuffer(half, np.uint8), cv2.IMREAD_UNCHANGED) is None
try:
    Image.open(io.BytesIO(png((row * (HIGH // 2))[:-1]))).load()
except OSError as error:
    print("a byte less:", error)
else:
    raise SystemExit("a byte less is read as well")
PY
venv/bin/python look.py
