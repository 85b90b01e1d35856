"""Parts of a dataset: counted by split and label, and those that are good and defective at once."""

from typing import Any

import pytest

from defectory.datasets.manifest_line import ManifestLine, Origin, PictureFile
from defectory.datasets.parts import found_by_likeness, label_of_good, mixed_in_words, mixed_parts, parts_by_split


def line(number: int, label: str, group: str = "", split: str = "train", **origin: Any) -> ManifestLine:
    file = PictureFile(uri=f"memory://{number}", sha256=f"{number:064x}", width=8, height=8)
    return ManifestLine(
        file=file, label=label, split=split, group=group, origin=Origin(**{"source": f"{number}.png", **origin})
    )


def test_a_part_counts_once_for_each_of_its_labels_and_copies_for_nothing() -> None:
    lines = [
        line(1, "good", "a"), line(2, "good", "a"), line(3, "defect", "a"), line(4, "good"), line(5, "good"),
        line(6, "good", "b", "test"), line(7, "good", "c", "test", augmentation="flip"),
    ]  # fmt: skip
    assert parts_by_split(lines) == {"test": {"good": 1}, "train": {"defect": 1, "good": 3}}


def test_parts_that_somebody_named_were_not_found_by_likeness() -> None:
    lines = [line(1, "good", "found-1"), line(2, "defect", "found-1"), line(3, "good", "found-2"), line(4, "good", "a")]
    assert found_by_likeness(lines) == 2
    assert found_by_likeness(lines[3:]) == 0


def test_mixed_is_what_was_photographed_good_and_defective() -> None:
    lines = [
        line(1, "good", "sides"), line(2, "crack", "sides"),
        line(3, "crack", "kinds"), line(4, "dent", "kinds"),  # two kinds of defect are no contradiction
        line(5, "good", "edited"), line(6, "crack", "edited", kind="edited"),  # nor is a defect that we set ourselves
        line(7, "good", "tiles", source="t.png"), line(8, "crack", "tiles", source="t.png"),  # one photograph, cut
        line(9, "good"), line(10, "crack"),
    ]  # fmt: skip
    assert mixed_parts(lines, "good") == ["sides"]
    assert mixed_parts(lines, "dent") == ["kinds"]


@pytest.mark.parametrize(
    ("card", "good"),
    [
        ({}, "good"),
        ({"label_mode": "kinds", "source": {"good": "OK"}}, "OK"),
        ({"label_mode": "binary", "source": {"good": "OK"}}, "good"),
    ],
)
def test_which_label_is_good_is_in_the_card(card: dict[str, Any], good: str) -> None:
    assert label_of_good(card) == good


def test_the_sentence_says_where_it_would_be_wrong() -> None:
    assert mixed_in_words([]) == ""
    alike = mixed_in_words(["found-1", "found-2", "found-3", "found-4"])
    assert alike.startswith("4 parts have good and defective photographs (found-1, found-2, found-3, …): ")
    assert "only look alike" in alike
    assert "batches" not in alike
    assert "batches or days" in mixed_in_words(["part-7"])
