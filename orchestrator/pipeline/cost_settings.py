"""What mistakes cost a factory: what a threshold, and an arm of an experiment, is judged by."""

from pydantic import Field

from defectory.job_settings.base import JobSettings

PER_PARTS = 1000  # parts that a cost is for


class CostSettings(JobSettings):
    """What mistakes cost, in the factory's own unit."""

    escape: float = Field(50.0, ge=0, le=1e9, description="a defective part that passes")
    overkill: float = Field(1.0, ge=0, le=1e9, description="a good part that is rejected")
    defect_share: float = Field(
        0.01, gt=0, lt=1, description="share of defective parts on the line; a test set has many more"
    )

    @property
    def weights(self) -> tuple[float, float]:
        """Cost of PER_PARTS parts for each share: of the defective parts that pass, of the good ones rejected."""
        return PER_PARTS * self.defect_share * self.escape, PER_PARTS * (1 - self.defect_share) * self.overkill
