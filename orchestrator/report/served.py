"""Why the one training that is served can be far from the mean over all trainings, and which of both to believe."""

from collections.abc import Mapping
from dataclasses import dataclass

from defectory.trivial import scored
from orchestrator.report.documents import Evaluation

FAR = 0.1  # of accuracy or macro-F1: what a person notices who reads both figures on one page
NAMES = {"accuracy": "accuracy", "f1": "macro-F1"}
FEW = 100  # validation images below which the best of some trainings is a matter of chance


@dataclass(frozen=True)
class Served:
    """An arm's training that is served: measured, its place among all of them, and how many images chose it."""

    evaluation: Evaluation
    main_cycle: int
    validation: int


def served_sentence(arms: Mapping[str, Served]) -> str:
    """What to make of arms whose served training is FAR from the mean of all; empty where none is.

    Args:
        arms: title -> the training that is served.
    """
    said: list[str] = []
    by_choice: list[int] = []  # validation images
    by_line: list[int] = []
    for title, arm in arms.items():
        figures = _figures(arm)
        metric = max(figures, key=lambda name: abs(figures[name][0] - figures[name][1]), default="")
        if not metric or abs(figures[metric][0] - figures[metric][1]) < FAR:
            continue
        served, mean, alone = figures[metric]
        said.append(
            f"“{title}” has {served:.1%} {NAMES[metric]} as it is served, {mean:.1%} on the mean of all trainings"
        )
        (by_choice if abs(alone - mean) >= abs(served - alone) else by_line).append(arm.validation)
    if not said:
        return ""
    why = []
    if by_choice:
        images = min(by_choice)
        chance = ", and by so few that choice is mostly chance" if images < FEW else ""
        why.append(f"The served training is the one with the best macro-F1 on {images} validation images{chance}.")
    if by_line:
        why.append(
            "The served training decides at its operating point, chosen on validation images too; the "
            "mean is of the most probable label."
        )
    return f"{'; '.join(said)}. {' '.join(why)} The mean says more of the recipe, the served one's row what one gets."


def _figures(arm: Served) -> dict[str, tuple[float, float, float]]:
    """Metric -> (as served, mean of all trainings, of the served training's most probable labels); empty: not known."""
    decisions, cycles = arm.evaluation.decisions, arm.evaluation.cycles
    if decisions is None or len(cycles) < 2:
        return {}
    own = scored(decisions.confusion)
    served = {"accuracy": own.accuracy, "f1": own.f1}
    return {
        metric: (value, sum(x.metrics[metric] for x in cycles) / len(cycles), cycles[arm.main_cycle].metrics[metric])
        for metric, value in served.items()
    }
