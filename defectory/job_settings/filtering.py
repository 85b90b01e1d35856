"""Which synthetic images are kept."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from defectory.job_settings.base import JobSettings

PolicyName = Literal["confident", "informative", "band", "none"]
Share = Annotated[float, Field(ge=0, le=1)]


class Filtering(JobSettings):
    """Which synthetic images are kept; thresholds are probabilities of the intended label, the mean over cycles."""

    policy: PolicyName = Field(
        "confident",
        description="what is kept: what is recognised from the threshold on, what is not, between the thresholds, all",
    )
    threshold: float = Field(0.9, ge=0, le=1, description="confidence threshold, of calibrated probabilities")
    lower_threshold: float = Field(0.5, ge=0, le=1, description="lower threshold of the policy band")
    label_thresholds: Mapping[str, Share] = Field({}, description="threshold of single labels")
    label_lower_thresholds: Mapping[str, Share] = Field(
        {}, description="lower threshold of single labels, with the policy band"
    )
    novelty_gate: bool = Field(True, description="reject near-copies, near-duplicates and outliers")
