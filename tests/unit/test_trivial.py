"""When decisions are better than one answer to everything: by figures that scikit-learn computes."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from defectory.trivial import no_use, one_answer, scored

CONFUSIONS = st.integers(2, 4).flatmap(
    lambda n: st.lists(st.lists(st.integers(0, 12), min_size=n, max_size=n), min_size=n, max_size=n)
)


def as_answers(confusion: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    """(truth, decision) of every image."""
    pairs = [(t, d) for t, row in enumerate(confusion) for d, count in enumerate(row) for _ in range(count)]
    truth, decision = np.array(pairs).T
    return truth, decision


@given(CONFUSIONS)
@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
def test_the_figures_are_those_of_scikit_learn(confusion: list[list[int]]) -> None:
    assume(sum(map(any, confusion)) > 1)
    own, (truth, decision) = scored(confusion), as_answers(confusion)
    assert own.accuracy == pytest.approx(accuracy_score(truth, decision))
    assert own.f1 == pytest.approx(f1_score(truth, decision, average="macro"))
    assert own.recall == pytest.approx(balanced_accuracy_score(truth, decision))


@given(CONFUSIONS)
def test_no_one_answer_is_better_than_the_most_frequent_label(confusion: list[list[int]]) -> None:
    truths = [sum(row) for row in confusion]
    assume(sum(map(bool, truths)) > 1)
    answer = one_answer(confusion)
    assert answer is not None
    place, own = answer
    truth, _ = as_answers(confusion)
    for label in range(len(confusion)):
        always = np.full_like(truth, label)
        assert own.accuracy >= accuracy_score(truth, always) - 1e-12
        assert own.f1 >= f1_score(truth, always, average="macro") - 1e-12
    assert truths[place] == max(truths)
    assert not own.is_better_than(own)


@given(CONFUSIONS, st.integers(0, 3))
def test_whoever_decides_without_looking_is_never_better(confusion: list[list[int]], seed: int) -> None:
    """Every label's images get the same shares of answers."""
    random = np.random.default_rng(seed)
    shares = random.integers(0, 4, len(confusion))
    truths = [sum(row) for row in confusion]
    assume(shares.any() and sum(map(bool, truths)) > 1)
    blind = [[int(of * share) for share in shares] for of in truths]
    answer = one_answer(blind)
    assert answer is not None
    assert not scored(blind).is_better_than(answer[1])


def test_images_of_one_label_tell_nothing() -> None:
    assert one_answer([[3, 4], [0, 0]]) is None


@pytest.mark.parametrize(
    ("missed", "false_alarms", "said"),
    [
        (
            (3, 4),
            (3, 9),
            "13 test images this classifier is no better than passing every part: it gets 7 of them right",
        ),
        (
            (3, 9),
            (3, 4),
            "13 test images this classifier is no better than rejecting every part: it gets 7 of them right",
        ),
        (
            (4, 4),
            (0, 9),
            "every label alike, is the same as that of passing every part (40.9% against 40.9%). Train it on",
        ),
        (
            (3, 4),
            (3, 9),
            "it gets 7 of them right, and passing every part 9; its macro-F1, which weighs every label alike, is "
            "higher than that of passing every part (45.8% against 40.9%), but not by looking: of a label's images it "
            "gets 45.8% right on average, and guessing gets 50.0%. Train it on more photographs",
        ),
        ((1, 4), (1, 9), ""),
        # Of 100 parts with one defect, caught at the price of three false alarms: less accurate, and yet of use.
        ((0, 1), (3, 99), ""),
    ],
)
def test_what_a_card_says_of_use(missed: tuple[int, int], false_alarms: tuple[int, int], said: str) -> None:
    text = no_use(missed, false_alarms, "test")
    assert said in text
    assert bool(text) == bool(said)
