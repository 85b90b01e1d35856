"""What a run says at a glance: what stands against it, a short verdict, both mistakes, and what it rests on."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Verdict:
    """From the shortest to the longest.

    Attributes:
        doubts: sentences that are said before anything else; none where nothing stands against it.
        sentence: short, one sentence an arm.
        inspection: which classifier to go on with, and whether it is good enough; empty where none is of use, or no
            label is that of good parts.
        counted: both mistakes of the classifiers that are served; empty where no label is that of good parts.
        trivial: what one answer to everything gets right beside every arm; empty where every arm gets more right.
        evidence: intervals that decided it, of means over all trainings, and why what is served is far from them.
        recipe: how the classifiers were trained.
    """

    doubts: list[str]
    sentence: str
    inspection: str
    counted: str
    trivial: str
    evidence: list[str]
    recipe: str

    @property
    def details(self) -> list[str]:
        """What stands below the sentence, where there is no table of the counts."""
        return [*filter(None, [self.inspection, self.counted, self.trivial]), *self.evidence, self.recipe]
