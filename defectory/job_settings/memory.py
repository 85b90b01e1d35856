"""How good parts are remembered, whose distance tells a defect."""

from pydantic import Field

from defectory.job_settings.base import JobSettings, filled_in
from defectory.job_settings.classifier_training import Cycles


class MemorySettings(JobSettings):
    """A memory bank of good parts (PatchCore: Roth et al. 2022, arXiv:2106.08265)."""

    patches: int = Field(
        1000, ge=10, le=100_000, description="patches of good training parts that are remembered, spread as widely as "
        "they lie apart"
    )  # fmt: skip


class Memories(MemorySettings):
    """The same with several seeds."""

    cycles: int = filled_in(Cycles, "cycles", 5, "memories with different seeds")
