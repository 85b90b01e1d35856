"""Advice about shares: followed, it makes what it was given for go."""

import math
import re
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from defectory.datasets.shares import MIN_TRAINED, Shares, lacking
from defectory.datasets.splits import MIN_HELD_OUT, SPLIT_NAMES, split_by_group


def counts_of(labels: dict[str, int], validation_share: float, test_share: float) -> dict[str, dict[str, int]]:
    images = [label for label, count in labels.items() for _ in range(count)]
    shares = (1 - validation_share - test_share, validation_share, test_share)
    splits = split_by_group(images, [str(n) for n in range(len(images))], shares=shares)
    counted = Counter(zip(splits, images, strict=True))
    return {split: {label: counted[split, label] for label in labels} for split in SPLIT_NAMES}


def test_sixty_good_and_twenty_five_defects() -> None:
    counts = {
        "train": {"good": 42, "defect": 17},
        "validation": {"good": 9, "defect": 4},
        "test": {"good": 9, "defect": 4},
    }
    # Of 36, 10.1 validate at 0.28 and 20.5 train beside 0.15 for the test; of 35 at 0.29, 19.6 would train.
    assert lacking(counts, Shares(0.15, 0.15)) == (
        "a generator wants 20 training images of a label and 10 validation images to be judged by: defect has 17 and "
        "4, of 25, good has 42 and 9, of 60; no share gives both; with 11 more photographs of defect, and "
        "--validation-share 0.28, there are both"
    )


def test_a_share_that_is_set_is_not_advised_again() -> None:
    lacks = {"train": {"good": 14}, "validation": {"good": 7}, "test": {"good": 4}}
    assert lacking(lacks, Shares(0.28, 0.15)).endswith(
        "no share gives both; with 11 more photographs of good there are both"
    )
    # 36 are enough at 0.28, but a part of several photographs came out otherwise.
    split_otherwise = {"train": {"good": 19}, "validation": {"good": 10}, "test": {"good": 7}}
    assert lacking(split_otherwise, Shares(0.28, 0.15)).endswith(", of 36; photograph more of good")


def test_nothing_is_said_where_nothing_lacks_and_given_splits_are_not_divided_anew() -> None:
    counts = {"train": {"good": 20}, "validation": {"good": 10}, "test": {"good": 1}}
    assert lacking(counts, Shares(0.15, 0.15)) == ""
    assert "--validation-share 0.20 gives both" in lacking(
        {"train": {"good": 45}, "validation": {"good": 5}}, Shares(0.1, 0.1)
    )
    given_ = lacking({"train": {"good": 45}, "validation": {"good": 5}}, None)
    assert "photograph more of good" in given_
    assert "--validation-share" not in given_


def test_where_the_test_takes_nearly_all_no_number_is_enough() -> None:
    assert lacking({"train": {"good": 1}, "test": {"good": 199}}, Shares(0.001, 0.995)).endswith(
        "; photograph more of good"
    )


@given(
    st.dictionaries(st.sampled_from(["good", "bent", "cut"]), st.integers(3, 300), min_size=1),
    st.sampled_from([0.1, 0.15, 0.2, 0.3]),
    st.sampled_from([0.05, 0.15, 0.3]),
)
def test_who_follows_it_has_enough(labels: dict[str, int], validation_share: float, test_share: float) -> None:
    said = lacking(counts_of(labels, validation_share, test_share), Shares(validation_share, test_share))
    if not said:
        return
    more = {label: int(count) for count, label in re.findall(r"(\d+) more photographs? of (\w+)", said)}
    typed = [float(share) for share in re.findall(r"--validation-share ([\d.]+)", said)]
    assert validation_share not in typed
    if not typed and not more:  # a split came within one image of its share, and no other share does better
        assert "photograph more of" in said
        return
    (share,) = typed or [validation_share]
    grown = {label: count + more.get(label, 0) for label, count in labels.items()}
    followed = counts_of(grown, share, test_share)
    for label in labels:
        # Splits come within one image of their shares, where every part has one photograph.
        assert followed["train"][label] >= MIN_TRAINED - 1
        assert followed["validation"][label] >= MIN_HELD_OUT - 1
        assert math.isclose(sum(followed[split][label] for split in SPLIT_NAMES), grown[label])
    for label, count in more.items():  # and not one photograph is asked for in vain
        fewer = (grown[label] - 1) * (1 - test_share)
        assert count == 0 or fewer < MIN_TRAINED + MIN_HELD_OUT + 1, label
