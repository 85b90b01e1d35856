#!/usr/bin/env bash
# Keras 3.15.1: the NumPy backend (KERAS_BACKEND=numpy) needs SciPy and JAX, which Keras neither installs nor names.
#
# Keras installs NumPy and has a backend of that name, for inference without a framework: one would guess that it is the
# one backend that needs nothing more. Without SciPy and without JAX, `import keras` fails in that backend: its FFTs are
# JAX's, and with them comes the whole JAX backend. So a small image for inference on NumPy alone is not to be had.
#
# Defectory exports to ONNX and TFLite for programs without a framework, and never asks for this backend.
set -euo pipefail
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && cd "$folder"
python3 -m venv venv
missing() { KERAS_BACKEND=numpy venv/bin/python -c "
try:
    import keras
    print('nothing')
except ModuleNotFoundError as error:
    print(error.name)"; }
venv/bin/pip install --quiet --disable-pip-version-check keras==3.15.1 numpy==2.4.6
first=$(missing)
venv/bin/pip install --quiet --disable-pip-version-check scipy==1.17.1
second=$(missing)
echo "what 'import keras' in the NumPy backend lacks: $first; with SciPy: $second"
test "$first $second" = "scipy jax"
echo "keras 3.15.1: as described"
