"""What one answer to everything gets right: a classifier that does no better has learned nothing that a line can use.

The most frequent label is the best of all such answers, by accuracy and by macro-F1 alike. Macro-F1 alone is no measure
against it: whoever guesses has more. So of a higher macro-F1 the mean recall has to bear witness, too: whatever does
not look at the pictures, one answer or guesses, gets one of the number of labels there.
"""

from collections.abc import Sequence
from dataclasses import dataclass

Confusion = Sequence[Sequence[int]]  # [truth][decision], at least one image


@dataclass(frozen=True)
class Scored:
    """What some decisions get right.

    Attributes:
        right: decisions, of so many. f1: mean over the labels that are there or decided for. recall: mean over the
            labels that are there. labels: of which there are images.
    """

    right: int
    of: int
    f1: float
    recall: float
    labels: int

    @property
    def accuracy(self) -> float:
        """Share of the decisions that are right."""
        return self.right / self.of

    def is_better_than(self, constant: "Scored") -> bool:
        """Whether these decisions are better than one answer to everything: by accuracy, or by F1 without guessing."""
        return self.accuracy > constant.accuracy or (self.f1 > constant.f1 and self.recall * self.labels > 1 + 1e-9)


def scored(confusion: Confusion) -> Scored:
    """The figures of a confusion."""
    truths = [sum(row) for row in confusion]
    decided = [sum(row[place] for row in confusion) for place in range(len(confusion))]
    right = [row[place] for place, row in enumerate(confusion)]
    f1 = [2 * hits / (a + b) for hits, a, b in zip(right, truths, decided, strict=True) if a + b]
    recall = [hits / of for hits, of in zip(right, truths, strict=True) if of]
    return Scored(sum(right), sum(truths), sum(f1) / len(f1), sum(recall) / len(recall), len(recall))


def one_answer(confusion: Confusion) -> tuple[int, Scored] | None:
    """(place of the most frequent label, what it gets right as the answer to all); None of images of one label only."""
    truths = [sum(row) for row in confusion]
    if sum(map(bool, truths)) < 2:
        return None
    most = truths.index(max(truths))
    return most, scored([[of if place == most else 0 for place in range(len(truths))] for of in truths])


def no_use(missed: tuple[int, int], false_alarms: tuple[int, int], split: str) -> str:
    """Why a classifier's decisions are of no use on a line; empty where they are better than one answer to everything.

    Args:
        missed: (defective images that went through as good, of so many). false_alarms: (good ones rejected, of so
            many). split: that they are of.
    """
    confusion = [[missed[1] - missed[0], missed[0]], [false_alarms[0], false_alarms[1] - false_alarms[0]]]
    answer, own = one_answer(confusion), scored(confusion)
    if answer is None or own.is_better_than(answer[1]):
        return ""
    name = f"{'passing' if answer[0] else 'rejecting'} every part"
    return (
        f"on its {own.of} {split} images this classifier is no better than {name}: it gets {own.right} of them right, "
        f"and {name} {answer[1].right}; its {beside(own, answer[1], name)}. Train it on more photographs"
    )


def beside(own: Scored, constant: Scored, name: str) -> str:
    """Macro-F1 beside that of one answer to everything, e.g. "macro-F1 is higher than that of …, but not by looking".

    Args:
        name: of the one answer.
    """
    shown = f"{own.f1:.1%} against {constant.f1:.1%}"
    if own.f1 <= constant.f1:
        order = "the same as" if own.f1 == constant.f1 else "lower than"
        return f"macro-F1, which weighs every label alike, is {order} that of {name} ({shown})"
    share, guess = f"{own.recall:.1%}", f"{1 / own.labels:.1%}"
    looked = own.recall * own.labels > 1 + 1e-9
    by = f"of a label's images it gets {share} right on average, " + (
        f"where not looking at them gives {guess}" if looked else f"and guessing gets {guess}"
    )
    return (
        f"macro-F1, which weighs every label alike, is higher than that of {name} ({shown})"
        f"{':' if looked else ', but not by looking:'} {by}"
    )
