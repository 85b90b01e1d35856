#!/usr/bin/env bash
# pydantic 2.14.3: JSON lines that were parsed and let go keep hundreds of bytes each, for as long as the process lives.
#
# One would guess that a list of models that nobody holds any more leaves nothing behind. While it parses JSON, pydantic
# keeps strings of less than 64 bytes for later inputs, in a cache of 16,384 places. That is little by itself, but every
# one of these strings lies among the objects of the line that it came with, and Python gives a block of memory back only
# when nothing in it is in use: more than half of all that was read stays, after gc.collect() and malloc_trim(). With
# `cache_strings="keys"` (only the names of fields are kept) next to nothing does.
#
# A service that reads one long manifest in its life would look as if it leaked. Defectory's manifest lines say
# `cache_strings="keys"`; the memory is given back with malloc_trim behind a call.
set -euo pipefail
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && cd "$folder"
python3 -m venv venv && venv/bin/pip install --quiet --disable-pip-version-check pydantic==2.14.3
cat > kept.py <<'PY'
import ctypes
import gc
import json
import sys

from pydantic import BaseModel, ConfigDict, VERSION

LINES = 100_000


class Line(BaseModel):
    model_config = ConfigDict(cache_strings=sys.argv[1] == "all" or "keys")

    uri: str
    digest: str
    label: str
    group: str
    source: str


def resident():
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return int(open("/proc/self/statm").read().split()[1]) * 4096


def texts():
    for i in range(LINES):
        yield json.dumps({"uri": f"file:///srv/store/datasets/parts/images/{i:064x}.png", "digest": f"{i:064x}",
                          "label": "good", "group": f"found-{i}", "source": f"good/{i:06d}.png"})


for text in texts():  # what is loaded and allocated once
    json.loads(text)
before = resident()
lines = [Line.model_validate_json(text) for text in texts()]
held = resident() - before
del lines
print(f"pydantic {VERSION}, cache_strings={sys.argv[1]}: held {held >> 20} MB, kept {(resident() - before) >> 20} MB")
open(sys.argv[1], "w").write(str((resident() - before) / held))
PY
venv/bin/python kept.py all
venv/bin/python kept.py keys
python3 -c 'assert float(open("all").read()) > 0.2 and float(open("keys").read()) < 0.1, "the behaviour changed"'
echo "pydantic 2.14.3: as described"
