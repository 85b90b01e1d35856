"""What a factory asks of a classifier: "recall=0.99", or "overkill=0.02"."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from defectory.errors import InvalidInput

Kind = Literal["recall", "overkill"]


@dataclass(frozen=True)
class Target:
    """What a factory asks: "recall", catch at least this share of defects; "overkill", reject at most this of good."""

    kind: Kind
    value: float


def parse_target(text: str) -> Target | None:
    """Target of "recall=0.99" or "overkill=0.02"; None of an empty text.

    Raises:
        InvalidInput: another form, or a share out of range.
    """
    if not text:
        return None
    kind, _, share = text.partition("=")
    right = "use recall=SHARE, in (0, 1], or overkill=SHARE, in [0, 1), e.g. recall=0.99"
    try:
        value = float(share)
    except ValueError:
        raise InvalidInput(f"target {text!r}: {right}", {"settings.target": right}) from None
    if kind == "recall" and 0 < value <= 1:
        return Target("recall", value)
    if kind == "overkill" and 0 <= value < 1:
        return Target("overkill", value)
    raise InvalidInput(f"target {text!r}: {right}", {"settings.target": right})


def check_target(labels: Sequence[str], good: str, target: Target | None, validation: Sequence[str]) -> None:
    """Refuse a target that cannot be looked for.

    Args:
        labels: the classifier's. good: label of good parts. validation: label of every validation image.

    Raises:
        InvalidInput: no label of good parts, or no good or no defective validation images.
    """
    if target is None:
        return
    if good not in labels:
        right = f"name the label of good parts, one of {', '.join(labels)}"
        raise InvalidInput(
            f"a target needs a label of good parts, and {good!r} is none: {right}", {"settings.good_label": right}
        )
    if good not in validation or all(label == good for label in validation):
        right = "add good and defective parts to the validation split"
        raise InvalidInput(f"a target needs good and defective validation images: {right}", {"settings.target": right})
