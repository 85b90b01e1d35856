"""Settings of a pipeline: one typed definition from which the YAML file, its schema and the docs come."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from defectory.errors import InvalidInput, NotFound
from orchestrator.pipeline.arms import DEFAULT_ARMS, Arms

RUN_NAME = r"^[a-z0-9][a-z0-9_-]{0,31}$"  # no ".": it parts the run from what it made (run.expanded)
Section = TypeVar("Section", bound=BaseModel)
Share = Annotated[float, Field(ge=0, le=1)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DataSettings(_Section):
    """What is ingested, and how it is split."""

    directory: str = Field(description="folder or table of photographs (docs/ingest.md); relative to the pipeline file")
    layout: str = Field("", description="how it is laid out (docs/ingest.md); empty: recognised")
    good: str = Field("", description="label of good parts; empty: good, ok, pass, normal, …")
    masks: Literal["auto", "all", "none"] = Field(
        "auto", description="what can be a mask by name or content is one where it is plain, always, or never"
    )
    keep_splits: bool = Field(False, description="keep the folder's own splits; else all is split anew by group")
    size_px: int = Field(64, ge=8, le=1024, description="side of the network's square image, a power of two, in pixels")
    fit: Literal["stretch", "crop", "pad"] = Field("stretch", description="how an image becomes square")
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

    @model_validator(mode="after")
    def _power_of_two(self) -> "DataSettings":
        if self.size_px & (self.size_px - 1):
            raise ValueError("size_px must be a power of two: 32, 64, 128, 256, 512 or 1024")
        return self


class GeneratorSettings(_Section):
    """How one StyleGAN2-ADA a label is trained."""

    labels: tuple[str, ...] = Field((), description="labels that get a generator; empty: every label")
    config: Literal["small", "auto", "stylegan2", "paper256", "paper512", "paper1024", "cifar"] = Field(
        "small", description="configuration that absent settings come from"
    )
    channel_base: int | None = Field(
        None, ge=256, le=65536, description="channels at resolution r: min(channel_base / r, max); small: 4096"
    )
    channel_max: int | None = Field(None, ge=8, le=1024, description="upper bound of the channels of any layer; 512")
    z_dim: int | None = Field(None, ge=8, le=1024, description="size of the latent z; small: by channel_base")
    w_dim: int | None = Field(
        None, ge=8, le=1024, description="size of the intermediate latent w; small: by channel_base"
    )
    mapping_layers: int | None = Field(None, ge=1, le=16, description="layers of the mapping network; small: 2")
    kimg: float | None = Field(
        None, ge=1e-3, le=100_000, description="thousands of images shown to the discriminator, a label; small: 300"
    )
    batch: int | None = Field(None, ge=2, le=1024, description="images a step; small: 16")
    learning_rate: float | None = Field(
        None, ge=1e-9, le=1, description="learning rate of both optimisers; small: 0.002"
    )
    r1_gamma: float | None = Field(
        None, ge=0, le=1e38, description="weight of the R1 penalty; absent: by the configuration"
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="where it is computed; auto: a GPU if there is one"
    )
    precision: Literal["fp32", "fp16", "bf16"] = Field("fp32", description="arithmetic of the highest resolutions")
    half_resolutions: int = Field(4, ge=1, le=8, description="highest resolutions that precision is for")
    tf32: bool = Field(False, description="let a GPU round the factors of fp32 products to 10 bits")
    micro_batch: int = Field(0, ge=0, le=1024, description="images computed at once, gradients are added up; 0: all")
    mirror_x: bool = Field(False, description="real images are also shown mirrored left to right")
    mirror_y: bool = Field(False, description="real images are also shown mirrored top to bottom")
    augment_mode: Literal["ada", "fixed", "none"] = Field("ada", description="adaptive augmentation, fixed, or none")
    augment_preset: str = Field("bgc", description="transformations: blit, geom, color, bg, bgc, …")
    augment_target: float | None = Field(
        None, ge=1e-3, lt=1, description="target of the overfitting heuristic r_t with augment_mode ada; 0.6"
    )
    augment_p: Share = Field(
        0.0, description="probability of each transformation: above 0, up to 0.8 with augment_mode fixed, else 0"
    )
    style_mixing: float | None = Field(
        None, ge=0, le=1, description="probability that a batch mixes two styles; small: 0.9, cifar: 0"
    )
    path_length_weight: float | None = Field(
        None, ge=0, le=1e38, description="weight of path-length regularisation; small: 2, cifar: 0"
    )
    ema_kimg: float | None = Field(
        None,
        ge=1e-3,
        le=100_000,
        description="half-life of the averaged weights in thousands of images; small: batch * 10 / 32",
    )
    freeze_d: int = Field(
        0,
        ge=0,
        le=16,
        description="highest resolutions of D that stay as the initial model has them; without one, none do",
    )
    snapshot_kimg: float = Field(
        0.0, ge=0, le=100_000, description="thousands of images between checkpoints; 0: kimg / 10"
    )
    keep_checkpoints: int = Field(2, ge=1, le=100, description="newest checkpoints that stay")
    measured_images: int = Field(
        200, ge=0, le=10_000, description="images made at a snapshot to be measured, watched for leaks; 0: none"
    )
    ship: Literal["best", "last"] = Field("best", description="snapshot that becomes the model: best by KID, or last")
    patience: int = Field(0, ge=0, le=10_000, description="snapshots without a better one that end it early; 0: never")
    leak_guard: bool = Field(True, description="augmentations that leak into the images make way for milder ones")
    start_label: str = Field(
        "auto", description="trained first; the others start from its generator. auto: the most frequent; empty: none"
    )
    transfer_kimg: float | None = Field(
        None, ge=1e-3, le=100_000, description="kimg of the labels that start from another's generator; absent: kimg"
    )
    initial_models: Mapping[str, str] = Field({}, description='label -> model to start from, "name" or "name/version"')
    initial_model: str = Field(
        "", description="model that a label starts from that nothing else is said of, or starter; empty: none"
    )


class SynthesisSettings(_Section):
    """How many synthetic images, and how they are drawn."""

    quota: int = Field(500, ge=1, le=1_000_000, description="accepted images wanted a label")
    quotas: Mapping[str, Annotated[int, Field(ge=1, le=1_000_000)]] = Field(
        {}, description="quota of single labels, in place of quota"
    )
    surplus: float = Field(1.25, ge=1, le=10, description="images of the first round, in multiples of the quota")
    max_rounds: int = Field(4, ge=1, le=50, description="rounds of synthesis and filtering before it is left at that")
    truncation_psi: float = Field(1.0, ge=0, le=2, description="truncation psi; 1: none")
    noise_mode: Literal["const", "random", "none"] = Field("random", description="noise of the synthesis network")
    precision: Literal["fp32", "bf16", "fp16"] = Field("fp32", description="arithmetic of the highest resolutions")
    half_resolutions: int = Field(4, ge=1, le=8, description="highest resolutions that precision is for")


class FilterSettings(_Section):
    """Which synthetic images are kept."""

    policy: Literal["confident", "informative", "band", "none"] = Field("confident", description="what is kept")
    threshold: Share = Field(0.9, description="confidence threshold")
    lower_threshold: Share = Field(0.5, description="lower threshold of the policy band")
    label_thresholds: Mapping[str, Share] = Field({}, description="threshold of single labels")
    label_lower_thresholds: Mapping[str, Share] = Field({}, description="lower threshold of single labels (band)")
    novelty_gate: bool = Field(True, description="reject near-copies, near-duplicates and outliers")
    judge_cycles: int = Field(
        3, ge=2, le=100, description="cycles of the judge, each of which leaves out another part of the real images"
    )


class ClassifierSettings(_Section):
    """How a classifier is trained; what is absent is as its preset says. The same for baseline and expanded."""

    preset: Literal["paper", "best"] = Field("paper", description="where the defaults come from: docs/classifier.md")
    input_px: int = Field(0, ge=0, le=512, description="side of the network's input in pixels; 0: the dataset's size")
    width_multiplier: float | None = Field(
        None, ge=0.35, le=1.4, description="alpha of MobileNetV2; ImageNet has 0.35, 0.5, 0.75, 1, 1.3 and 1.4"
    )
    head_units: int | None = Field(None, ge=8, le=4096, description="units of the dense layer")
    dropout: float | None = Field(None, ge=0, lt=1, description="dropout rate before the dense layer")
    l2: float | None = Field(None, ge=0, le=10, description="L2 factor of the head")
    trainable_base: Literal["none", "top", "all"] | None = Field(
        None, description="layers of the base that are trained"
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
    focal_gamma: float | None = Field(None, ge=0, le=10, description="gamma of the focal loss")
    label_smoothing: float | None = Field(None, ge=0, lt=0.5, description="share of the target spread over all labels")
    class_balance: float | None = Field(None, ge=0, le=1, description="how much rare labels weigh more; 1: fully")
    augment: float | None = Field(None, ge=0, le=1, description="strength of shifts, turns, scales, changes of light")
    mirror_x: bool | None = Field(None, description="images are also shown mirrored left to right")
    mirror_y: bool | None = Field(None, description="images are also shown mirrored top to bottom")
    cycles: int = Field(5, ge=1, le=100, description="training cycles with different seeds, an arm")
    at_once: int = Field(
        0, ge=0, le=64, description="cycles trained side by side, for the same weights; 0: as many as the cores allow"
    )
    steps_per_epoch: int = Field(
        0, ge=0, le=1_000_000, description="steps an epoch, in both arms; 0: as many as show the full expanded set once"
    )
    real_share: float | None = Field(
        None, ge=1e-3, le=1, description="share of real images a batch; 1: no others; absent: as they come"
    )
    synthetic_cap: int = Field(0, ge=0, le=1_000_000, description="most synthetic training images a label; 0: all")
    initial_weights: Literal["imagenet", "starter", "random"] = Field(
        "imagenet", description="where the base starts; imagenet: from the starter where ImageNet weights are not found"
    )
    good_label: str = Field("good", description="label of good parts, for the operating point")
    target: str = Field("", description="of the operating point: recall=SHARE or overkill=SHARE; empty: none")


class ExplainSettings(_Section):
    """How test images are explained."""

    limit: int = Field(16, ge=1, le=10_000, description="test images explained, evenly over the labels")
    method: Literal["grad-cam", "grad-cam++", "hires-cam", "ablation-cam"] = Field(
        "grad-cam", description="how heat is found"
    )
    box_rule: Literal["share", "percentile", "otsu"] = Field(
        "share", description="which heat belongs to a box: a share of the maximum, the hottest pixels, or Otsu's choice"
    )
    box_threshold: float | None = Field(
        None, gt=0, lt=1, description="value of the box rule; absent: 0.15 for share, 0.9 for percentile"
    )


class PipelineSettings(_Section):
    """A pipeline file."""

    name: str = Field("", max_length=32, description="name of the run and of all that it makes; empty: the file's name")
    preset: Literal["", "paper", "quick", "demo"] = Field("", description="where the defaults come from")
    seed: int = Field(0, ge=0, le=2**62, description="seed of trainings and synthesis")
    allow_random_weights: bool = Field(
        False, description="go on from random weights where neither ImageNet's nor a starter of the width is found"
    )
    data: DataSettings
    generator: GeneratorSettings = GeneratorSettings()
    synthesis: SynthesisSettings = SynthesisSettings()
    filter: FilterSettings = FilterSettings()
    classifier: ClassifierSettings = ClassifierSettings()
    arms: Arms = Field(
        DEFAULT_ARMS, description="what is trained, and compared with the first: a list of entries as below"
    )
    explain: ExplainSettings = ExplainSettings()


def read_pipeline_file(path: Path) -> dict[str, object]:
    """The mapping in a YAML file, with data.directory and data.groups made absolute against the file's folder.

    Raises:
        NotFound: no such file. InvalidInput: not YAML, or not a mapping.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise NotFound(f"there is no pipeline file {path}") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InvalidInput(f"{path} is not a pipeline file: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise InvalidInput(f"{path} is not a pipeline file: it must hold a mapping, e.g. 'data: {{directory: photos}}'")
    data = values.get("data")
    if isinstance(data, dict):
        for key in ("directory", "groups"):
            if isinstance(data.get(key), str):
                data[key] = str((path.parent / Path(data[key]).expanduser()).resolve())
    values.setdefault("name", run_name(path.stem))
    return values


def run_name(text: str) -> str:
    """A run name made from a file's or folder's name."""
    return re.sub(r"[^a-z0-9_-]+", "-", text.lower()).strip("-_")[:32].strip("-_") or "run"


def validated(model: type[Section], values: Mapping[str, object]) -> Section:
    """The settings that the values say.

    Raises:
        InvalidInput: names every field that is wrong.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        fields = {".".join(map(str, e["loc"])) or "settings": e["msg"] for e in error.errors()}
        raise InvalidInput("; ".join(f"{name}: {why}" for name, why in fields.items()), fields) from error


def resolve(values: Mapping[str, object], preset: Mapping[str, object]) -> PipelineSettings:
    """Settings from a preset's values and, over them, a pipeline's.

    Raises:
        InvalidInput: names every field that is wrong.
    """
    settings = validated(PipelineSettings, merged(preset, values))
    if not re.fullmatch(RUN_NAME, settings.name):
        right = "use 1 to 32 of a-z, 0-9, '_' and '-', starting with a letter or digit"
        raise InvalidInput(f"name {settings.name!r} is not a run's name: {right}", {"name": right})
    return settings


def merged(lower: Mapping[str, object], upper: Mapping[str, object]) -> dict[str, object]:
    """Values with others over them, section by section."""
    result = dict(lower)
    for key, value in upper.items():
        below = result.get(key)
        result[key] = merged(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return result
