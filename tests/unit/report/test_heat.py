"""What the report says of the heat, in every case."""

import pytest

from orchestrator.report.heat import heat_sentence, heat_table, sanity_sentence


def model(name: str, inside: float, passed: bool | None = True, cells: int = 7, masked: int = 40) -> dict:
    return {
        "model": name, "method": "grad-cam", "masked": masked, "cells": [cells, cells], "pointing": 0.5,
        "pointing_by_chance": 0.1, "inside": inside, "inside_by_chance": 0.05, "beside": 10,
        "max_box_acc_v2": {"mean": 0.3, "0.3": 0.5, "0.5": 0.3, "0.7": 0.1},
        "sanity": {"stages": {"everything": 0.12} if passed is not None else {}, "passed": passed},
    }  # fmt: skip


def summary(low: float, high: float, images: int = 40, **fields) -> dict:
    moved = {"images": images, "parts": 20, "inside": (low + high) / 2, "low": low, "high": high}
    return {"models": [model("a/1", 0.2, **fields), model("b/1", 0.4, **fields)], "moved": moved}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (summary(0.1, 0.3), "moves the heat onto the defects (+20.0 points"),
        (summary(-0.3, -0.1), "moves the heat away from the defects (-20.0 points"),
        (summary(-0.1, 0.3), "40 masked images cannot tell"),
        (summary(0.1, 0.3, images=5), "5 masked images cannot tell"),
        (summary(0.1, 0.3, cells=2), "2×2 cells only"),
    ],
)
def test_where_the_heat_moves(given: dict, said: str) -> None:
    assert said in heat_sentence(given)


def test_the_table_has_both_arms_and_chance() -> None:
    rows = heat_table(summary(0.1, 0.3))
    assert rows[1] == ("share of the heat on the defect", [0.2, 0.4], 0.05)
    assert [len(values) for _, values, _ in rows] == [2, 2, 2, 2]
    assert rows[3][1] == [0.25, 0.25]


def test_without_masks_nothing_is_said() -> None:
    without = {"models": [{"model": "a/1", "masked": 0, "sanity": {"stages": {}, "passed": None}}], "moved": None}
    for given in ({}, without):
        assert heat_table(given) == []
        assert heat_sentence(given) == sanity_sentence(given) == ""


def test_heatmaps_that_do_not_follow_the_weights_are_not_to_be_trusted() -> None:
    passed, failed = model("a/1", 0.2), model("b/1", 0.2, passed=False)
    assert "come from what was learned" in sanity_sentence({"models": [passed]})
    assert "Do not trust the heatmaps of b/1" in sanity_sentence({"models": [passed, failed]})
