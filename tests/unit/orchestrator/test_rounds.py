"""Rounds are as large as the acceptance asks for, and end where no more of them can bring half of the quota."""

import pytest
from scipy import stats

from orchestrator.pipeline.rounds import is_worth_another, round_size


@pytest.mark.parametrize(
    ("accepted", "drawn", "size"),
    [(0, 0, 125), (50, 125, 138), (99, 125, 2), (0, 125, 400), (10, 1000, 400)],
)
def test_rounds_are_as_large_as_the_acceptance_asks_for_within_bounds(accepted: int, drawn: int, size: int) -> None:
    assert round_size(100, accepted, drawn, 1.25) == size


@pytest.mark.parametrize(
    ("accepted", "drawn", "left", "worth"),
    [
        (0, 0, 4, True),  # nothing is known yet
        (100, 125, 3, False),  # the quota is met
        (99, 125, 1, True),
        (99, 125, 0, False),
        (0, 125, 3, False),  # at best 2.9% of 1,200 images, 35
        (2, 125, 3, True),  # at best 5.7%, 68 and 2
        (2, 125, 2, False),  # 45 and 2
        (0, 20, 1, True),  # 20 images say little: it may be as much as 16.8% of 400
    ],
)
def test_another_round_is_made_where_half_of_the_quota_can_come_of_it(
    accepted: int, drawn: int, left: int, worth: bool
) -> None:
    assert is_worth_another(100, accepted, drawn, left) == worth


def test_the_best_that_may_be_is_the_upper_end_of_the_interval() -> None:
    for accepted in range(10):
        best = stats.beta.ppf(0.975, accepted + 1, 375 - accepted)  # Clopper and Pearson 1934
        assert is_worth_another(300, accepted, 375, 3) == (accepted + best * 3 * 1200 >= 150)
