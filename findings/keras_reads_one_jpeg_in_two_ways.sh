#!/usr/bin/env bash
# Keras 3.15.1 on tensorflow-cpu 2.21.0: of one JPEG, `load_img` and `image_dataset_from_directory` give different pixels, by up
# to some levels of 255 and one in the mean.
#
# One would guess that one library reads a file in one way. `load_img` asks Pillow, `image_dataset_from_directory` asks
# TensorFlow, whose JPEG decoder takes the faster, less exact cosine transform unless it is told otherwise (`dct_method=""` is
# "INTEGER_FAST"); with "INTEGER_ACCURATE" the pixels are Pillow's and OpenCV's. So a network that was trained from a folder sees
# a little other pictures in service, where Pillow or OpenCV reads, and a test that compares answers fails at the last digits.
#
# Defectory reads every file by one door (defectory/imaging), in training and in service.
set -euo pipefail
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check tensorflow-cpu==2.21.0 keras==3.15.1 pillow==13.0.0 numpy==2.4.6
cat > jpeg.py <<'PY'
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

fields = np.random.default_rng(0).integers(0, 255, (12, 12, 3), dtype=np.uint8)
Path("photos/part").mkdir(parents=True)
Image.fromarray(fields).resize((224, 224), Image.Resampling.BICUBIC).save("photos/part/a.jpg", quality=90)

by_name = np.asarray(keras.utils.load_img("photos/part/a.jpg"), np.float32)
folder = keras.utils.image_dataset_from_directory("photos", image_size=(224, 224), batch_size=None, verbose=False)
from_folder = next(iter(folder))[0].numpy()
exact = tf.io.decode_jpeg(Path("photos/part/a.jpg").read_bytes(), dct_method="INTEGER_ACCURATE").numpy()
apart = np.abs(by_name - from_folder)
print(f"load_img and image_dataset_from_directory: {apart.max():.0f} levels apart at most, {apart.mean():.2f} in the mean")
print("load_img and the exact transform:", np.abs(by_name - exact).max())
assert apart.max() >= 3 and apart.mean() > 0.5
assert np.array_equal(by_name, exact)
PY
CUDA_VISIBLE_DEVICES= TF_CPP_MIN_LOG_LEVEL=3 venv/bin/python jpeg.py 2>/dev/null
