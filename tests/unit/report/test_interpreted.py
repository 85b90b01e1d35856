"""Sentences that interpret a figure follow it, whatever it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.report.calibration import temperature_sentence
from orchestrator.report.documents import Calibration, Probe
from orchestrator.report.shortcut import probe_rows, shortcut_warning

SHARES = st.floats(0, 1)


@given(st.lists(SHARES, min_size=3, max_size=3).map(sorted))
def test_what_an_area_means_follows_its_interval(figures: list[float]) -> None:
    low, area, high = figures
    probe = Probe(auroc=area, low=low, high=high, real=17, synthetic=22)
    (row,) = probe_rows({"defect": probe}, {"defect": 32})
    can_tell, cannot = low > 0.5, high < 0.7
    assert ("can learn what is synthetic" in row.meaning) == (low > 0.9) == bool(shortcut_warning({"defect": probe}))
    assert ("give themselves away" in row.meaning) == (0.5 < low <= 0.9)
    assert ("hardly tell them apart" in row.meaning) == (cannot and not can_tell)
    assert ("17 real and 22 synthetic images are too few to tell" in row.meaning) == (not can_tell and not cannot)


def test_an_interval_that_holds_nearly_everything_says_nothing() -> None:
    probe = Probe(auroc=0.70, low=0.27, high=0.99, real=17, synthetic=22)
    (row,) = probe_rows({"defect": probe}, {"defect": 32})
    assert row.area == "0.70 [0.27, 0.99]"
    assert row.meaning == "17 real and 22 synthetic images are too few to tell"


@given(st.floats(0.05, 20), SHARES, SHARES)
def test_what_a_temperature_did_follows_its_figures(temperature: float, before: float, after: float) -> None:
    error = {"ece_before": before, "ece_after": after, "images": 13}
    said = temperature_sentence("real only", Calibration(temperature=temperature, validation=error, test=error))
    assert f"{temperature:.2f}" in said
    if "hardly anything" in said:
        assert temperature == pytest.approx(1, abs=0.05)
        return
    assert ("less sure" in said) == (temperature > 1)
    assert ("surer" in said) == (temperature < 1)
    assert after < before or "falls" not in said
    assert after > before or "rises" not in said
    assert ("stays" in said) == (abs(after - before) < 0.0005)


def test_without_test_images_nothing_is_said_of_their_error() -> None:
    error = {"ece_before": 0.5, "ece_after": 0.2, "images": 13}
    said = temperature_sentence("real only", Calibration(temperature=2.01, validation=error))
    assert said == "That of “real only”, 2.01, makes it less sure."
