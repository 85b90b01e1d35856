"""What a person on the line asks first: how many defective parts passed, and how many good ones were rejected."""

from collections.abc import Callable, Mapping

from orchestrator.report.documents import Evaluation, Rate, Rates


def rates_of(evaluations: Mapping[str, Evaluation]) -> dict[str, Rates]:
    """Arm's title -> both errors of the cycle that is served; empty where not every arm has them."""
    points = {title: arm.operating_point for title, arm in evaluations.items()}
    measured = {title: point.measured for title, point in points.items() if point is not None and point.measured}
    return measured if len(measured) == len(evaluations) else {}


def counted_as(evaluations: Mapping[str, Evaluation]) -> str:
    """What the test images are: "parts", or "photographs" where several show the same one."""
    own = [image for image in next(iter(evaluations.values())).images if not image.augmentation]
    return "parts" if len({image.part for image in own}) == len(own) else "photographs"


def sentence(evaluations: Mapping[str, Evaluation]) -> str:
    """Both errors of every arm in counts, of how many; empty where no label is that of good parts.

    E.g. "Of each arm's training that is served: missed defects (defective parts that went through as good): real only
    4 of 4, …; false alarms (good parts that were rejected): …"
    """
    rates = rates_of(evaluations)
    if not rates:
        return ""
    counted = counted_as(evaluations)

    def each(rate: Callable[[Rates], Rate]) -> str:
        return ", ".join(f"{title} {rate(both).count} of {rate(both).of}" for title, both in rates.items())

    return (
        f"Of each arm's training that is served: missed defects (defective {counted} that went through as good): "
        f"{each(lambda both: both.escape)}; "
        f"false alarms (good {counted} that were rejected): {each(lambda both: both.overkill)}."
    )
