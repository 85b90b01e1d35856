"""Settings of a training: one frozen, validated definition, with the defaults that depend on the data filled in."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from defectory.errors import InvalidInput
from services.generator.stylegan2.augment import PRESETS
from services.generator.stylegan2.networks import Architecture
from services.generator.stylegan2.precision import CLAMP, HALF_RESOLUTIONS, MAX_HALF_RESOLUTIONS, Precision
from services.generator.training import configurations
from services.generator.training.ada import P_LIMIT
from services.generator.training.configurations import ConfigName
from services.generator.training.device import Device

SMALLEST_KIMG = 1e-3  # one image
LARGEST = 1e38  # of a weight: what single precision holds
MAX_SNAPSHOTS = 10_000  # of a training: each is a checkpoint and a sheet in the store
MIN_MEASURED = 10  # as many as the metrics want at least
INHERITED = (
    "channel_base", "channel_max", "z_dim", "w_dim", "mapping_layers", "conv_clamp", "deviation_group",
    "deviation_features", "discriminator_skips",
)  # fmt: skip


class TrainingSettings(BaseModel):
    """Everything that shapes a training, apart from its data and its seed."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    config: ConfigName = Field("small", description="configuration that the defaults come from")
    architecture: Architecture
    kimg: float = Field(
        300, ge=SMALLEST_KIMG, le=100_000, description="thousands of real images shown to the discriminator"
    )
    batch: int = Field(16, ge=2, le=1024, description="images a step")
    learning_rate: float = Field(0.002, ge=1e-9, le=1, description="of both optimisers (Adam)")
    r1_gamma: float = Field(ge=0, le=LARGEST, description="weight of the R1 penalty")
    mirror_x: bool = Field(False, description="real images are also shown mirrored left to right")
    mirror_y: bool = Field(False, description="real images are also shown mirrored top to bottom")
    augment_mode: Literal["ada", "fixed", "none"] = Field("ada", description="adaptive, fixed or no augmentation")
    augment_preset: str = Field("bgc", description="which transformations")
    augment_target: float = Field(0.6, ge=1e-3, lt=1, description="target of the overfitting heuristic r_t")
    augment_p: float = Field(0.0, ge=0, le=1, description="probability of each transformation, with mode fixed")
    augment_kimg: float = Field(
        ge=SMALLEST_KIMG, le=100_000, description="thousands of images in which p can go from 0 to 1"
    )
    ema_kimg: float = Field(
        ge=SMALLEST_KIMG, le=100_000, description="half-life of the moving average of the weights, thousands of images"
    )
    ema_ramp: float = Field(
        configurations.RAMP, ge=0, le=1,
        description="at the start that half-life is at most this share of the images seen; 0: no such bound",
    )  # fmt: skip
    style_mixing: float = Field(0.9, ge=0, le=1, description="probability that a batch mixes two styles")
    freeze_d: int = Field(0, ge=0, le=16, description="highest resolutions of the discriminator that stay fixed")
    snapshot_kimg: float = Field(
        ge=SMALLEST_KIMG, le=100_000, description="thousands of images between checkpoints and sample sheets"
    )
    path_length_weight: float = Field(2.0, ge=0, le=LARGEST, description="weight of path-length regularisation")
    keep_checkpoints: int = Field(2, ge=1, le=100, description="newest checkpoints that stay; one may be found broken")
    measured_images: int = Field(
        200, ge=0, le=10_000, description="images made at a snapshot to be measured, watched for leaks; 0: none"
    )
    ship: Literal["best", "last"] = Field("best", description="snapshot that becomes the model: best by KID, or last")
    patience: int = Field(0, ge=0, le=10_000, description="snapshots without a better one that end it early; 0: never")
    leak_guard: bool = Field(True, description="augmentations that leak into the images make way for milder ones")
    device: Device = Field("auto", description="where it is computed; auto: on a GPU if there is one")
    precision: Precision = Field("fp32", description="arithmetic of the highest resolutions: fp32, fp16 or bf16")
    half_resolutions: int = Field(
        HALF_RESOLUTIONS, ge=1, le=MAX_HALF_RESOLUTIONS, description="highest resolutions that precision is for"
    )
    tf32: bool = Field(False, description="let a GPU round the factors of fp32 products to 10 bits")
    micro_batch: int = Field(
        0, ge=0, le=1024, description="images computed at once, gradients are added up; 0: the whole batch"
    )

    @field_validator("measured_images")
    @classmethod
    def _enough_to_measure(cls, value: int) -> int:
        if 0 < value < MIN_MEASURED:
            raise ValueError(f"use 0 or at least {MIN_MEASURED}")
        return value

    @field_validator("augment_preset")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in PRESETS:
            raise ValueError(f"use one of {', '.join(PRESETS)}")
        return value

    @field_validator("micro_batch")
    @classmethod
    def _enough(cls, value: int) -> int:
        if value == 1:
            raise ValueError("must be 0 or at least 2")
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
    values: Mapping[str, Any], *, size_px: int, channels: int, classes: int = 0, initial: Architecture | None = None
) -> TrainingSettings:
    """Check given values and fill in what is not given.

    Args:
        values: settings by name, those of the architecture among them; None or a missing name takes the default.
        size_px: side of the dataset's images, the default resolution.
        channels: of the dataset's images, 1, 3 or 4.
        classes: labels that one model learns together; 0: it learns one.
        initial: of the model that training starts from, if any: its widths are the defaults, and p may move faster,
            because training overfits sooner.

    Raises:
        InvalidInput: names every field that is wrong.
    """
    given = {name: value for name, value in values.items() if value is not None}
    shape = {name: given.pop(name) for name in tuple(given) if name in Architecture.model_fields}
    name = given.get("config", "small")
    defaults = configurations.defaults(
        name,
        _whole(shape.get("resolution_px")) or size_px,
        _whole(given.get("batch")),
        _whole(shape.get("channel_base")),
    )
    shape = {
        "resolution_px": size_px,
        "channels": channels,
        "classes": classes,
        **{name: defaults.pop(name) for name in tuple(defaults) if name in Architecture.model_fields},
        **({} if initial is None else initial.model_dump(include=set(INHERITED))),
        **shape,
    }
    if given.get("precision") == "fp16" and shape.get("conv_clamp") is None:
        shape["conv_clamp"] = CLAMP
    kimg = given.get("kimg", defaults["kimg"])
    defaults |= {
        "snapshot_kimg": max(kimg / 10, SMALLEST_KIMG),
        # 500 is the paper's; a training shorter than that would never reach the p that it needs. Below 100 p outruns
        # what the discriminator can answer and ends at its limit.
        "augment_kimg": 100.0 if initial else min(500.0, max(kimg, 100.0)),
    }
    try:
        settings = TrainingSettings.model_validate({**defaults, **given, "architecture": shape})
    except ValidationError as error:
        fields = {_field(e["loc"]): e["msg"] for e in error.errors()}
        # Defaults that follow from a wrong value are wrong with it.
        fields = {name: why for name, why in fields.items() if name.removeprefix("settings.") in values} or fields
        summary = "; ".join(f"{name}: {why}" for name, why in fields.items())
        raise InvalidInput(f"training settings: {summary}", fields) from error
    _check_together(settings)
    return settings


def _check_together(settings: TrainingSettings) -> None:
    """See that no setting is at odds with another.

    Raises:
        InvalidInput: names the one that is to be changed.
    """
    blocks = len(settings.architecture.resolutions) - 1
    if settings.freeze_d > blocks:
        right = f"at most {blocks} at {settings.architecture.resolution_px} px"
        raise InvalidInput(f"freeze_d is {settings.freeze_d}: {right}", {"settings.freeze_d": right})
    if settings.total_images > MAX_SNAPSHOTS * settings.snapshot_images:
        right = f"at least {settings.kimg / MAX_SNAPSHOTS:g}: {MAX_SNAPSHOTS} snapshots in all"
        raise InvalidInput(f"snapshot_kimg is {settings.snapshot_kimg:g}: {right}", {"settings.snapshot_kimg": right})
    fixed, p = settings.augment_mode == "fixed", settings.augment_p
    if fixed and not 0 < p <= P_LIMIT:
        right = (
            f"above 0 and at most {P_LIMIT}, beyond which it leaks, with augment_mode fixed; for no augmentation none"
        )
        raise InvalidInput(f"augment_p is {p:g}: {right}", {"settings.augment_p": right})
    if p and not fixed:
        right = f"only with augment_mode fixed, and this one is {settings.augment_mode}"
        raise InvalidInput(f"augment_p is {p:g}: {right}", {"settings.augment_p": right})
    if "augment_target" in settings.model_fields_set and settings.augment_mode != "ada":
        right = f"only with augment_mode ada, and this one is {settings.augment_mode}"
        raise InvalidInput(
            f"augment_target is {settings.augment_target:g}: {right}", {"settings.augment_target": right}
        )


def _whole(value: Any) -> int | None:
    """A positive whole number, or None: what else was given is reported with the other fields."""
    return value if isinstance(value, int) and value > 0 else None


def _field(location: tuple[int | str, ...]) -> str:
    return ".".join(["settings", *(str(part) for part in location if part != "architecture")])
