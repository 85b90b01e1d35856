"""What the generator is told from outside, beside what every service is."""

from typing import Literal

from pydantic import Field

from defectory.settings import ServiceSettings


class GeneratorServiceSettings(ServiceSettings):
    """Settings of the generator."""

    device: Literal["auto", "cuda"] = Field(
        "auto",
        description="auto: a GPU where there is one; cuda: it neither starts nor works without one",
    )
