"""What a folder of photographs is read as, and how it is split: settings of the line, and options of its commands."""

from typing import Literal

from pydantic import Field, model_validator

from defectory.job_settings.base import JobSettings


class SourceFolder(JobSettings):
    """Where the photographs are."""

    directory: str = Field(description="folder or table of photographs (docs/ingest.md); relative to the pipeline file")


class IngestSettings(JobSettings):
    """How they are read and split."""

    layout: str = Field("", description="how it is laid out (docs/ingest.md); empty: recognised")
    good: str = Field("", description="label of good parts; empty: good, ok, pass, normal, …")
    masks: Literal["auto", "all", "none"] = Field(
        "auto", description="what can be a mask by name or content is one where it is plain, always, or never"
    )
    keep_splits: bool = Field(False, description="keep the folder's own splits; else all is split anew by group")
    fit: Literal["stretch", "crop", "pad"] = Field("stretch", description="how a picture becomes square for a network")
    keep_alpha: bool = Field(False, description="keep the transparency of images (RGBA); else it lies on white")
    bits: int | None = Field(
        None, ge=8, le=16, description="bits that the values of 16-bit files use (10, 12, 14, …); absent: found"
    )
    tile: bool = Field(False, description="cut photographs into overlapping square tiles, which share a group")
    tile_px: int = Field(
        0, ge=0, le=100_000, description="cut into tiles of this side, in the photograph's pixels; 0: its shorter side"
    )
    tile_overlap: float = Field(0.25, ge=0, le=0.75, description="overlap of neighbouring tiles, a share of the side")
    labels: Literal["binary", "kinds"] = Field("binary", description="good / defect, or one label a kind of defect")
    groups: str | None = Field(None, description="CSV of image,group: photographs of one part; absent: found")
    test_share: float = Field(0.15, gt=0, lt=0.5, description="share of groups in the test split")
    validation_share: float = Field(0.15, gt=0, lt=0.5, description="share of groups in the validation split")
    grow_test_to: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="images that the test split grows to by augmented copies (marked as such); 0: none",
    )
    test_augmentations: tuple[str, ...] = Field(
        ("mirror-x", "mirror-y", "rotate-180", "brighter", "darker"),
        description="copies that the test split may grow by; also rotate+5, rotate-5",
    )
    seed: int = Field(0, ge=0, le=2**62, description="seed of the split")


class DataSettings(IngestSettings, SourceFolder):  # the last one's field comes first
    """What is ingested, and how it is split."""

    @model_validator(mode="before")
    @classmethod
    def _moved(cls, values: object) -> object:
        if isinstance(values, dict) and "size_px" in values:
            raise ValueError("pictures keep their size; size_px is generator.resolution_px (and classifier.input_px)")
        return values
