"""Settings of a training: one frozen, validated definition, with the defaults that depend on the data filled in."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from defectory.errors import InvalidInput
from services.generator.stylegan2.augment import PRESETS
from services.generator.stylegan2.networks import Architecture

SMALL_BASE = 8192  # below this channel_base the latents are small too
SMALL_LATENT, FULL_LATENT = 64, 512
MIN_MEASURED = 10  # as many as the metrics want at least
INHERITED = ("channel_base", "channel_max", "z_dim", "w_dim", "mapping_layers", "conv_clamp")


class TrainingSettings(BaseModel):
    """Everything that shapes a training, apart from its data and its seed."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    architecture: Architecture
    kimg: float = Field(300, gt=0, le=100_000, description="thousands of real images shown to the discriminator")
    batch: int = Field(16, ge=2, le=1024, description="images a step")
    learning_rate: float = Field(0.002, gt=0, le=1, description="of both optimisers (Adam)")
    r1_gamma: float = Field(ge=0, description="weight of the R1 penalty")
    mirror_x: bool = Field(False, description="real images are also shown mirrored left to right")
    mirror_y: bool = Field(False, description="real images are also shown mirrored top to bottom")
    augment_mode: Literal["ada", "fixed", "none"] = Field("ada", description="adaptive, fixed or no augmentation")
    augment_preset: str = Field("bgc", description="which transformations")
    augment_target: float = Field(0.6, gt=0, lt=1, description="target of the overfitting heuristic r_t")
    augment_p: float = Field(0.0, ge=0, le=1, description="probability of each transformation, with mode fixed")
    augment_kimg: float = Field(gt=0, description="thousands of images in which p can go from 0 to 1")
    ema_kimg: float = Field(gt=0, description="half-life of the moving average of the weights, thousands of images")
    style_mixing: float = Field(0.9, ge=0, le=1, description="probability that a batch mixes two styles")
    freeze_d: int = Field(0, ge=0, le=16, description="highest resolutions of the discriminator that stay fixed")
    snapshot_kimg: float = Field(gt=0, description="thousands of images between checkpoints and sample sheets")
    path_length_weight: float = Field(2.0, ge=0, description="weight of path-length regularisation")
    keep_checkpoints: int = Field(2, ge=1, le=100, description="newest checkpoints that stay; one may be found broken")
    measured_images: int = Field(
        200, ge=0, le=10_000, description="images made at a snapshot to be measured, watched for leaks; 0: none"
    )
    ship: Literal["best", "last"] = Field("best", description="snapshot that becomes the model: best by KID, or last")
    patience: int = Field(0, ge=0, le=10_000, description="snapshots without a better one that end it early; 0: never")
    leak_guard: bool = Field(True, description="augmentations that leak into the images make way for milder ones")

    @field_validator("measured_images")
    @classmethod
    def _enough(cls, value: int) -> int:
        if 0 < value < MIN_MEASURED:
            raise ValueError(f"use 0 or at least {MIN_MEASURED}")
        return value

    @field_validator("augment_preset")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in PRESETS:
            raise ValueError(f"use one of {', '.join(PRESETS)}")
        return value

    @property
    def total_images(self) -> int:
        """Images to show to the discriminator."""
        return max(1, round(self.kimg * 1000))

    @property
    def snapshot_images(self) -> int:
        """Images between two checkpoints."""
        return max(1, round(self.snapshot_kimg * 1000))


def resolve(
    values: Mapping[str, Any], *, size_px: int, channels: int, initial: Architecture | None = None
) -> TrainingSettings:
    """Check given values and fill in what is not given.

    Args:
        values: settings by name, those of the architecture among them; None or a missing name takes the default.
        size_px: side of the dataset's images, the default resolution.
        channels: of the dataset's images, 1 or 3.
        initial: of the model that training starts from, if any: its widths are the defaults, and p may move faster,
            because training overfits sooner.

    Raises:
        InvalidInput: names every field that is wrong.
    """
    given = {name: value for name, value in values.items() if value is not None}
    shape = {name: given.pop(name) for name in tuple(given) if name in Architecture.model_fields}
    latent = SMALL_LATENT if shape.get("channel_base", 4096) < SMALL_BASE else FULL_LATENT
    shape = {
        "resolution_px": size_px,
        "channels": channels,
        "z_dim": latent,
        "w_dim": latent,
        **({} if initial is None else initial.model_dump(include=set(INHERITED))),
        **shape,
    }
    batch, kimg = given.get("batch", 16), given.get("kimg", 300)
    usable = batch if isinstance(batch, int) and batch > 0 else 16  # a wrong batch is reported below
    defaults = {
        "r1_gamma": 0.0002 * shape["resolution_px"] ** 2 / usable,
        "ema_kimg": usable * 10 / 32,
        "snapshot_kimg": max(kimg, 1e-3) / 10,
        # 500 is the paper's; a training shorter than that would never reach the p that it needs. Below 100 p outruns
        # what the discriminator can answer and ends at its limit.
        "augment_kimg": 100.0 if initial else min(500.0, max(kimg, 100.0)),
    }
    try:
        settings = TrainingSettings.model_validate({**defaults, **given, "architecture": shape})
    except ValidationError as error:
        fields = {_field(e["loc"]): e["msg"] for e in error.errors()}
        summary = "; ".join(f"{name}: {why}" for name, why in fields.items())
        raise InvalidInput(f"training settings: {summary}", fields) from error
    blocks = len(settings.architecture.resolutions) - 1
    if settings.freeze_d > blocks:
        right = f"at most {blocks} at {settings.architecture.resolution_px} px"
        raise InvalidInput(f"freeze_d is {settings.freeze_d}: {right}", {"settings.freeze_d": right})
    return settings


def _field(location: tuple[int | str, ...]) -> str:
    return ".".join(["settings", *(str(part) for part in location if part != "architecture")])
