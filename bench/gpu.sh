#!/bin/sh
# Checks and figures of one GPU, in at most 8 minutes, on a machine that may have no network: see bench/gpu/__main__.py.
#
#   bench/gpu.sh [--reference CHECKOUT] [--page PAGE]
#
# It needs a python3 (or $PYTHON) with torch, numpy, pillow and safetensors. What else the generator imports it takes
# from $WHEELS (build/gpu-wheels), where the same command fills that folder on a machine with a network:
#
#   bench/gpu.sh --carry 3.12    # the version of the Python there
set -eu
cd "$(dirname "$0")/.."
WHEELS=${WHEELS:-build/gpu-wheels}

if [ "${1:-}" = --carry ]; then
  mkdir -p "$WHEELS"
  exec "${PYTHON:-.venv/bin/python}" -m pip download --quiet --no-deps --only-binary :all: --python-version "$2" \
    --platform manylinux2014_x86_64 --platform any --dest "$WHEELS" \
    --constraint constraints.txt annotated-types pydantic pydantic-core structlog typing-extensions typing-inspection
fi

PYTHON=${PYTHON:-python3}
unpacked=$(mktemp -d)
trap 'rm -rf "$unpacked"' EXIT
for wheel in "$WHEELS"/*.whl; do
  [ -e "$wheel" ] || continue
  "$PYTHON" -m zipfile -e "$wheel" "$unpacked"
done
PYTHONPATH="$PWD:$unpacked${PYTHONPATH:+:$PYTHONPATH}" timeout "${LIMIT_S:-480}" "$PYTHON" -m bench.gpu "$@"
