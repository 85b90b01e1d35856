"""Looks for failing inputs: one round in the normal tests, round upon round in `make fuzz` until its time is over."""

import os
import time
from collections import Counter
from collections.abc import Callable
from typing import TypeVar

import hypothesis
from hypothesis.strategies import SearchStrategy

Input = TypeVar("Input")

SECONDS = float(os.environ.get("FUZZ_SECONDS", "0"))  # of each target; 0: one round
ROUND = 40  # inputs
TALLIES: dict[str, Counter[str]] = {}  # target -> outcome -> inputs, which the end of the tests says


def search(
    target: str,
    inputs: SearchStrategy[Input],
    outcome_of: Callable[[Input], str],
    round_: int = ROUND,
    seconds: float = SECONDS,
) -> None:
    """Try inputs until the time is over; fails where `outcome_of` fails, with the smallest such input there is."""
    tally, until, number = TALLIES.setdefault(target, Counter()), time.monotonic() + seconds, 0
    settings = hypothesis.settings(
        max_examples=10 * round_ if seconds else round_, deadline=None, database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )  # fmt: skip

    def check(one: Input) -> None:
        if seconds and time.monotonic() > until:
            return
        tally[outcome_of(one)] += 1

    while number == 0 or time.monotonic() < until:
        hypothesis.seed(number)(settings(hypothesis.given(inputs)(check)))()
        number += 1
