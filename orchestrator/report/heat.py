"""Where the heat lies, as the report tells it: all arms side by side, and a plain sentence on each."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod

from defectory.job_settings.explaining import FEWEST_CELLS
from orchestrator.pipeline.arms import ArmSettings
from orchestrator.report.documents import Heat, Moved

FEW = 10  # masked images below which a difference is not spoken of


@dataclass(frozen=True)
class HeatRow:
    """A score: one share a model, and what even heat gives (None: nobody knows)."""

    what: str
    values: list[float]
    chance: float | None


def heat_table(heat: Heat) -> list[HeatRow]:
    """The scores of all models; empty without masked images, or where heat cannot say where."""
    models = heat.models
    if not models or not all(model.masked and prod(model.cells) >= FEWEST_CELLS for model in models):
        return []
    first = models[0]
    return [
        HeatRow(
            "hottest point on the defect (pointing game)",
            [model.pointing for model in models],
            first.pointing_by_chance,
        ),
        HeatRow("share of the heat on the defect", [model.inside for model in models], first.inside_by_chance),
        HeatRow("boxes that meet the defect's (MaxBoxAccV2)", [model.max_box_acc_v2["mean"] for model in models], None),
        HeatRow("images whose heat lies beside the defect", [model.beside / model.masked for model in models], None),
    ]


def training_as(arms: tuple[ArmSettings, ...]) -> dict[str, str]:
    """title -> how the arm is trained, as it stands in the sentence on its heat."""
    if len(arms) == 2 and arms[1].takes_synthetic and arms[1].classifier == arms[0].classifier:
        return {arms[1].shown: "training on synthetic images"}
    return {arm.shown: f"training as “{arm.shown}”" for arm in arms[1:]}


def heat_sentences(heat: Heat, training: Mapping[str, str]) -> Iterator[str]:
    """Whether each arm's heat lies on the defect more than the first one's; nothing without masked images.

    Args:
        heat: of the arms in their order. training: see `training_as`.
    """
    if not heat.models:
        return
    height, width = heat.models[0].cells
    if height * width < FEWEST_CELLS:
        yield too_coarse((height, width))
        return
    for how, model in zip(training.values(), heat.models[1:], strict=False):
        if model.moved is None:
            continue
        yield moved_sentence(model.moved, how)


def moved_sentence(moved: Moved, how: str) -> str:
    """Whether the heat lies on the defect more than the first arm's."""
    span = f"{moved.inside * 100:+.1f} points of the heat, 95% interval over {moved.parts} parts "
    span += f"{moved.low * 100:+.1f} to {moved.high * 100:+.1f}"
    if moved.images < FEW or moved.low <= 0 <= moved.high:
        return f"These {moved.images} masked images cannot tell whether {how} moves the heat ({span})."
    direction = "onto the defects" if moved.inside > 0 else "away from the defects"
    return f"{how[0].upper()}{how[1:]} moves the heat {direction} ({span})."


def too_coarse(cells: tuple[int, int]) -> str:
    """What is said instead where heatmaps have fewer than FEWEST_CELLS cells (h, w)."""
    height, width = cells
    return (
        f"The heatmaps have {height}×{width} cells only: too coarse to say where the heat lies. Larger images "
        "(classifier.input_px) give finer ones."
    )


def sanity_sentence(heat: Heat, titles: Mapping[str, str]) -> str:
    """What the randomisation check says of the models; empty where it could not be made.

    Args:
        titles: model -> title of its arm.
    """
    checks = {titles.get(model.model, model.model): model.sanity for model in heat.models}
    known = {name: check for name, check in checks.items() if check.passed is not None}
    if not known:
        return ""
    failed = sorted(name for name, check in known.items() if not check.passed)
    alike = ", ".join(f"{name} {check.stages['everything']:.2f}" for name, check in known.items())
    tested = (
        "Tested: all that a network has learned was replaced by random numbers, and its heatmaps were drawn again. How "
        f"alike they are to the real ones (rank correlation: 1 the same, 0 nothing in common): {alike}."
    )
    if failed:
        return (
            f"Do not trust the heatmaps of {', '.join(failed)}: they hardly change when the network knows nothing, so "
            f"they show edges, not reasons. {tested}"
        )
    return (
        "The heatmaps follow the networks' weights: a network that knows nothing gives others. That does not say that "
        f"a classifier is good, nor that it looks at the right place. {tested}"
    )


def without_use(no_better: Sequence[str], answer: str) -> str:
    """What is said before the heatmaps of classifiers that are no better than one answer to everything.

    Args:
        no_better: their titles. answer: in words, see `Trivial`.
    """
    if not no_better:
        return ""
    whose = " and ".join(f"“{title}”" for title in no_better)
    return (
        f"{whose} decided no better than {answer}: these heatmaps show what drove such answers, not where a defect is."
    )
