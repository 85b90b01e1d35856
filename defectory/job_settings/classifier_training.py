"""How a classifier is trained."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from defectory.job_settings import generator_training as generator
from defectory.job_settings.base import JobSettings, ZeroOr

RecipeName = Literal["paper", "best"]
InitialWeights = Literal["imagenet", "starter", "random"]
MAX_CYCLES = 100
SMALLEST_PX, LARGEST_PX = 32, 512  # side of the network's input


class ClassifierRecipe(JobSettings):
    """How a classifier learns; what is absent is as its recipe says."""

    recipe: RecipeName = Field("best", description="where the defaults come from: docs/classifier.md")
    input_px: Annotated[int, ZeroOr(SMALLEST_PX, LARGEST_PX)] = Field(
        0, description="side of the network's input in pixels; 0: 224, or less where no picture has more"
    )
    square_px: Annotated[int, ZeroOr(generator.SMALLEST_PX, generator.LARGEST_PX)] = Field(
        0,
        description="side of the square that every picture comes through, in pixels; 0: the input's, or that of "
        "synthetic images among them",
    )
    width_multiplier: float | None = Field(
        None, ge=0.35, le=1.4, description="alpha of MobileNetV2; ImageNet has 0.35, 0.5, 0.75, 1, 1.3 and 1.4"
    )
    head_units: int | None = Field(None, ge=8, le=4096, description="units of the dense layer")
    dropout: float | None = Field(None, ge=0, lt=1, description="dropout rate before the dense layer")
    l2: float | None = Field(None, ge=0, le=10, description="L2 factor on kernels and biases of the head")
    trainable_base: Literal["none", "top", "all"] | None = Field(
        None, description="layers of the base that are trained; top: from block 13 on"
    )
    epochs: int | None = Field(None, ge=1, le=10_000, description="epochs a cycle")
    learning_rate: float | None = Field(None, ge=1e-9, le=1, description="learning rate (Adam)")
    base_rate: float | None = Field(
        None, ge=1e-6, le=1, description="the base's learning rate as a share of the head's"
    )
    decay: Literal["none", "cosine"] | None = Field(None, description="of the learning rate, after the warm-up")
    warmup_epochs: int | None = Field(
        None, ge=0, le=10_000, description="epochs, of all, in which only the head learns"
    )
    warmup_rate: float | None = Field(None, ge=1e-9, le=1, description="learning rate of the warm-up")
    batch: int = Field(32, ge=1, le=1024, description="images a step")
    steps_per_epoch: int = Field(
        0, ge=0, le=1_000_000, description="steps an epoch; 0: as many as show every training image once"
    )
    focal_gamma: float | None = Field(
        None,
        ge=0,
        le=10,  # beyond, nothing but the worst image has a gradient
        description="gamma of the focal loss",
    )
    label_smoothing: float | None = Field(None, ge=0, lt=0.5, description="share of the target spread over all labels")
    class_balance: float | None = Field(None, ge=0, le=1, description="how much rare labels weigh more; 1: fully")
    augment: float | None = Field(None, ge=0, le=1, description="strength of shifts, turns, scales, changes of light")
    views: int = Field(
        8,
        ge=0,
        le=64,
        description="augmented or mirrored views of a training picture that steps draw among where the base stands "
        "still, each embedded once; 0: every draw is a new one, and embedded anew",
    )
    mirror_x: bool | None = Field(None, description="images are also shown mirrored left to right")
    mirror_y: bool | None = Field(None, description="images are also shown mirrored top to bottom")
    real_share: float | None = Field(
        None,
        ge=1e-3,
        le=1,
        description="least share of photographs among a label's draws, and among those of each kind of its defects, "
        "the rest being edited or synthetic; labels are then drawn in turn, and kinds as often as their photographs; "
        "1: photographs only; absent: all images as they come",
    )
    pretraining: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="share of the epochs, the first ones, in which a label's edited and synthetic images alone are "
        "drawn; in all others real_share holds, or is 1; absent: none",
    )
    synthetic_cap: int = Field(0, ge=0, le=1_000_000, description="most synthetic training images a label; 0: all")
    initial_weights: InitialWeights = Field(
        "imagenet", description="where the base starts; imagenet: from the starter where ImageNet weights are not found"
    )
    good_label: str = Field("good", min_length=1, description="label of good parts, for the operating point")
    target: str = Field(
        "",
        description="what the operating point has to meet: recall=SHARE (of defects caught, e.g. recall=0.99) or "
        "overkill=SHARE (of good parts rejected); empty: none",
    )

    @model_validator(mode="before")
    @classmethod
    def _renamed(cls, values: object) -> object:
        if isinstance(values, Mapping) and "preset" in values:
            raise ValueError("preset of a classifier is called recipe; preset is the whole line's")
        return values


def as_written_before(values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings that another version has stored, under today's names: a recipe was called preset."""
    return {"recipe" if name == "preset" else name: value for name, value in values.items()}


class ClassifierTraining(ClassifierRecipe):
    """How a classifier is trained by itself: where nothing is compared with it, a cycle may end early."""

    patience: int | None = Field(
        None,
        ge=0,
        le=10_000,
        description="epochs without a better one on validation that end a cycle, not counting the warm-up; 0: never",
    )


class Cycles(JobSettings):
    """How often a classifier is trained."""

    cycles: int = Field(
        5, ge=1, le=MAX_CYCLES, description="trainings with different seeds (cycles), over which figures are means"
    )
    at_once: int = Field(
        0, ge=0, le=64, description="cycles trained side by side, for the same weights; 0: as many as the cores allow"
    )


class FoldedCycles(Cycles):
    """How often, and what each cycle leaves out."""

    folds: Annotated[int, ZeroOr(2, MAX_CYCLES)] = Field(
        0,
        description="every cycle leaves out another of so many parts, for a judge; 0: none",
    )
