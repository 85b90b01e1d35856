"""How many synthetic images a round makes, and when no other round is worth its time."""

import math

MIN_ACCEPTANCE = 0.1  # rounds are not planned for less: a generator that bad is not saved by asking for more
MAX_ROUND = 4  # largest round, in multiples of the quota
WORTH = 0.5  # of the quota: fewer images change little in a training, and a report says that they were too few


def round_size(wanted: int, accepted: int, synthesised: int, surplus: float) -> int:
    """Images to make in the next round: with surplus at first, then what the acceptance so far says, a tenth more."""
    if synthesised == 0:
        return math.ceil(wanted * surplus)
    acceptance = max(accepted / synthesised, MIN_ACCEPTANCE)
    return min(math.ceil(1.1 * (wanted - accepted) / acceptance), MAX_ROUND * wanted)


def is_worth_another(wanted: int, accepted: int, synthesised: int, rounds_left: int) -> bool:
    """Whether the rounds that are left can bring a part of the quota that is worth having, at the best that may be.

    That is the upper end of the acceptance's 95% interval, and every round as large as one gets.

    Args:
        wanted: the quota. synthesised: images so far, of which so many were accepted.
    """
    if accepted >= wanted or rounds_left <= 0:
        return False
    if synthesised == 0:
        return True
    from defectory.statistics import rate_interval

    best = rate_interval(accepted, synthesised)[1]
    return accepted + best * rounds_left * MAX_ROUND * wanted >= WORTH * wanted
