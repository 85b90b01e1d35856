"""What a classifier's card says against it: said after it was trained, and beside its answers."""

from collections.abc import Mapping
from typing import Any

from defectory.caution import caution_of
from defectory.trivial import no_use

Card = Mapping[str, Any]


def against(card: Card) -> list[str]:
    """Sentences, the heaviest first; none where its card has nothing against it."""
    cautions = [no_use_of(card), caution_of(card["calibration"]["validation"]["images"])]
    return [text for text in cautions if text]


def no_use_of(card: Card) -> str:
    """Why its decisions are of no use, by the test images where it was measured, else by validation; empty: of use.

    Also empty where the card does not say: no label is that of good parts.
    """
    point = card.get("operating_point")
    if not point:
        return ""
    split = "test" if point.get("test") else "validation"
    missed, false_alarms = (
        (point[split][error]["count"], point[split][error]["of"]) for error in ("escape", "overkill")
    )
    return no_use(missed, false_alarms, split)
