"""What a classifier's card says of its decisions, and against them: said after a training, and beside its answers."""

from typing import Literal

from pydantic import BaseModel

from defectory.caution import caution_of
from defectory.trivial import no_use


class _Rate(BaseModel):
    count: int
    of: int


class _Rates(BaseModel):
    escape: _Rate
    overkill: _Rate


class _OperatingPoint(BaseModel):
    threshold: float = 0.5
    target: Literal["recall", "overkill"] | None = None
    target_value: float | None = None
    validation: _Rates | None = None
    test: _Rates | None = None


class _Fitted(BaseModel):
    images: int


class _Calibration(BaseModel):
    validation: _Fitted


class _Card(BaseModel):
    operating_point: _OperatingPoint | None = None
    calibration: _Calibration | None = None


def against(card: object) -> list[str]:
    """Sentences, the heaviest first; none where its card, as JSON has it, has nothing against it."""
    calibration = _Card.model_validate(card).calibration
    few = caution_of(calibration.validation.images) if calibration else ""
    cautions = [no_use_of(card), not_promised(card), few]
    return [text for text in cautions if text]


def no_use_of(card: object) -> str:
    """Why its decisions are of no use, by the test images where it was measured, else by validation; empty: of use.

    Also empty where the card does not say: no label is that of good parts.
    """
    point = _Card.model_validate(card).operating_point
    rates = (point.test or point.validation) if point else None
    if point is None or rates is None:
        return ""
    escape, overkill = rates.escape, rates.overkill
    return no_use((escape.count, escape.of), (overkill.count, overkill.of), "test" if point.test else "validation")


def line_of(card: object) -> str:
    """Where the line between good and defective is drawn, and what it does on validation; empty: there is none."""
    point = _Card.model_validate(card).operating_point
    if point is None or point.validation is None:
        return ""
    escape, overkill = point.validation.escape, point.validation.overkill
    return (
        f"a part is rejected from a probability of being defective of {point.threshold:.3g} on: of the validation "
        f"images {escape.of - escape.count} of {escape.of} defective ones are caught, and {overkill.count} of "
        f"{overkill.of} good ones rejected"
    )


def not_promised(card: object) -> str:
    """Why the target that was asked for is met on the validation images, and no promise; empty: they are enough.

    The exact interval of Clopper and Pearson says what so many images leave possible.
    """
    from defectory.statistics import rate_interval  # imports SciPy, for which no answer of a server waits

    point = _Card.model_validate(card).operating_point
    if point is None or point.validation is None or point.target is None or point.target_value is None:
        return ""
    wanted = point.target_value
    if point.target == "recall":
        missed = point.validation.escape
        least = 1 - rate_interval(missed.count, missed.of)[1]
        if least >= wanted:
            return ""
        return (
            f"{missed.of} defective validation images cannot promise to catch {wanted:.0%}: "
            f"{missed.of - missed.count} of {missed.of} being caught, the share of all defective parts that are caught "
            f"may be as low as {least:.0%}"
        )
    false = point.validation.overkill
    most = rate_interval(false.count, false.of)[1]
    if most <= wanted:
        return ""
    return (
        f"{false.of} good validation images cannot promise at most {wanted:.1%} false alarms: {false.count} of "
        f"{false.of} being rejected, the share of all good parts that are rejected may be as high as {most:.0%}"
    )
