#!/usr/bin/env bash
# ImageHash 4.3.2 on Pillow 13.0.0: all photographs of 16 bits have one and the same perceptual hash, so any two of them are
# "duplicates" at a distance of 0.
#
# One would guess that a hash of a picture's structure does not depend on how many bits the camera gives. Every hash begins
# with `convert("L")`, and Pillow's conversion of a picture of 16 bits ("I;16") does not scale: whatever is above 255 becomes
# 255. A camera's 10, 12 or 16 bits lie above that nearly everywhere, so a white square is hashed. The same two pictures in 8
# bits are 20 bits of 64 and more apart. Nothing is said. Tools that look for near-duplicates with ImageHash inherit it.
#
# Defectory compares pictures by a descriptor of its own that is computed from all bits.
set -euo pipefail
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check ImageHash==4.3.2 pillow==13.0.0 numpy==2.2.6
cat > hashes.py <<'PY'
import imagehash
import numpy as np
from PIL import Image

for seed in (1, 2):  # 8 x 8 fields of random grey, from 5 to 95% of the range
    fields = np.random.default_rng(seed).uniform(0.05, 0.95, (8, 8))
    picture = np.kron(fields, np.ones((32, 32)))
    Image.fromarray((picture * 65535).astype(np.uint16)).save(f"{seed}-16.png")
    Image.fromarray((picture * 255).astype(np.uint8)).save(f"{seed}-8.png")

for bits, modes in ((16, "I;16"), (8, "L")):
    one, other = (Image.open(f"{seed}-{bits}.png") for seed in (1, 2))
    assert one.mode == other.mode == modes
    apart = {name: int(getattr(imagehash, name)(one) - getattr(imagehash, name)(other))
             for name in ("average_hash", "phash", "dhash", "whash")}
    print(f"{bits} bits: bits of 64 that differ: {apart}")
    assert all(d == 0 for d in apart.values()) if bits == 16 else all(d >= 20 for d in apart.values())

print("lowest and highest grey that is hashed:", Image.open("1-16.png").convert("L").getextrema())
assert Image.open("1-16.png").convert("L").getextrema() == (255, 255)
PY
venv/bin/python hashes.py
