"""A disk that is too small under the folder store: a small file system in memory, in a mount namespace of its own."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from defectory.errors import Exhausted, FailedPrecondition
from defectory.exit_codes import EXIT_CODES
from tests.chaos.line import THREADS, Line
from tests.chaos.outcome import Outcome
from tests.e2e.line import ROOT

STOPPED = {str(EXIT_CODES[Exhausted]), str(EXIT_CODES[FailedPrecondition])}  # by the write, or by the look before it
ROOM = r"no space left for|make room, or name another place"
SCRIPT = """
set -e
mount -t tmpfs -o size="$2" tmpfs "$1"
code=0; "$3" -m orchestrator.cli.main run "$4" --store "file://$1/store" --json > /dev/null 2> "$5" || code=$?
echo "$code" > "$6"
mount -o remount,size=400m "$1"
"$3" -m orchestrator.cli.main run "$4" --store "file://$1/store" --json > /dev/null 2>> "$5"
"$3" -m tests.chaos.disk "file://$1/store" "$7"
"""


def full(line: Line, tries: int, undisturbed: dict[str, Any]) -> list[Outcome]:
    """Run the line where there is room for a part of it, make room, and give the same command again."""
    lost, again, started = list[str](), 0, time.monotonic()
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-Urm", "true"], capture_output=True).returncode:
        return [
            Outcome(
                "disk too small under the folder store, then room", 0, 0, 0, (), 0, "not tried: no user namespaces here"
            )
        ]
    for number in range(tries):
        place = line.folder / f"disk-{time.monotonic_ns()}"
        place.mkdir()
        errors, code, result = (place.with_suffix(f".{name}") for name in ("errors", "code", "result"))
        size = f"{(2, 5, 9, 13)[number % 4]}m"
        done = subprocess.run(
            ["unshare", "-Urm", "sh", "-c", SCRIPT, "sh", place, size, sys.executable, line.folder / "line.yaml",
             errors, code, result], cwd=ROOT, env={**os.environ, **THREADS},
        )  # fmt: skip
        said = errors.read_text() if errors.exists() else ""
        if done.returncode or not code.exists():
            lost.append(f"try {number}, {size}: does not go on once there is room ({said[-200:]})".replace("\n", " "))
        elif code.read_text().strip() not in STOPPED or "Traceback" in said or not re.search(ROOM, said):
            lost.append(f"try {number}, {size}: exit code {code.read_text().strip()}, no sentence about it")
        elif result.read_text() != repr(sorted(undisturbed.items())):
            lost.append(f"try {number}, {size}: the result is otherwise")
        else:
            again += 1
    notes = "of 2 to 13 MB; the command looks before it begins, ends with a sentence, and goes on once there is room"
    seconds = time.monotonic() - started
    return [Outcome("disk too small under the folder store, then room", tries, 0, again, tuple(lost), seconds, notes)]


if __name__ == "__main__":  # inside of the namespace, where the store is
    from tests.chaos.line import outcome

    Path(sys.argv[2]).write_text(repr(sorted(outcome(sys.argv[1]).items())))
