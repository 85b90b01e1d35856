"""The slope of a soak, and which of its points count."""

import math

import numpy as np
import pytest

from bench.soak import Soak, slope


def test_a_slope_comes_with_students_interval() -> None:
    # By hand: x 0..3, y 1 3 2 4; slope 4/5, residuals' sum of squares 1.8, so s = sqrt(0.9) and its error s / sqrt(5);
    # t(0.975, 2) = 4.302653.
    half = 4.302653 * math.sqrt(0.9 / 5)
    assert slope([0, 1, 2, 3], [1, 3, 2, 4]) == pytest.approx((0.8, 0.8 - half, 0.8 + half), abs=1e-5)


def test_two_points_have_no_interval() -> None:
    assert np.isnan(slope([0, 1], [1, 2])).all()


def test_the_first_third_and_a_time_that_is_not_whole_are_left_out() -> None:
    """Of three minutes and a half with a version every 30 s, the first 70 s and what they cut are not looked at."""
    running = Soak(minutes=3.5, swap_s=30)
    running.seen = [(second, 100.0 * (second // 30)) for second in range(0, 215)]
    points = running.periods()
    assert points[:, 1].tolist() == [300, 400, 500, 600]
    assert points[:, 0] * 3600 == pytest.approx([105, 135, 165, 195])
