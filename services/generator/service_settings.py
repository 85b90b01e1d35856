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
    compiled_loops: Literal["auto", "off"] = Field(
        "auto",
        description="convolutions on a CPU; auto: by compiled loops where they can be used; off: by torch alone",
    )
    processes: int = Field(
        1, ge=1, le=64, description="processes that train a generator together, one a GPU; other work is done in one"
    )
