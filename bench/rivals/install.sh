#!/bin/bash
# Virtual environments for the rivals: bash bench/rivals/install.sh FOLDER, with our own environment's python first on PATH.
# Each has its server's own packages; TensorFlow, OpenVINO and Pillow come from our environment, behind them.
set -euo pipefail
folder=$1
shared=$(python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
for name in litserve bentoml mlserver; do
  python -m venv "$folder/$name"
  "$folder/$name/bin/pip" install --quiet "$name" $([ $name = litserve ] && echo python-multipart)
  echo "$shared" > "$(echo "$folder/$name"/lib/python3*/site-packages)/zz_shared.pth"
done
