"""What the report says of the heat, in every case."""

import pytest

from orchestrator.pipeline.arms import DEFAULT_ARMS, ArmSettings
from orchestrator.report.documents import Heat
from orchestrator.report.heat import HeatRow, heat_sentences, heat_table, sanity_sentence, training_as


def model(name: str, inside: float, passed: bool | None = True, cells: int = 7, masked: int = 40) -> dict:
    return {
        "model": name, "method": "grad-cam", "masked": masked, "cells": [cells, cells], "pointing": 0.5,
        "pointing_by_chance": 0.1, "inside": inside, "inside_by_chance": 0.05, "beside": 10,
        "max_box_acc_v2": {"mean": 0.3, "0.3": 0.5, "0.5": 0.3, "0.7": 0.1},
        "sanity": {"stages": {"everything": 0.12} if passed is not None else {}, "passed": passed},
    }  # fmt: skip


def summary(low: float, high: float, images: int = 40, **fields) -> Heat:
    moved = {"images": images, "parts": 20, "inside": (low + high) / 2, "low": low, "high": high}
    return Heat.model_validate(
        {"models": [model("a/1", 0.2, **fields), {**model("b/1", 0.4, **fields), "moved": moved}]}
    )


def said_of(heat: Heat) -> str:
    return " ".join(heat_sentences(heat, training_as(DEFAULT_ARMS)))


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
def test_where_the_heat_moves(given: Heat, said: str) -> None:
    assert said in said_of(given)


def test_the_table_has_both_arms_and_chance() -> None:
    rows = heat_table(summary(0.1, 0.3))
    assert rows[1] == HeatRow("share of the heat on the defect", [0.2, 0.4], 0.05)
    assert [len(row.values) for row in rows] == [2, 2, 2, 2]
    assert rows[3].values == [0.25, 0.25]


def test_coarse_heat_is_said_to_be_so_though_none_of_it_was_counted() -> None:
    bare = {"model": "a/1", "masked": 0, "cells": [2, 2], "sanity": {"stages": {}, "passed": None}}
    given = Heat.model_validate({"models": [bare, bare]})
    assert "2×2 cells only" in said_of(given)
    assert heat_table(given) == []
    assert heat_table(summary(0.1, 0.3, cells=2)) == []  # of a version that counted it


def test_without_masks_nothing_is_said() -> None:
    bare = {"model": "a/1", "masked": 0, "cells": [7, 7], "sanity": {"stages": {}, "passed": None}}
    for given in (Heat(), Heat.model_validate({"models": [bare, {**bare, "moved": None}]})):
        assert heat_table(given) == []
        assert said_of(given) == sanity_sentence(given, {}) == ""


def test_every_arm_but_the_first_has_its_own_sentence() -> None:
    arms = (*DEFAULT_ARMS, ArmSettings(name="rare", trains_on="balanced", title="drawn balanced"))
    moved = {"images": 40, "parts": 20, "inside": 0.2, "low": 0.1, "high": 0.3}
    models = [
        model("a/1", 0.2),
        {**model("b/1", 0.4), "moved": moved},
        {**model("c/1", 0.1), "moved": {**moved, "low": -0.1}},
    ]
    said = list(heat_sentences(Heat.model_validate({"models": models}), training_as(arms)))
    assert said[0].startswith("Training as “real + synthetic” moves the heat onto the defects")
    assert "cannot tell whether training as “drawn balanced” moves the heat" in said[1]
    assert len(said) == 2


def test_a_summary_of_two_models_of_an_earlier_version_is_read() -> None:
    moved = {"images": 40, "parts": 20, "inside": 0.2, "low": 0.1, "high": 0.3}
    heat = Heat.model_validate({"models": [model("a/1", 0.2), model("b/1", 0.4)], "moved": moved})
    assert "moves the heat onto the defects (+20.0 points" in said_of(heat)


def test_heatmaps_that_do_not_follow_the_weights_are_not_to_be_trusted() -> None:
    passed, failed = model("a/1", 0.2), model("b/1", 0.2, passed=False)
    titles = {"a/1": "real only", "b/1": "more"}
    said = sanity_sentence(Heat.model_validate({"models": [passed]}), titles)
    assert said.startswith(
        "The heatmaps follow the networks' weights: a network that knows nothing gives others. That does not say that "
        "a classifier is good, nor that it looks at the right place. Tested:"
    )
    assert said.endswith("(rank correlation: 1 the same, 0 nothing in common): real only 0.12.")
    assert "Do not trust the heatmaps of more:" in sanity_sentence(
        Heat.model_validate({"models": [passed, failed]}), titles
    )
