"""A store that is slow, answers 500 and 503, cuts its answers, loses them, or is away for a while: moto's S3 server."""

import os
import random
import time
from collections.abc import Callable
from typing import Any

from tests.chaos.line import Line
from tests.chaos.outcome import Outcome
from tests.chaos.tries import Tries
from tests.faulty_proxy import WELL, Fault, FaultOf, misbehaving
from tests.s3_servers import CREDENTIALS, moto

AWAY_S = 30.0


def mixed(draw: random.Random) -> FaultOf:
    """Of 100 calls 4 answer 500, 4 answer 503, of 4 the answer is cut half-way, of 4 it is lost, and 1 takes 5 s."""
    faults = [Fault(status=500), Fault(status=503), Fault(cut=True), Fault(lost=True)] * 4 + [Fault(late_s=5)]

    def fault_of(method: str, path: str) -> Fault:
        place = draw.randrange(100)
        return faults[place] if place < len(faults) else WELL

    return fault_of


def away(draw: random.Random) -> FaultOf:
    """Nothing is heard for a while, from a call on that is drawn."""
    calls, begins, until = [0], draw.randint(20, 400), [0.0]

    def fault_of(method: str, path: str) -> Fault:
        calls[0] += 1
        if calls[0] == begins:
            until[0] = time.monotonic() + AWAY_S
        return Fault(unheard=True) if time.monotonic() < until[0] else WELL

    return fault_of


def faulty(line: Line, tries: int, undisturbed: dict[str, Any]) -> list[Outcome]:
    """Run the line on a server that fails now and then."""
    name = "store: of 100 calls 4 answer 500, 4 503, 4 are cut half-way, 4 answers are lost, 1 takes 5 s"
    return [_faulty(line, tries, undisturbed, name, mixed)]


def outage(line: Line, tries: int, undisturbed: dict[str, Any]) -> list[Outcome]:
    """Run the line on a server that goes away and comes back."""
    return [_faulty(line, tries, undisturbed, f"store: away for {AWAY_S:.0f} s", away)]


def _faulty(
    line: Line, tries: int, undisturbed: dict[str, Any], name: str, fault: Callable[[random.Random], FaultOf]
) -> Outcome:
    done, met = Tries(line, undisturbed), [0, 0]
    for number in range(tries):
        of = fault(random.Random(number))

        def counted(method: str, path: str, of: FaultOf = of) -> Fault:
            what = of(method, path)
            met[0], met[1] = met[0] + 1, met[1] + (what is not WELL)
            return what

        with moto() as port, misbehaving(port, counted) as proxy:
            environ = {**os.environ, **CREDENTIALS, "DEFECTORY_S3_ENDPOINT": f"http://127.0.0.1:{proxy}"}
            plain = {**environ, "DEFECTORY_S3_ENDPOINT": f"http://127.0.0.1:{port}"}
            done.run(f"s3://chaos-{number}/line", environ, plain)
    return done.outcome(name, f"{met[1]} of {met[0]} calls met it")
