"""Two orchestrators on one run at the same time: one carries it out, the other is told who does."""

import threading
import time
from typing import Any

from defectory.errors import FailedPrecondition
from defectory.exit_codes import EXIT_CODES
from tests.chaos.line import Ended, Line, outcome
from tests.chaos.outcome import Outcome

REFUSED = EXIT_CODES[FailedPrecondition]


def twice(line: Line, tries: int, undisturbed: dict[str, Any]) -> list[Outcome]:
    """Start the same command twice, as good as at once."""
    lost, started = list[str](), time.monotonic()
    for number in range(tries):
        url, ends = line.new_store(), list[Ended]()
        both = [threading.Thread(target=lambda url=url, ends=ends: ends.append(line.run(url))) for _ in range(2)]
        for thread in both:
            thread.start()
        for thread in both:
            thread.join()
        codes = sorted(ended.code for ended in ends)
        if codes != [0, REFUSED] or "is being carried out by another process" not in "".join(e.errors for e in ends):
            lost.append(f"try {number}, " + " and ".join(ended.said for ended in ends))
        elif outcome(url) != undisturbed:
            lost.append(f"try {number}: the result is otherwise")
    return [
        Outcome(
            "two orchestrators on one run", tries, tries - len(lost), 0, tuple(lost), time.monotonic() - started,
            "the second one ends with a sentence that names the first",
        )
    ]  # fmt: skip
