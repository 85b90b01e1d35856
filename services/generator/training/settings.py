"""Settings of a training with every default filled in: those that depend on configuration, data and initial model."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field, ValidationError

from defectory.errors import InvalidInput
from defectory.job_settings.base import filled_in
from defectory.job_settings.generator_training import (
    LARGEST_KIMG,
    P_LIMIT,
    SMALLEST_KIMG,
    GeneratorTraining,
    LearningSettings,
    ShapeSettings,
    usual_snapshot_kimg,
)
from defectory.job_settings.rendering import Arithmetic
from defectory.validation import validated
from defectory.wording import why_of
from services.generator.stylegan2.networks import Architecture
from services.generator.stylegan2.precision import CLAMP
from services.generator.training import configurations
from services.generator.training.configurations import COMMON, SMALL

MAX_SNAPSHOTS = 10_000  # of a training: each is a checkpoint and a sheet in the store


class TrainingSettings(Arithmetic, LearningSettings):
    """Everything that shapes a training, apart from its data and its seed.

    Those of LearningSettings that a configuration fills in stand here again, as what always has a value.
    """

    architecture: Architecture
    kimg: float = filled_in(LearningSettings, "kimg", SMALL["kimg"])
    batch: int = filled_in(LearningSettings, "batch", SMALL["batch"])
    learning_rate: float = filled_in(LearningSettings, "learning_rate", SMALL["learning_rate"])
    r1_gamma: float = filled_in(LearningSettings, "r1_gamma")
    augment_target: float = filled_in(LearningSettings, "augment_target", 0.6)
    style_mixing: float = filled_in(LearningSettings, "style_mixing", COMMON["style_mixing"])
    path_length_weight: float = filled_in(LearningSettings, "path_length_weight", COMMON["path_length_weight"])
    ema_kimg: float = filled_in(LearningSettings, "ema_kimg")
    ema_ramp: float = filled_in(LearningSettings, "ema_ramp", configurations.RAMP)
    snapshot_kimg: float = filled_in(
        LearningSettings, "snapshot_kimg", description="thousands of images between checkpoints and sample sheets"
    )
    augment_kimg: float = Field(
        ge=SMALLEST_KIMG, le=LARGEST_KIMG, description="thousands of images in which p can go from 0 to 1"
    )

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
        values: fields of GeneratorTraining; None or a missing name takes the default.
        size_px: side of the dataset's images, the default resolution.
        channels: of the dataset's images, their masks included where those are learned: 1 to 4.
        classes: labels that one model learns together; 0: it learns one.
        initial: of the model that training starts from, if any: its widths are the defaults, and p may move faster,
            because training overfits sooner.

    Raises:
        InvalidInput: names every field that is wrong.
    """
    asked = validated(GeneratorTraining, {k: v for k, v in values.items() if v is not None}, "settings")
    resolution_px = asked.resolution_px or size_px
    defaults = configurations.defaults(asked.config, resolution_px, asked.batch, asked.channel_base)
    given = asked.model_dump(exclude_none=True, exclude_unset=True)
    shape = {
        **{name: value for name, value in defaults.items() if name in Architecture.model_fields},
        **({} if initial is None else initial.model_dump(include=set(ShapeSettings.model_fields))),
        **{name: value for name, value in given.items() if name in Architecture.model_fields},
        "resolution_px": resolution_px,
        "channels": channels,
        "classes": classes,
        "mask": asked.with_mask,
    }
    if asked.precision == "fp16" and shape.get("conv_clamp") is None:
        shape["conv_clamp"] = CLAMP
    kimg = asked.kimg or defaults["kimg"]
    learning = {name: value for name, value in (defaults | given).items() if name not in Architecture.model_fields}
    learning |= {
        "snapshot_kimg": asked.snapshot_kimg or usual_snapshot_kimg(kimg),
        # 500 is the paper's; a training shorter than that would never reach the p that it needs. Below 100 p outruns
        # what the discriminator can answer and ends at its limit.
        "augment_kimg": 100.0 if initial else min(500.0, max(kimg, 100.0)),
    }
    try:
        settings = TrainingSettings.model_validate({**learning, "architecture": shape})
    except ValidationError as error:
        fields = {_field(part["loc"]): why_of(part) for part in error.errors()}
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
    if fixed and not p:
        right = f"above 0 and at most {P_LIMIT} with augment_mode fixed; for no augmentation none"
        raise InvalidInput(f"augment_p is {p:g}: {right}", {"settings.augment_p": right})
    if p and not fixed:
        right = f"only with augment_mode fixed, and this one is {settings.augment_mode}"
        raise InvalidInput(f"augment_p is {p:g}: {right}", {"settings.augment_p": right})
    if "augment_target" in settings.model_fields_set and settings.augment_mode != "ada":
        right = f"only with augment_mode ada, and this one is {settings.augment_mode}"
        raise InvalidInput(
            f"augment_target is {settings.augment_target:g}: {right}", {"settings.augment_target": right}
        )


def _field(location: tuple[int | str, ...]) -> str:
    return ".".join(["settings", *(str(part) for part in location if part != "architecture")])
