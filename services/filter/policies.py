"""Which images a judge's confidence keeps; the paper's sentence allows two readings, so both have a name."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from defectory.errors import InvalidInput

PolicyName = Literal["confident", "informative", "band", "none"]


@dataclass(frozen=True)
class Policy:
    """A rule with its thresholds.

    Attributes:
        name: `confident` keeps what is recognised as the intended label with at least the threshold; `informative`
            keeps what is not; `band` keeps what lies between lower_threshold (included) and threshold; `none` keeps
            everything.
        threshold, lower_threshold: probabilities of the intended label, in [0, 1].
        label_thresholds, label_lower_thresholds: of single labels, in place of threshold and lower_threshold.
    """

    name: PolicyName = "confident"
    threshold: float = 0.9
    lower_threshold: float = 0.5
    label_thresholds: Mapping[str, float] = field(default_factory=dict)
    label_lower_thresholds: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        values = {"threshold": self.threshold, "lower_threshold": self.lower_threshold}
        for name, by_label in (
            ("label_thresholds", self.label_thresholds),
            ("label_lower_thresholds", self.label_lower_thresholds),
        ):
            values |= {f"{name}[{label}]": value for label, value in by_label.items()}
        fields = {name: f"{value} is not in [0, 1]" for name, value in values.items() if not 0 <= value <= 1}
        if self.name == "band":
            if self.lower_threshold > self.threshold:
                fields["lower_threshold"] = f"{self.lower_threshold} is above the threshold"
            for label in sorted({*self.label_thresholds, *self.label_lower_thresholds}):
                lower, upper = self._bounds(label)
                if lower > upper:
                    fields[f"label_lower_thresholds[{label}]"] = f"{lower} is above the label's threshold, {upper}"
        if fields:
            raise InvalidInput("; ".join(f"{name}: {why}" for name, why in fields.items()), fields)

    def keeps(self, label: str, probabilities: Mapping[str, float]) -> bool:
        """Whether an image meant to show `label` is kept, given the judge's probability of every label."""
        lower, threshold = self._bounds(label)
        p = probabilities[label]
        recognised = p >= threshold and p == max(probabilities.values())
        if self.name == "confident":
            return recognised
        if self.name == "informative":
            return not recognised
        if self.name == "band":
            return lower <= p < threshold
        return True

    def _bounds(self, label: str) -> tuple[float, float]:
        lower = self.label_lower_thresholds.get(label, self.lower_threshold)
        return lower, self.label_thresholds.get(label, self.threshold)
