"""Which classifier to go on with, and whether it is good enough for inspection: what a person on the line asks."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from defectory.statistics import CONFIDENCE, rate_interval
from orchestrator.pipeline.arms import ArmSettings
from orchestrator.pipeline.summary import Outcome
from orchestrator.report.comparison import Difference
from orchestrator.report.documents import Evaluation, Rates
from orchestrator.report.mistakes import counted_as, rates_of

TOLERATED = 0.05  # share of defective parts that go through: what is not shown to be below it is not called fit
EXCLUDED = {"hurt": "did harm to macro-F1", "useless": "is no better than one answer to everything"}
UNPROVEN = "is not shown to have helped"


@dataclass(frozen=True)
class Choice:
    """The arm to go on with.

    Attributes:
        title: of the arm. why: clause that follows its title; empty where there is no more to say than that it is the
            first. sentence: for the person on the line; empty where no arm is of use, or no label is of good parts.
    """

    title: str
    why: str = ""
    sentence: str = ""


def chosen(
    arms: Sequence[ArmSettings],
    evaluations: Mapping[str, Evaluation],
    differences: Mapping[str, Difference],
    no_better: Collection[str],
) -> Choice:
    """The arm that is best for inspection, of those with nothing against them.

    Against an arm is that it is no better than one answer to everything, that it did harm, or that it trains on images
    that are no photographs and is not shown to have helped. Of the others the one that misses the fewest defects on the
    test images, then that with the fewest false alarms, then the earlier. Where no label is that of good parts: the one
    with the highest macro-F1 of those that helped, else the first.

    Args:
        evaluations: title -> what was measured, of all arms. differences: title -> that to the first arm.
        no_better: titles of arms that are no better than one answer to everything.
    """
    against = {arm.shown: _against(arm, differences, no_better) for arm in arms}
    fit = [title for title, reason in against.items() if not reason]
    if not fit:
        return Choice(arms[0].shown)
    rates = rates_of(evaluations)
    if rates:
        best = min(fit, key=lambda title: _mistakes(rates[title]))
        return Choice(best, _why(best, fit, rates), _sentence(best, against, rates, counted_as(evaluations)))
    helped = [title for title in fit if title in differences and differences[title].outcome == "helped"]
    best = max(helped, key=lambda title: differences[title].over_cycles.mean, default=fit[0])
    return Choice(best, "which helped" if helped else "")


def _against(arm: ArmSettings, differences: Mapping[str, Difference], no_better: Collection[str]) -> str:
    """Why an arm is not to be gone on with; empty: nothing is against it."""
    if arm.shown in no_better:
        return EXCLUDED["useless"]
    outcome: Outcome | None = differences[arm.shown].outcome if arm.shown in differences else None
    if outcome == "hurt":
        return EXCLUDED["hurt"]
    return UNPROVEN if arm.takes_made and outcome not in (None, "helped") else ""


def _mistakes(rates: Rates) -> tuple[int, int]:
    """What arms are ordered by: all have the same test images."""
    return rates.escape.count, rates.overkill.count


def _why(best: str, fit: Sequence[str], rates: Mapping[str, Rates]) -> str:
    missed, alarms = rates[best].escape, rates[best].overkill
    counted = f"{missed.count} of {missed.of}"
    if len(fit) == 1:
        return "as no other is shown to be better" if len(rates) > 1 else ""
    alike = [title for title in fit if rates[title].escape.count == missed.count]
    if len(alike) == 1:
        return f"which lets the fewest defects through, {counted}"
    rejects = f"{alarms.count} of {alarms.of}"
    return (
        f"which lets no more defects through than another, {counted}, and then rejects the fewest good parts, {rejects}"
    )


def _sentence(best: str, against: Mapping[str, str], rates: Mapping[str, Rates], counted: str) -> str:
    missed, alarms = rates[best].escape, rates[best].overkill
    high = rate_interval(missed.count, missed.of)[1]
    few = "with so few, " if missed.of < parts_needed(TOLERATED) else ""
    true = f"({few}the true share may be up to {high:.0%})"
    through = f"{missed.count} of {missed.of} {true}"
    rejects = f"rejects {alarms.count} of {alarms.of} good {counted}"
    fit = [title for title, reason in against.items() if not reason]
    alike = [title for title in fit if rates[title].escape.count == missed.count and title != best]
    others = [title for title, reason in against.items() if reason and rates[title].escape.count <= missed.count]
    of = "Of the classifiers that nothing speaks against" if others else "Of the classifiers"
    if len(fit) == 1:
        said = (
            f"“{best}” is the classifier to go on with, as no other is shown to be better. It lets {missed.count} of "
        )
        said += f"{missed.of} defects through {true}, and {rejects}."
    elif not alike:
        said = f"{of}, “{best}” lets the fewest defects through: {through}, and {rejects}."
    else:
        said = f"{of}, “{best}” lets no more defects through than any other: {through}, and {rejects}."
    said += _by_chance(missed.count, [rates[title].escape.count for title in fit if title != best])
    for title in (title for title in others if _mistakes(rates[title]) < _mistakes(rates[best])):
        own = rates[title]
        said += f" “{title}” lets {own.escape.count} through and rejects {own.overkill.count}, but {against[title]}."
    return f"{said} {_fitness(best, missed.of, high, counted)}"


def _by_chance(missed: int, others: Sequence[int]) -> str:
    """That so few photographs decided it: were all for one arm, a sign test would not tell it from chance."""
    fewer = min(others, default=missed) - missed
    if not others or not fewer or 2 * 0.5**fewer <= 1 - CONFIDENCE:
        return ""
    photographs = "one photograph" if fewer == 1 else f"{fewer} photographs"
    return f" It is {photographs} ahead, which chance alone can explain."


def _fitness(title: str, of: int, high: float, counted: str) -> str:
    """Whether so many defects that went through show the arm to be fit for inspection."""
    if high <= TOLERATED:
        return f"These {of} defective {counted} show no more: whether that is enough for inspection, the line decides."
    return (
        f"“{title}” is not shown to be fit for inspection: to show that at most {TOLERATED:.0%} of defects go through "
        f"takes {parts_needed(TOLERATED)} defective test parts without a miss."
    )


def parts_needed(share: float) -> int:
    """How many defective test parts without a miss put the upper end of the 95% interval at a share or below.

    Clopper and Pearson's upper end of none of n is 1 - tail^(1/n), the tail being half of what the interval leaves out.
    """
    return math.ceil(math.log((1 - CONFIDENCE) / 2) / math.log(1 - share))
