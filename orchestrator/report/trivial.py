"""Every arm beside one answer to everything, such as passing every part: what does no better is of no use on a line."""

from collections.abc import Mapping
from dataclasses import dataclass

from defectory.trivial import Scored, beside, one_answer, scored
from orchestrator.report.documents import Evaluation
from orchestrator.report.mistakes import counted_as


@dataclass(frozen=True)
class Trivial:
    """One answer to everything, and every arm's training that is served, on the same test images.

    Attributes:
        name: of the answer, as it stands in a sentence. passes: it passes every part; None where no label is that of
            good parts. arms: title -> what it gets right. counted: what the images are, "parts" or "photographs".
    """

    name: str
    passes: bool | None
    score: Scored
    arms: dict[str, Scored]
    counted: str

    @property
    def no_better(self) -> list[str]:
        """Titles of the arms that are no better."""
        return [title for title, own in self.arms.items() if not own.is_better_than(self.score)]

    @property
    def sentence(self) -> str:
        """Which arms are no better; empty where all are better."""
        if not self.no_better:
            return ""
        tested = f"On these {self.score.of} test {self.counted}"
        if len(self.no_better) < len(self.arms):
            verb = "is" if len(self.no_better) == 1 else "are"
            arms = ", ".join(f"“{title}”" for title in self.no_better)
            return f"{tested} {arms} {verb} no better than {self.name}."
        return f"{tested} {'neither' if len(self.arms) == 2 else 'no'} arm is better than {self.name}."

    @property
    def figures(self) -> str:
        """By what; empty where every arm has more answers right."""
        if all(own.right > self.score.right for own in self.arms.values()):
            return ""
        answers = {self.name: self.score, **self.arms}
        shown = ", ".join(
            f"{name} {own.right} (accuracy {own.accuracy:.1%}, macro-F1 {own.f1:.1%})" for name, own in answers.items()
        )
        said = [f"Right answers of {self.score.of}: {shown}."]
        for title, own in self.arms.items():
            if own.f1 > self.score.f1 and own.right <= self.score.right:
                many = "as many right answers as" if own.right == self.score.right else "fewer right answers than"
                said.append(f"“{title}” has {many} {self.name}; its {beside(own, self.score, self.name)}.")
        return " ".join(filter(None, [*said, self._extremes]))

    @property
    def _extremes(self) -> str:
        """Which arms have the highest and the lowest macro-F1; empty where all have the same."""
        f1 = {title: own.f1 for title, own in self.arms.items()}
        best, worst = max(f1.values()), min(f1.values())
        if best == worst:
            return ""

        def those_with(value: float) -> str:
            return " and ".join(f"“{title}”" for title, own in f1.items() if own == value)

        high, low = ("higher", "lower") if len(f1) == 2 else ("highest", "lowest")
        return (
            f"Of the {len(f1)} trainings that are served, one an arm, the {high} macro-F1 is that of "
            f"{those_with(best)} ({best:.1%}), the {low} that of {those_with(worst)} ({worst:.1%})."
        )

    def mistakes(self, error: str, of: int) -> int | None:
        """How many of so many images the one answer gets wrong; None where no label is that of good parts.

        Args:
            error: "escape", a defective part that passes, or "overkill", a good one that is rejected.
        """
        return None if self.passes is None else of * (self.passes == (error == "escape"))


def trivial_answer(evaluations: Mapping[str, Evaluation]) -> Trivial | None:
    """The most frequent label as the answer to every test image, beside all arms.

    None where an arm has no decisions (an earlier version), or where all test images are of one label.

    Args:
        evaluations: arm's title -> what was measured.
    """
    decisions = {title: arm.decisions for title, arm in evaluations.items() if arm.decisions is not None}
    if len(decisions) < len(evaluations):
        return None
    first, evaluation = next(iter(decisions.values())), next(iter(evaluations.values()))
    answer = one_answer(first.confusion)
    if answer is None:
        return None
    labels = list(first.labels)
    label, good = labels[answer[0]], evaluation.operating_point.good if evaluation.operating_point else ""
    name = f"calling every part “{label}”"
    if label == good:
        name = "passing every part"
    elif good and len(labels) == 2:
        name = "rejecting every part"
    arms = {title: scored(x.confusion) for title, x in decisions.items()}
    return Trivial(name, label == good if good else None, answer[1], arms, counted_as(evaluations))
