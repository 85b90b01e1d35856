"""How a generator is trained: the shape of its networks, and how they learn."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from defectory.job_settings.base import JobSettings, ZeroOr
from defectory.job_settings.rendering import Arithmetic

SMALLEST_PX, LARGEST_PX = 8, 1024  # side of an image
SMALLEST_KIMG, LARGEST_KIMG = 1e-3, 100_000  # the smallest is one image
DENSEST_KIMG = 0.5  # between snapshots, where nobody asks for more: to look at one takes as long as hundreds of images
LARGEST_WEIGHT = 1e38  # of a loss's term: what single precision holds
P_LIMIT = 0.8  # of an augmentation: beyond, it leaks into what is generated (arXiv:2006.06676, section 2.3, figure 4)
MIN_MEASURED = 10  # images, as many as the metrics want at least

SMALL_KIMG = 300.0  # thousands of images that a training is long, of the configuration small
STARTER = "starter"  # the generator to start from that is shipped with the package
ConfigName = Literal["small", "auto", "stylegan2", "paper256", "paper512", "paper1024", "cifar"]
Device = Literal["auto", "cpu", "cuda"]
AugmentPreset = Literal[
    "blit", "geom", "color", "filter", "noise", "cutout", "bg", "bgc", "bgcf", "bgcfn", "bgcfnc"
]  # fmt: skip


class ShapeSettings(JobSettings):
    """What fixes the shape of every weight, beside the images' size.

    What is absent is as the initial model has it, else by the configuration.
    """

    channel_base: int | None = Field(
        None, ge=256, le=65536, description="channels at resolution r: min(channel_base / r, channel_max); small: 4096"
    )
    channel_max: int | None = Field(None, ge=8, le=1024, description="upper bound of the channels of any layer; 512")
    z_dim: int | None = Field(
        None, ge=8, le=1024, description="size of the latent z; small: 64, from a channel_base of 8192 on 512"
    )
    w_dim: int | None = Field(
        None,
        ge=8,
        le=1024,
        description="size of the intermediate latent w; small: 64, from a channel_base of 8192 on 512",
    )
    mapping_layers: int | None = Field(None, ge=1, le=16, description="layers of the mapping network; small: 2")
    conv_clamp: float | None = Field(
        None, ge=1e-3, le=1_000_000, description="bound of every layer's output; absent: none, with precision fp16 256"
    )
    deviation_group: int | None = Field(
        None, ge=1, le=1024, description="samples a group of the minibatch deviation; small: 4"
    )
    deviation_features: int | None = Field(
        None, ge=1, le=64, description="features that the minibatch deviation appends; 1"
    )
    discriminator_skips: bool | None = Field(
        None, description="every block of the discriminator has a skip beside it (resnet); small: yes, cifar: no"
    )


class LearningSettings(JobSettings):
    """How the networks learn, apart from their shape, the data and the seed."""

    config: ConfigName = Field("small", description="configuration that absent settings come from")
    kimg: float | None = Field(
        None,
        ge=SMALLEST_KIMG,
        le=LARGEST_KIMG,
        description="thousands of real images shown to the discriminator; small: 300",
    )
    batch: int | None = Field(None, ge=2, le=1024, description="images a step; small: 16")
    learning_rate: float | None = Field(
        None, ge=1e-9, le=1, description="learning rate of both optimisers (Adam); small: 0.002"
    )
    r1_gamma: float | None = Field(
        None,
        ge=0,
        le=LARGEST_WEIGHT,
        description="weight of the R1 penalty, which holds the discriminator back; 1 suits few images; small: 0.0002 * "
        "resolution_px^2 / batch",
    )
    lecam_weight: float = Field(
        0.0,
        ge=0,
        le=LARGEST_WEIGHT,
        description="weight of LeCam regularisation, which holds the discriminator's answers to real and to generated "
        "images together; 0: none",
    )
    with_mask: bool = Field(
        False,
        description="the mask of each image's defect is learned as a further channel; one without has an empty one",
    )
    mirror_x: bool = Field(False, description="real images are also shown mirrored left to right")
    mirror_y: bool = Field(False, description="real images are also shown mirrored top to bottom")
    augment_mode: Literal["ada", "fixed", "none"] = Field(
        "ada",
        description="augmentation as often as r_t, the measure of overfitting, asks for (ada), with the "
        "probability augment_p, or none",
    )
    augment_preset: AugmentPreset = Field("bgc", description="transformations of the augmentation")
    augment_target: float | None = Field(
        None, ge=1e-3, lt=1, description="target of the overfitting heuristic r_t with augment_mode ada; 0.6"
    )
    augment_p: float = Field(
        0.0, ge=0, le=P_LIMIT, description="probability of each transformation: above 0 with augment_mode fixed, else 0"
    )
    style_mixing: float | None = Field(
        None, ge=0, le=1, description="probability that a batch mixes two styles; small: 0.9, cifar: 0"
    )
    path_length_weight: float | None = Field(
        None, ge=0, le=LARGEST_WEIGHT, description="weight of path-length regularisation; small: 2, cifar: 0"
    )
    ema_kimg: float | None = Field(
        None,
        ge=SMALLEST_KIMG,
        le=LARGEST_KIMG,
        description="half-life of the averaged weights in thousands of images; small: batch * 10 / 32",
    )
    ema_ramp: float | None = Field(
        None,
        ge=0,
        le=1,
        description="at the start that half-life is at most this share of the images seen; 0: no bound; small: 0.05",
    )
    freeze_d: int = Field(
        0, ge=0, le=16, description="highest resolutions of D that stay as the initial model has them"
    )
    snapshot_kimg: Annotated[float, ZeroOr(SMALLEST_KIMG, LARGEST_KIMG)] = Field(
        0.0, description="thousands of images between checkpoints and sample sheets; 0: kimg / 10, at least 0.5"
    )
    keep_checkpoints: int = Field(2, ge=1, le=100, description="newest checkpoints that stay; one may be found broken")
    measured_images: Annotated[int, ZeroOr(MIN_MEASURED, 10_000)] = Field(
        200, description="images made at a snapshot to be measured, watched for leaks; 0: none"
    )
    ship: Literal["best", "last"] = Field(
        "best",
        description="snapshot that becomes the model: best by KID (how far made images are from real ones) on "
        "held-out images, or last",
    )
    patience: int = Field(0, ge=0, le=10_000, description="snapshots without a better one that end it early; 0: never")
    leak_guard: bool = Field(True, description="augmentations that leak into the images make way for milder ones")
    device: Device = Field("auto", description="where it is computed; auto: a GPU if there is one")
    tf32: bool = Field(False, description="let a GPU round the factors of fp32 products to 10 bits")
    micro_batch: Annotated[int, ZeroOr(2, 1024)] = Field(
        0, description="images computed at once, gradients are added up; 0: the whole batch"
    )


def power_of_two(px: int) -> int:
    """The side, or ValueError: every resolution of a network is twice the one before."""
    if px & (px - 1):
        raise ValueError("must be a power of two: 8, 16, 32, 64, 128, 256, 512 or 1024")
    return px


class GeneratorTraining(ShapeSettings, Arithmetic, LearningSettings):  # the last one's fields come first
    """How a generator is trained."""

    resolution_px: Annotated[int, ZeroOr(SMALLEST_PX, LARGEST_PX)] = Field(
        0,
        description="side of the square image in pixels, a power of two; 0: 64, or less where a picture has less",
    )

    _sides = field_validator("resolution_px")(power_of_two)

    @property
    def recommended_start(self) -> str:
        """What to start from where nobody says it: the starter, unless configuration or shape ask for another network.

        Empty: from nothing.
        """
        shaped = any(getattr(self, name) is not None for name in ShapeSettings.model_fields)
        return "" if shaped or self.config != "small" else STARTER


def usual_snapshot_kimg(kimg: float) -> float:
    """Thousands of images between the snapshots of a training: a tenth of it, not too few, and no more than it has."""
    return max(kimg / 10, min(DENSEST_KIMG, kimg))
