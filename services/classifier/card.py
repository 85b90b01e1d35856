"""`model.json`: everything that is known of a classifier, strictly typed; an unknown field is refused."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Literal, TypeVar

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from defectory.datasets.manifest import bits_of
from defectory.datasets.manifest_line import ManifestLine
from defectory.datasets.splits import SPLIT_NAMES
from defectory.imaging import FULL_DEPTH, MAX_PIXELS, Fit, Opened, network_input, network_input_of
from defectory.job_settings.classifier_training import MAX_CYCLES, as_written_before
from defectory.job_settings.generator_training import LARGEST_PX
from defectory.models import version_prefix
from services.classifier.architecture import MAX_LABELS, TARGET_LAYER, Architecture, Label
from services.classifier.decision import TEMPERATURES, DecisionRule
from services.classifier.settings import TrainingSettings

KIND = "classifier"
FORMAT: Literal[2] = 2  # 1, which had no calibration and HDF5 weights, is refused: such models are trained again
MAX_WEIGHTS_BYTES = 256 << 20  # the widest network with the largest head and the most labels has 70 MB
SHA256 = r"^[0-9a-f]{64}$"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Preprocessing(_Part):
    """How an image becomes the network's input, as `defectory.imaging.network_input_of` does it: one way only."""

    colour: Literal["rgb"] = "rgb"  # grey images get three equal channels
    square_px: int = Field(0, ge=0, le=LARGEST_PX)  # an image is first made a square of this side; 0: it is not
    fit: Fit = "stretch"  # how
    bits: int = Field(
        FULL_DEPTH, ge=8, le=FULL_DEPTH
    )  # that the values of 16-bit files use; 0..2^bits-1 becomes 0..255
    resize: Literal["bilinear"] = "bilinear"  # antialiased, to input_px x input_px, whatever the aspect ratio
    value_range: tuple[Literal[0], Literal[255]] = (0, 255)  # what the network takes
    scaled_to: tuple[Literal[-1], Literal[1]] = (-1, 1)  # what its first layer makes of it

    @classmethod
    def of(cls, lines: Iterable[ManifestLine], input_px: int, square_px: int = 0) -> "Preprocessing":
        """How a dataset's pictures become the network's input of a side of `input_px`.

        All of them come through the same square. Where some hold no finer detail than a generator makes, none of them
        keeps any: else blur would tell what is synthetic, and with it the label. Where photographs are not all to
        become square in the same way, nothing can be repeated, and every picture is stretched.

        Args:
            square_px: side of that square, where it is asked for.
        """
        lines = list(lines)
        bits = bits_of(lines)
        fits = {line.file.fit for line in lines if line.is_real}
        fit = fits.pop() if len(fits) == 1 else ""
        square_px = square_px or min([side for line in lines if (side := line.network_px)] or [input_px])
        return cls(square_px=square_px, fit=fit, bits=bits) if fit and square_px <= LARGEST_PX else cls(bits=bits)

    def input_of(self, data: bytes | Opened, size_px: int, max_pixels: int = MAX_PIXELS) -> np.ndarray:
        """What the network sees of a file, or of what `read_header` made of it: uint8 (size, size, 3).

        Raises:
            InvalidInput: it cannot be read.
        """
        return network_input_of(data, size_px, max_pixels, square_px=self.square_px, fit=self.fit, bits=self.bits)

    def input_of_image(self, image: Image.Image, size_px: int) -> np.ndarray:
        """The same of an image that was decoded with `bits` at its full size: of a JPEG `input_of` may decode less."""
        return network_input(image, size_px, square_px=self.square_px, fit=self.fit)


class WeightsFile(_Part):
    """A file below the version's prefix."""

    file: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*\.safetensors$")
    sha256: str = Field(pattern=SHA256)
    size: int = Field(ge=1, le=MAX_WEIGHTS_BYTES)


class CycleCard(_Part):
    """One training cycle."""

    seed: int = Field(ge=0)
    best_epoch: int = Field(ge=1)  # counted from 1, chosen on validation
    weights: WeightsFile


class CalibrationError(_Part):
    """Expected calibration error (15 bins of equal width) with and without the temperature.

    That on test is the one to believe: the temperature was fitted on the validation images.
    """

    ece_before: float = Field(ge=0, le=1)
    ece_after: float = Field(ge=0, le=1)
    images: int = Field(ge=1)


class Calibration(_Part):
    """Temperature scaling of the main cycle's probabilities, fitted on validation images."""

    temperature: float = Field(ge=TEMPERATURES[0], le=TEMPERATURES[1])
    validation: CalibrationError
    test: CalibrationError | None  # None: no test images; like all of a test set's figures without grown copies
    caution: str = ""  # why its probabilities are worth little; empty: they were fitted on enough images
    doubtful: float | None = Field(None, ge=0, le=1)  # share of validation's answers; None: made before it was counted


class Rate(_Part):
    """`count` of `of`, and the 95% interval of the rate (Clopper-Pearson)."""

    count: int = Field(ge=0)
    of: int = Field(ge=1)
    low: float = Field(ge=0, le=1)
    high: float = Field(ge=0, le=1)

    @property
    def value(self) -> float:
        """The rate itself, in [0, 1]."""
        return self.count / self.of


class Rates(_Part):
    """Both errors of a decision."""

    escape: Rate  # defective parts that pass, of all defective ones
    overkill: Rate  # good parts that are rejected, of all good ones


class OperatingPoint(_Part):
    """Where the line is drawn between good and defective, and what that costs.

    A part is rejected when 1 - p(good), calibrated, is at least the threshold.
    """

    good: str  # label of good parts; every other label is a defect
    threshold: float = Field(ge=0, le=2)  # above 1 nothing is rejected
    target: Literal["recall", "overkill"] | None  # None: nobody asked for one, the threshold is 1/2
    target_value: float | None = Field(ge=0, le=1)
    validation: Rates  # on the images that it was chosen on
    test: Rates | None  # None: the test split lacks good or defective parts


class Estimate(_Part):
    """Mean over cycles and its 95% interval (`defectory.statistics.mean_interval`); no interval below three cycles."""

    mean: float
    low: float | None = None
    high: float | None = None


Content = TypeVar("Content")
PerSplit = Annotated[dict[str, Content], Field(max_length=len(SPLIT_NAMES))]
PerLabel = Annotated[dict[Label, int], Field(max_length=MAX_LABELS)]


class Lineage(_Part):
    """What the model was made from."""

    manifest_uri: str
    content_hash: str  # of the manifest's lines that were used
    images: PerSplit[PerLabel]  # split -> label -> images
    synthetic: PerLabel  # label -> synthetic training images
    initial_weights: Literal["imagenet", "starter", "random"]  # where the base started, whatever was wanted
    initial_weights_sha256: str  # of the base as it started; empty where it was drawn at random
    calibrated_from: str = ""  # "name/version" whose weights these are, if only the calibration is new
    packages: dict[str, str] = Field(max_length=100)  # name -> version


class Golden(_Part):
    """What the main network answered to fixed inputs when it was trained (`golden.py`)."""

    jpeg: str = Field(max_length=100_000)  # base64 of the one input that is a file
    probabilities: tuple[tuple[float, ...], ...] = Field(min_length=4, max_length=4)  # (inputs, labels), uncalibrated


class Spread(_Part):
    """The mean of a number over pictures, and what one of a hundred lies below or above."""

    low: float
    mean: float
    high: float


class Appearance(_Part):
    """How the training's photographs look to the network (`appearance.py`)."""

    images: int = Field(ge=1)
    brightness: Spread
    sharpness: Spread


class ClassifierCard(_Part):
    """A classifier: version complete once this is written."""

    format: Literal[2] = FORMAT
    name: str
    version: str = Field(pattern=r"^[1-9][0-9]*$")
    architecture: Architecture
    preprocessing: Preprocessing = Preprocessing()
    target_layer: Literal["out_relu"] = TARGET_LAYER  # what Grad-CAM explains; the builder knows no other
    cycles: tuple[CycleCard, ...] = Field(min_length=1, max_length=MAX_CYCLES)
    main_cycle: int = Field(ge=0)
    calibration: Calibration
    operating_point: OperatingPoint | None  # None: no label is that of good parts; the most probable label is taken
    metrics: PerSplit[
        Annotated[dict[str, Estimate], Field(max_length=100)]
    ]  # split -> metric -> over cycles, at each cycle's best epoch
    settings: TrainingSettings
    lineage: Lineage
    golden: Golden | None = None  # None: made before there were any, or elsewhere
    appearance: Appearance | None = None  # None: as there, or too few photographs

    @field_validator("settings", mode="before")
    @classmethod
    def _as_written(cls, settings: object) -> object:
        return as_written_before(settings) if isinstance(settings, Mapping) else settings

    @model_validator(mode="after")
    def _fits_together(self) -> "ClassifierCard":
        if self.main_cycle >= len(self.cycles):
            raise ValueError(f"main_cycle {self.main_cycle}: there are {len(self.cycles)} cycles, counted from 0")
        if len(set(self.architecture.labels)) < len(self.architecture.labels):
            raise ValueError("architecture.labels name a label twice")
        if self.operating_point and self.operating_point.good not in self.architecture.labels:
            raise ValueError(f"operating_point.good {self.operating_point.good!r} is not among the labels")
        labels = len(self.architecture.labels)
        if self.golden and any(len(row) != labels for row in self.golden.probabilities):
            raise ValueError(f"golden.probabilities must have {labels} columns, one a label")
        return self

    @property
    def full_name(self) -> str:
        """ "name/version"."""
        return f"{self.name}/{self.version}"

    @property
    def prefix(self) -> str:
        """Where the version lies in the store."""
        return version_prefix(KIND, self.name, self.version)

    @property
    def weights(self) -> WeightsFile:
        """The main cycle's weights."""
        return self.cycles[self.main_cycle].weights

    @property
    def rule(self) -> DecisionRule:
        """How the main cycle's probabilities become decisions."""
        temperature = self.calibration.temperature
        if self.operating_point is None:
            return DecisionRule(temperature)
        good = self.architecture.labels.index(self.operating_point.good)
        return DecisionRule(temperature, good, self.operating_point.threshold)
