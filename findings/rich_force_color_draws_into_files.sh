#!/usr/bin/env bash
# rich 15.0.0: FORCE_COLOR=1 does more than colour. A file or a pipe counts as a terminal then, and a live display draws
# over itself in it: frame after frame, with the cursor hidden and moved.
#
# One would guess that the variable means what its name and https://force-color.org say, colours where there would be
# none, and that `console.is_terminal`, which rich's own Progress and Live ask, still says whether it is one. CI systems
# set it for colours in their logs, and get every frame of a spinner in them as a line of its own or as escape codes.
#
# Defectory asks the file itself as well before it draws.
set -euo pipefail
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check rich==15.0.0
cat > bar.py <<'PY'
import sys
import time

from rich.console import Console
from rich.progress import Progress

console = Console(file=sys.stdout)
print("is_terminal", console.is_terminal, "isatty", console.file.isatty(), file=sys.stderr)
with Progress(console=console, refresh_per_second=20) as progress:
    for _ in progress.track(range(10)):
        time.sleep(0.1)
PY
for force in "" 1; do
  FORCE_COLOR=$force TERM=xterm venv/bin/python bar.py > "out$force" 2> "said$force"
  frames=$({ grep -o $'\x1b\\[2K' "out$force" || true; } | wc -l)
  echo "FORCE_COLOR='$force' into a file: $(cat "said$force"), lines cleared and drawn again: $frames"
  echo "$frames" > "frames$force"
done
[ "$(cat frames)" -eq 0 ] || { echo "changed: without FORCE_COLOR a file is drawn over as well"; exit 1; }
[ "$(cat frames1)" -gt 5 ] || { echo "changed: with FORCE_COLOR a file is drawn over no more"; exit 1; }
grep -q "is_terminal True isatty False" said1
echo "as described: FORCE_COLOR makes a file a terminal that is drawn over"
