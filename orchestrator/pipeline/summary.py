"""A run in figures, as its report's step hands them on: verdict, arms, differences, and what stands against them."""

from dataclasses import dataclass
from typing import Literal

from pydantic import JsonValue

from orchestrator.pipeline.recorded import Recorded


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95% interval.

    Attributes:
        low, high: None where fewer than three cycles give no interval. singles: their values.
    """

    mean: float
    low: float | None
    high: float | None
    singles: tuple[float, ...] = ()


Outcome = Literal["helped", "hurt", "no difference", "cannot tell"]


class ArmSummary(Recorded):
    """An arm in figures."""

    title: str
    recipe: str  # how its classifier was trained, in words
    metrics: dict[str, Estimate]  # over cycles, on the test split


class DifferenceSummary(Recorded):
    """What an arm does better than the first."""

    outcome: Outcome
    verdict: str
    evidence: str = ""  # what it rests on
    f1: Estimate  # of macro-F1 over cycles, paired by seed
    f1_by_group: Estimate  # the same, test parts drawn anew
    p_value: float | None


class TrivialSummary(Recorded):
    """One answer to everything, such as passing every part, and the arms that are no better."""

    answer: str  # in words
    right: int
    of: int  # test images
    f1: float  # macro
    no_better: list[str]  # names of arms


class ChoiceSummary(Recorded):
    """The arm to go on with."""

    arm: str  # name
    why: str = ""  # clause that follows its title


class RunSummary(Recorded):
    """A run in figures."""

    doubts: list[str] = []  # sentences that are said before the verdict
    verdict: str  # short
    details: list[str] = []  # sentences below it: both mistakes in counts, what the verdict rests on, recipes
    arms: dict[str, ArmSummary]
    differences: dict[str, DifferenceSummary]  # of every arm but the first
    trivial: TrivialSummary | None = None  # absent where the test says nothing of it
    choice: ChoiceSummary | None = None  # absent in runs of earlier versions
    test_images: int
    test_groups: int
    synthetic: dict[str, dict[str, int]]  # label -> made, accepted, and rejected images by reason
    heat: JsonValue  # where the heat lies: summary.json of the explanations
