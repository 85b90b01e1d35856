"""How a generator's pictures are computed."""

from typing import Literal

from pydantic import Field

from defectory.job_settings.base import JobSettings

Precision = Literal["fp32", "fp16", "bf16"]
NoiseMode = Literal["const", "random", "none"]
HALF_RESOLUTIONS = 4  # that a precision is for, as published (Karras et al. 2020, arXiv:2006.06676)
MAX_HALF_RESOLUTIONS = 8  # more than a network of 1024 px has


class Arithmetic(JobSettings):
    """How exactly a network computes."""

    precision: Precision = Field(
        "fp32", description="arithmetic of the highest resolutions; bf16 is fast on CPUs with avx512_bf16"
    )
    half_resolutions: int = Field(
        HALF_RESOLUTIONS, ge=1, le=MAX_HALF_RESOLUTIONS, description="highest resolutions that precision is for"
    )


class Truncation(JobSettings):
    """How far a picture's styles may be from the mean."""

    truncation_psi: float = Field(
        1.0,
        ge=0,
        le=2,
        description="how far a picture's style may be from the mean (truncation psi); 1: as far as it is, 0: all alike",
    )
    truncation_cutoff: int | None = Field(
        None,
        ge=0,
        le=64,
        description="styles that are truncated, the coarsest, two a resolution; absent, or beyond the last: all",
    )


class Rendering(Truncation, Arithmetic):
    """How pictures are drawn of latents."""


class NoisyRendering(Rendering):
    """How single pictures are drawn, whose noise may be their own."""

    noise_mode: NoiseMode = Field("random", description="noise of the synthesis network; random: by the image's seed")


class PreviewRendering(NoisyRendering):
    """How a preview is drawn: with the same noise for every picture, so that latents can be compared."""

    noise_mode: NoiseMode = Field("const", description="noise of the synthesis network; random: by the image's seed")
