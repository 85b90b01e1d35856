"""A store that is slow, answers 500 and 503, cuts its answers, loses them, or is away for a while: moto's S3 server."""

import os
import random
import time
from collections.abc import Callable
from typing import Any

from tests.chaos.line import Line, outcome
from tests.chaos.outcome import Outcome
from tests.faulty_proxy import WELL, Fault, FaultOf, misbehaving
from tests.s3_servers import CREDENTIALS, moto

AWAY_S = 30.0


def sometimes(share: float, *faults: Fault) -> Callable[[random.Random], FaultOf]:
    """Each of the faults for a share of the calls."""

    def of(draw: random.Random) -> FaultOf:
        def fault_of(method: str, path: str) -> Fault:
            place = int(draw.random() / share)
            return faults[place] if place < len(faults) else WELL

        return fault_of

    return of


def away(draw: random.Random) -> FaultOf:
    """Nothing is heard for a while, from a call on that is drawn."""
    calls, begins, until = [0], draw.randint(20, 400), [0.0]

    def fault_of(method: str, path: str) -> Fault:
        calls[0] += 1
        if calls[0] == begins:
            until[0] = time.monotonic() + AWAY_S
        return Fault(unheard=True) if time.monotonic() < until[0] else WELL

    return fault_of


FAULTS: dict[str, Callable[[random.Random], FaultOf]] = {
    "store: 1 call of 100 takes 5 s": sometimes(0.01, Fault(late_s=5)),
    "store: 1 call of 10 answers 500, 1 of 10 503": sometimes(0.1, Fault(status=500), Fault(status=503)),
    "store: 1 answer of 10 is cut half-way": sometimes(0.1, Fault(cut=True)),
    "store: 1 answer of 20 is lost": sometimes(0.05, Fault(lost=True)),
    f"store: away for {AWAY_S:.0f} s": away,
}


def faulty(line: Line, tries: int, undisturbed: dict[str, Any]) -> list[Outcome]:
    """Run the line on a server behind the proxy, fault by fault."""
    return [_faulty(line, tries, undisturbed, name, fault) for name, fault in FAULTS.items()]


def _faulty(
    line: Line, tries: int, undisturbed: dict[str, Any], name: str, fault: Callable[[random.Random], FaultOf]
) -> Outcome:
    itself, again, lost, seconds, met = 0, 0, list[str](), 0.0, [0, 0]
    for number in range(tries):
        of = fault(random.Random(number))

        def counted(method: str, path: str, of: FaultOf = of) -> Fault:
            what = of(method, path)
            met[0], met[1] = met[0] + 1, met[1] + (what is not WELL)
            return what

        with moto() as port, misbehaving(port, counted) as proxy:
            environ = {**os.environ, **CREDENTIALS, "DEFECTORY_S3_ENDPOINT": f"http://127.0.0.1:{proxy}"}
            url = f"s3://chaos-{number}/line"
            first = line.run(url, environ)
            seconds += first.seconds
            ended = first if first.code == 0 else line.run(url, environ)
            seconds += 0.0 if ended is first else ended.seconds
            plain = {**environ, "DEFECTORY_S3_ENDPOINT": f"http://127.0.0.1:{port}"}
            if ended.code:
                lost.append(f"try {number}, {ended.said}")
            elif outcome(url, plain) != undisturbed:
                lost.append(f"try {number}: the result is otherwise")
            elif ended is first:
                itself += 1
            else:
                again += 1
    return Outcome(name, tries, itself, again, tuple(lost), seconds, f"{met[1]} of {met[0]} calls met it")
