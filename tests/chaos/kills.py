"""kill -9 of each service, of a worker and of the orchestrator, each at a moment of its life."""

import json
import os
import random
import signal
from collections import Counter
from contextlib import suppress
from typing import Any

from tests.chaos.line import VICTIMS, Ended, Line, outcome
from tests.chaos.outcome import Outcome


def lifetimes(line: Line) -> tuple[str, dict[str, float]]:
    """The undisturbed run, of now or an earlier time: its store, and for how long each process lived, seconds."""
    remembered = line.folder / "undisturbed.json"
    if remembered.exists():
        url, lived = json.loads(remembered.read_text())
        return url, lived
    url, lived = line.new_store(), {}

    def seen(victim: str, pids: list[int], seconds: float) -> None:
        lived[victim] = seconds

    ended = line.run(url, seen=seen)
    if ended.code:
        raise SystemExit(f"the line does not run undisturbed: {ended.said}")
    remembered.write_text(json.dumps([url, lived]))
    return url, lived


def killed(line: Line, tries: int, lived: dict[str, float], undisturbed: dict[str, Any]) -> list[Outcome]:
    """In each try each victim is killed once."""
    done: Counter[str] = Counter()
    again, seconds, lost, gave_up = 0, 0.0, list[str](), list[str]()
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

        ended, failed = Ended(1, "", 0.0), 0
        while ended.code and failed < 2:
            before = done["orchestrator"]
            ended = line.run(url, seen=seen)
            seconds += ended.seconds
            if ended.code and done["orchestrator"] == before:  # it gave up by itself: what a person would do
                failed += 1
                gave_up.append(ended.said)
        again += failed == 1 and not ended.code
        if ended.code:
            lost.append(f"try {number}, {ended.said}")
        elif outcome(url) != undisturbed:
            lost.append(f"try {number}: {_different(outcome(url), undisturbed)} is otherwise")
    kills = ", ".join(f"{victim} {done[victim]}" for victim in VICTIMS)
    notes = f"kills: {kills}; a killed orchestrator's command is given again, which counts as by itself"
    if gave_up:
        notes += f"; ended before it was given again: {' and '.join(gave_up)}"
    fault = "kill -9 of the orchestrator, each service and a worker, all in each run, at random moments"
    return [Outcome(fault, tries, tries - again - len(lost), again, tuple(lost), seconds, notes)]


def _different(one: dict[str, Any], other: dict[str, Any]) -> str:
    return ", ".join(key for key in one if one[key] != other.get(key))
