"""What a classifier's card says against it: said after it was trained, and beside its answers."""

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
    cautions = [no_use_of(card), caution_of(calibration.validation.images) if calibration else ""]
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
