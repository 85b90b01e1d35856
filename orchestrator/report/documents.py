"""What the services write of a run, as far as the report reads it: metrics, evaluations, curves, explanations."""

from typing import TypeVar

from pydantic import AliasChoices, Field, ValidationError, model_validator

from defectory.errors import Corrupted
from defectory.storage.references import rooted
from defectory.storage.store import ObjectStore
from defectory.wording import why_of
from orchestrator.pipeline.recorded import Recorded

Document = TypeVar("Document", bound="Written")
Figures = dict[str, float]  # metric -> value


class Written(Recorded):
    """A document of a service; fields that the report does not read are passed over."""


class Epoch(Written):
    """An epoch, as it measured; a split that was not measured is absent."""

    train: Figures | None = None
    validation: Figures | None = None
    test: Figures | None = None

    def of(self, split: str) -> Figures | None:
        """What was measured on a split."""
        return {"train": self.train, "validation": self.validation, "test": self.test}[split]


class TrainedCycle(Written):
    """A cycle of a training."""

    epochs: list[Epoch]


class Bin(Written):
    """Images whose confidence is in [low, high), and the share that are right, with its 95% interval."""

    low: float
    high: float
    images: int
    confidence: float  # mean
    right: int
    accuracy: float
    accuracy_low: float
    accuracy_high: float


class Reliability(Written):
    """Bins of the confidence, those that hold images: as the network claims it, and with the temperature."""

    as_trained: list[Bin]
    calibrated: list[Bin]


class OperatingCurve(Written):
    """Of so many defects and good parts, how many pass and how many are rejected from each threshold on, ascending."""

    defects: int
    good: int
    thresholds: list[float]  # what stands beside one holds down to the one before it
    missed: list[int]
    false_alarms: list[int]


class Curves(Written):
    """What figures of a classifier are drawn from, on one split."""

    reliability: Reliability
    operating: OperatingCurve | None = None  # None: no label of good parts, or no good or no defective images


class Metrics(Written):
    """metrics.json of a classifier: how it trained; earlier versions wrote no curves."""

    cycles: list[TrainedCycle]
    curves: dict[str, Curves] = {}  # split -> main cycle's


class Recipe(Written):
    """The settings in a classifier's card by which a person knows a recipe."""

    recipe: str = Field(validation_alias=AliasChoices("recipe", "preset"))  # as it was called before
    input_px: int
    width_multiplier: float
    trainable_base: str
    epochs: int
    augment: float
    real_share: float | None = None
    synthetic_cap: int = 0


class CalibrationError(Written):
    """How far the confidence claimed lies from the accuracy, before and after the temperature, on so many images."""

    ece_before: float
    ece_after: float
    images: int


class Calibration(Written):
    """The temperature, and the error that it leaves: on the images that it was fitted on, and on others."""

    temperature: float
    validation: CalibrationError
    test: CalibrationError | None = None


class Card(Written):
    """model.json of a classifier."""

    settings: Recipe
    main_cycle: int = 0
    calibration: Calibration | None = None


class EvaluatedCycle(Written):
    """A cycle on the test images."""

    metrics: Figures


class EvaluatedImage(Written):
    """A test image: probabilities[cycle][label]."""

    sha256: str
    label: str
    group: str
    augmentation: str = ""
    probabilities: list[list[float]]

    @property
    def part(self) -> str:
        """What it shows: photographs of one part are not independent."""
        return self.group or self.sha256


class LabelFigures(Written):
    """A label's test images at the operating point."""

    images: int
    precision: float | None
    recall: float | None


class Rate(Written):
    """A share with its 95% interval by Clopper and Pearson."""

    count: int
    of: int
    low: float
    high: float


class Rates(Written):
    """Defective images that pass, of all defective ones, and good ones that are rejected, of all good ones."""

    escape: Rate
    overkill: Rate


class OperatingPoint(Written):
    """Where the main cycle draws the line; its errors are absent where the split lacks good or defective images."""

    good: str = ""  # label of good parts
    threshold: float | None = None  # of the probability of a defect; None: not written
    measured: Rates | None = None


class Decisions(Written):
    """What the main cycle decided: confusion[truth][decision] in the order of `labels`; defects that pass, by kind."""

    confusion: list[list[int]]
    labels: dict[str, LabelFigures]
    escapes: dict[str, Rate]


class Evaluation(Written):
    """evaluation.json of a classifier; earlier versions wrote no decisions, then no curves."""

    labels: list[str]
    cycles: list[EvaluatedCycle]
    images: list[EvaluatedImage]
    decisions: Decisions | None = None
    operating_point: OperatingPoint | None = None  # None: no label is that of good parts
    curves: Curves | None = None


class ThresholdCurve(Written):
    """curve.json of the filter: label -> share of images kept at each threshold."""

    thresholds: list[float]
    kept: dict[str, list[float]]
    real: dict[str, list[float]]


class Probe(Written):
    """How well a small classifier tells a label's accepted images from real ones: AUROC with its 95% interval."""

    auroc: float
    low: float
    high: float
    real: int
    synthetic: int


class NoveltyLimits(Written):
    """From where on the novelty gate rejects: what is so like a photograph, or so far from all of its label."""

    copy_correlation: float
    copy_feature_distance: float  # cosine; 0: features say nothing
    outlier_feature_distance: dict[str, float | None]  # label -> cosine; None: nobody knows


class JudgedCard(Written):
    """dataset.json of judged images: label -> probe, None of too few images; earlier versions made none."""

    limits: NoveltyLimits | None = None
    probe: dict[str, Probe | None] = {}


class Snapshot(Written):
    """A generator at some point of its training; figures and 95% intervals are absent of too few held-out images.

    Earlier versions wrote no interval of coverage.
    """

    kimg: float
    kid: float | None = None
    kid_low: float | None = None
    kid_high: float | None = None
    coverage: float | None = None
    coverage_low: float | None = None
    coverage_high: float | None = None


class GeneratorHistory(Written):
    """model.json of a generator: how it learned."""

    history: list[Snapshot] = []


class Explanation(Written):
    """A line of explanations.jsonl: what one classifier looked at on one test image."""

    uri: str
    sha256: str
    label: str
    kind: str = ""
    model: str
    method: str
    predicted: str
    probability: float
    overlay_uri: str
    on_background: bool
    unclear: str = ""

    @property
    def doubt(self) -> str:
        """Why its heat says nothing of the part; empty where it does."""
        return self.unclear or ("heat on the background" if self.on_background else "")


class Sanity(Written):
    """The parameter-randomisation check: rank correlation by stage, and whether it is low enough (None: not made)."""

    stages: dict[str, float]
    passed: bool | None


class Moved(Written):
    """How much more of a classifier's heat lies on the defect than of the first one's, with its 95% interval."""

    images: int
    parts: int
    inside: float
    low: float
    high: float


class HeatOfModel(Written):
    """Where a classifier's heat lies; shares are absent without masked images."""

    model: str
    masked: int
    cells: tuple[int, int]
    sanity: Sanity
    pointing: float = 0.0
    pointing_by_chance: float = 0.0
    inside: float = 0.0
    inside_by_chance: float = 0.0
    beside: int = 0
    max_box_acc_v2: dict[str, float] = {}
    moved: Moved | None = None  # of every model but the first


class Heat(Written):
    """summary.json of the explanations."""

    models: list[HeatOfModel] = Field(default=[])

    @model_validator(mode="before")
    @classmethod
    def _of_two_models(cls, values: object) -> object:
        """Until any number of models were compared, what the second one moved stood beside the two."""
        match values:
            case {"moved": moved, "models": [first, dict(second)]}:
                return {"models": [first, {**second, "moved": moved}]}
        return values


def read_document(store: ObjectStore, uri: str, kind: type[Document]) -> Document:
    """A JSON document of the store.

    Raises:
        NotFound: there is none. Corrupted: it is not what the service writes.
    """
    return parsed(rooted(store.get(store.key(uri)), store), kind, uri)


def parsed(data: bytes, kind: type[Document], name: str) -> Document:
    """A document from its JSON.

    Raises:
        Corrupted: it is not what the service writes; says so of `name`.
    """
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        wrong = error.errors()[0]
        where = ".".join(map(str, wrong["loc"]))
        raise Corrupted(f"{name} is no {kind.__name__}: {where}: {why_of(wrong)}; compute its step again") from error
