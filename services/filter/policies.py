"""Which images a judge's confidence keeps; the paper's sentence allows two readings, so both have a name."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from defectory.errors import InvalidInput
from defectory.job_settings.filtering import Filtering


@dataclass(frozen=True)
class Policy:
    """A rule at work.

    Attributes:
        rule: `confident` keeps what is recognised as the intended label with at least the threshold; `informative`
            keeps what is not; `band` keeps what lies between lower_threshold (included) and threshold; `none` keeps
            everything. A label's own thresholds go before the others.

    Raises:
        InvalidInput: a band that ends below its start.
    """

    rule: Filtering = field(default_factory=Filtering)

    def __post_init__(self) -> None:
        if self.rule.policy != "band":
            return
        fields = {}
        if self.rule.lower_threshold > self.rule.threshold:
            fields["lower_threshold"] = f"{self.rule.lower_threshold} is above the threshold"
        for label in sorted({*self.rule.label_thresholds, *self.rule.label_lower_thresholds}):
            lower, upper = self._bounds(label)
            if lower > upper:
                fields[f"label_lower_thresholds.{label}"] = f"{lower} is above the label's threshold, {upper}"
        if fields:
            raise InvalidInput("; ".join(f"{name}: {why}" for name, why in fields.items()), fields)

    def keeps(self, label: str, probabilities: Mapping[str, float]) -> bool:
        """Whether an image meant to show `label` is kept, given the judge's probability of every label."""
        lower, threshold = self._bounds(label)
        p = probabilities[label]
        recognised = p >= threshold and p == max(probabilities.values())
        if self.rule.policy == "confident":
            return recognised
        if self.rule.policy == "informative":
            return not recognised
        if self.rule.policy == "band":
            return lower <= p < threshold
        return True

    def threshold(self, label: str) -> float:
        """The label's own threshold, or the one of all labels."""
        return self.rule.label_thresholds.get(label, self.rule.threshold)

    def _bounds(self, label: str) -> tuple[float, float]:
        lower = self.rule.label_lower_thresholds.get(label, self.rule.lower_threshold)
        return lower, self.threshold(label)
