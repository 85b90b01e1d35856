"""How a classifier's answers are explained."""

from typing import Literal

from pydantic import Field

from defectory.job_settings.base import JobSettings

Method = Literal["grad-cam", "grad-cam++", "hires-cam", "ablation-cam"]
DEFAULT_METHOD: Method = "grad-cam"
FEWEST_CELLS = 9  # of a heatmap before it is enlarged, below which it cannot say where
BoxRuleName = Literal["share", "percentile", "otsu"]


class Explaining(JobSettings):
    """How an image is explained."""

    method: Method = Field(DEFAULT_METHOD, description="how heat is found")
    box_rule: BoxRuleName = Field(
        "share", description="which heat belongs to a box: a share of the maximum, the hottest pixels, or Otsu's choice"
    )
    box_threshold: float | None = Field(
        None, gt=0, lt=1, description="value of the box rule; absent: 0.15 for share, 0.9 for percentile"
    )


class ExplainingMany(Explaining):
    """How a dataset's images are explained."""

    limit: int = Field(16, ge=1, le=10_000, description="images explained, evenly over the labels")
