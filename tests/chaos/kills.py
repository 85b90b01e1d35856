"""kill -9 of each service, of a worker and of the orchestrator, each at a moment of its life."""

import os
import random
import signal
from collections import Counter
from contextlib import suppress
from typing import Any

from tests.chaos.line import VICTIMS, Line, outcome
from tests.chaos.outcome import Outcome


def lifetimes(line: Line, url: str) -> dict[str, float]:
    """Run the line undisturbed; for how long each of its processes lives, seconds."""
    lived: dict[str, float] = {}

    def seen(victim: str, pids: list[int], seconds: float) -> None:
        lived[victim] = seconds

    ended = line.run(url, seen=seen)
    if ended.code:
        raise SystemExit(f"the line does not run undisturbed: {ended.said}")
    return lived


def killed(line: Line, tries: int, lived: dict[str, float], undisturbed: dict[str, Any]) -> list[Outcome]:
    """In each try each victim is killed once."""
    done: Counter[str] = Counter()
    again, seconds, lost = 0, 0.0, list[str]()
    for number in range(tries):
        draw = random.Random(number)
        moments = {victim: draw.uniform(0, lived[victim]) for victim in VICTIMS if victim in lived}
        url, left = line.new_store(), dict(moments)

        def seen(victim: str, pids: list[int], seconds: float, left: dict[str, float] = left) -> None:
            if victim in left and seconds >= left[victim]:
                del left[victim]
                done[victim] += 1
                with suppress(ProcessLookupError):  # it has just ended
                    os.kill(pids[0], signal.SIGKILL)

        while True:
            before = done["orchestrator"]
            ended = line.run(url, seen=seen)
            seconds += ended.seconds
            if done["orchestrator"] == before or ended.code == 0:
                break
        if ended.code:  # what a person would do
            ended = line.run(url, seen=seen)
            seconds, again = seconds + ended.seconds, again + 1
        if ended.code:
            lost.append(f"try {number}, {ended.said}")
        elif outcome(url) != undisturbed:
            lost.append(f"try {number}: {_different(outcome(url), undisturbed)} is otherwise")
    kills = ", ".join(f"{victim} {done[victim]}" for victim in VICTIMS)
    fault = "kill -9 of orchestrator, each service and a worker, in one run, at random moments"
    return [
        Outcome(
            fault, done.total(), done.total() - again - len(lost), again, tuple(lost), seconds,
            f"{tries} runs; kills: {kills}. A killed orchestrator's command was given again, which counts as by itself",
        )
    ]  # fmt: skip


def _different(one: dict[str, Any], other: dict[str, Any]) -> str:
    return ", ".join(key for key in one if one[key] != other.get(key))
