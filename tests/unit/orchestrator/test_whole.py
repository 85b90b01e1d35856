"""A step that does the same for several: bar, percentage and remaining time are of all of them."""

import pytest

from orchestrator.pipeline.progress import Report, in_a_word, in_short
from orchestrator.pipeline.whole import Whole


def trained(label: str, done: int, total: int, rate: float, remaining_s: float | None) -> Report:
    return Report("training", done, total, "images", rate, remaining_s, {"kimg": done / 1000}).about(label)


def test_trainings_of_labels_are_one_whole() -> None:
    seen: list[Report] = []
    see = Whole({"good": 15.0, "defect": 5.0}).counting(seen.append)
    see(trained("good", 6000, 15000, 20.0, 450.0))
    see(trained("good", 15000, 15000, 20.0, 0.0))
    see(Report("reading images", 0, 0, "images").about("defect"))
    see(trained("defect", 1000, 5000, 10.0, 400.0))
    # 6 and 15 of 20 kimg, then 1 of 5 more; 5000 images more at the rate of the first training.
    assert [report.whole for report in seen] == pytest.approx([0.3, 0.75, 0.75, 0.8])
    assert [report.remaining_s for report in seen] == [450 + 250, 250, None, 400]
    assert in_short(seen[0]) == "good (1 of 2), training · 6000 images seen (6 of 15 kimg) · 11:40 left"
    assert in_a_word(seen[3]) == "defect (2 of 2) · 80% · 6:40 left"


def test_a_length_that_the_service_chooses_is_that_of_all() -> None:
    seen: list[Report] = []
    see = Whole({"good": None, "defect": None, "other": 10.0}).counting(seen.append)
    see(Report("reading images", 0, 0, "images").about("good"))
    see(trained("good", 5000, 20000, 100.0, 150.0))
    assert [report.whole for report in seen] == [0.0, 0.1]  # 5 of 20, 20 and 10
    assert seen[1].remaining_s == 150 + 300


def test_what_is_done_becomes_no_less_and_what_is_no_part_moves_nothing() -> None:
    seen: list[Report] = []
    see = Whole({"surface": 4.0, "defects": 4.0}).counting(seen.append)
    see(trained("surface", 4000, 4000, 10.0, 0.0))
    see(Report("cutting", 1, 9, "photographs", remaining_s=3.0).about("crops"))
    see(trained("surface", 1000, 4000, 0.0, 300.0))
    assert [report.whole for report in seen] == [0.5, 0.5, 0.5]
    assert [report.subjects for report in seen] == [("surface (1 of 2)",), ("crops",), ("surface (1 of 2)",)]
    assert [report.remaining_s for report in seen] == [400.0, None, None]


def test_rounds_move_the_whole_where_images_were_accepted() -> None:
    seen: list[Report] = []
    whole = Whole({"good": 30, "defect": 10})
    see = whole.naming(seen.append)
    judging = Report("comparing", 20, 20, "images", remaining_s=9.0)
    see(judging.about("good"))
    whole.advance("good", 20 / 30)
    see(judging.about("good"))
    whole.advance("good", 1.0)
    see(judging.about("defect", "crack"))
    assert [report.whole for report in seen] == [0.0, 0.5, 0.75]
    assert in_short(seen[2]) == "defect (2 of 2), crack, comparing · 20 of 20 images"


def test_one_part_alone_has_no_number() -> None:
    seen: list[Report] = []
    Whole({"good": 2.0}).counting(seen.append)(trained("good", 500, 2000, 10.0, 150.0))
    assert in_a_word(seen[0]) == "good · 25% · 2:30 left"
