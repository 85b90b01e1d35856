"""Reads bytes of others in a process of its own, whose memory is bounded: `python -m tests.fuzz.child TARGET`.

Standard input: a line of JSON {"name", "length"}, then so many bytes, again and again. Standard output: a line of JSON
for each, {"outcome": "read" | "refused" | "fails", "why", "peak_mb"}. A process that ends has crashed on its input.
"""

import json
import os
import resource
import sys
import traceback
import warnings
from pathlib import Path

from tests.fuzz.targets import TARGETS

MEMORY_BYTES = 2 << 30  # beyond what it has after its imports: a picture of 100 megapixels takes 0.9 GB
IMPORTS = {
    "classifier": ("services.classifier.bundle", "services.classifier.golden"),
    "generator": ("services.generator.bundle",),
    "pickled": ("services.generator.importing.importing",),
}


def main() -> None:
    """Answer until the input ends."""
    target = TARGETS[sys.argv[1]]
    for module in IMPORTS.get(sys.argv[1].split()[0], ()):
        __import__(module)
    answers, sys.stdout = sys.stdout, sys.stderr
    warnings.simplefilter("ignore")  # of what libraries say of odd files
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * os.sysconf("SC_PAGE_SIZE") + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    while line := sys.stdin.buffer.readline():
        asked = json.loads(line)
        data = sys.stdin.buffer.read(asked["length"])
        outcome, why = "read", ""
        try:
            target.read(asked["name"], data)
        except target.refuses as error:
            outcome, why = "refused", str(error)[:300]
        except BaseException:
            outcome, why = "fails", traceback.format_exc(limit=-6)
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        answers.write(json.dumps({"outcome": outcome, "why": why, "peak_mb": peak_mb}) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
