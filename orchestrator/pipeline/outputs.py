"""What each step hands on: one model a step, and the typed key under which the others read it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict, JsonValue, RootModel

from orchestrator.pipeline.arms import ArmSettings
from orchestrator.pipeline.recorded import Recorded
from orchestrator.pipeline.summary import RunSummary

Counts = dict[str, dict[str, int]]  # split -> label -> images
OfStep = TypeVar("OfStep", bound=BaseModel, covariant=True)
Read = TypeVar("Read", bound=BaseModel)


class Output(Recorded):
    """What a step hands on."""


class Dataset(Output):
    """A dataset with splits."""

    dataset: str
    manifest_uri: str
    content_hash: str
    counts: Counts


class Ingested(Dataset):
    """The dataset of the photographs."""

    images: int
    photographs: int = 0  # whose images they are: fewer, where there are tiles or augmented copies. 0: not known
    parts: int = 0  # that the photographs show
    by_likeness: int = 0  # of these, found by likeness; nobody named them
    groups_uri: str = ""  # a sheet of the parts with several photographs; empty: there are none
    labels: list[str]
    skipped: list[tuple[str, str]]  # (file, why)
    source: dict[str, JsonValue]  # what was recognised in the folder: layouts.summary.summarise
    independent_groups: dict[str, int] = {}  # split -> parts, without augmented copies
    bits: int
    notes: list[str] = []
    drawn: str = ""  # what the pictures are where they are drawings; empty: photographs


class Edited(Output):
    """The edited pictures, all for training."""

    manifest_uri: str
    content_hash: str
    counts: dict[str, int]  # label -> pictures
    by_edit: dict[str, int] = {}  # edit, or "by hand" -> pictures
    seam: dict[str, JsonValue] | None = None  # whether a probe tells their borders from real ones; None: too few to say
    lacks: str = ""  # why there is none; empty: there are some


class ArmDataset(Dataset):
    """What an arm is trained on, with everybody's validation and test images."""

    synthetic: dict[str, int]  # label -> synthetic training images
    edited: dict[str, int] = {}  # label -> edited training images
    lacks: dict[str, str] = {}  # what it was to have and has none of, as in "no edit could be made" -> why, if known


class Model(Output):
    """A version of a model."""

    name: str
    version: str
    weights_sha256: str

    @property
    def full_name(self) -> str:
        """ "name/version"."""
        return f"{self.name}/{self.version}"

    def identity(self) -> dict[str, JsonValue]:
        """Name, version and weights: what a step that uses it depends on."""
        return {"name": self.name, "version": self.version, "weights_sha256": self.weights_sha256}


class TrainedArm(Model):
    """An arm's classifier."""

    metrics_uri: str
    card_uri: str
    initial_weights: str  # where its base started: imagenet, starter or random
    steps_per_epoch: int


class EvaluatedArm(Output):
    """An arm's classifier on the test split."""

    evaluation_uri: str
    metrics: dict[str, float]  # means over cycles


class ScoredByMemory(Output):
    """How far images are from good parts."""

    evaluation_uris: dict[str, str]  # split -> URI, as of a classifier's evaluation


class TrainedJudge(Model):
    """The classifier that judges synthetic images."""

    cycles: int


class LearnedCrops(Output):
    """The crops that a generator of defects learned from, of all labels."""

    dataset: str
    manifest_uri: str
    content_hash: str
    side_px: int  # of the crops, in the photographs' pixels
    counts: Counts  # split -> kind -> crops


class TrainedGenerator(Model):
    """A label's generator; several labels may have the same one."""

    crops: LearnedCrops | None = None  # none: it makes whole parts
    kinds: list[str] = []  # of the label's defects that it makes; none: it makes whole parts

    kimg: float
    augment_p: float
    sample_uri: str
    shipped_kimg: float
    shipped_reason: str
    leaks: list[str]
    card_uri: str


class NoGenerator(Output):
    """In place of a label's generator, where none could be trained and the arms do without."""

    lacks: str  # why


class Generators(RootModel[dict[str, TrainedGenerator | NoGenerator]]):
    """label -> its generator."""

    model_config = ConfigDict(frozen=True)

    @property
    def trained(self) -> dict[str, TrainedGenerator]:
        """Those that there are."""
        return {label: own for label, own in self.root.items() if isinstance(own, TrainedGenerator)}

    @property
    def lacking(self) -> dict[str, str]:
        """label -> why it has none."""
        return {label: own.lacks for label, own in self.root.items() if isinstance(own, NoGenerator)}


class Round(Output):
    """A round of synthesis and filtering."""

    synthetic_manifest_uri: str
    manifest_uri: str  # with verdicts
    content_hash: str  # of the manifest with verdicts
    verdicts: dict[str, int]
    reasons: dict[str, int]
    curve_uri: str  # images kept against the threshold
    doubts: list[str] = []  # what speaks against the judge, or its threshold
    crops_manifest_uris: list[str] = []  # of defects that were set into photographs: their crops, with verdicts


class FilteredLabel(Output):
    """A label's synthetic images."""

    rounds: list[Round]
    quota: int  # accepted images wanted
    accepted: int
    lacks: str = ""  # why none could be made; empty: some were, or nobody knows


class Filtered(RootModel[dict[str, FilteredLabel]]):
    """label -> its synthetic images."""

    model_config = ConfigDict(frozen=True)


class LabelVerdicts(Output):
    """What one person decided about the images of a label."""

    accepted: int
    rejected: int
    relabelled: int


class ReviewedBy(Output):
    """What one person decided about a run's synthetic images."""

    name: str
    by_label: dict[str, LabelVerdicts] = {}  # label as the images came -> decisions
    accepted: int
    rejected: int
    relabelled: int
    overruled: int  # otherwise than the filter
    minutes: float

    @property
    def decided(self) -> int:
        """Images in all."""
        return self.accepted + self.rejected + self.relabelled


class ReviewPair(Output):
    """How far two people agree; kappa is None where it is not defined."""

    first: str
    second: str
    both: int  # images that both decided about
    agreed: int
    kappa: float | None
    low: float | None
    high: float | None
    differ: int


class SampleReview(Output):
    """What one person decided about a random sample.

    Attributes:
        labels: of the images that it was drawn from; empty: all. filters: what else these had in common.
        of: images that it was drawn from. bad: rejected, or of another label than they bear.
        low, high: 95% interval of the share of bad ones; None: nothing is decided any more.
    """

    by: str
    labels: list[str]
    filters: dict[str, str]
    of: int
    size: int
    decided: int
    bad: int
    low: float | None
    high: float | None


class BlindTest(Output):
    """Whether a person could tell real from synthetic images."""

    by: str
    label: str
    pictures: int
    right: int
    low: float
    high: float
    synthetic: int
    called_real: int


class Reviewed(Output):
    """What people decided about synthetic images; empty where nobody did, or nobody is asked."""

    documents: dict[str, str] = {}  # judged dataset -> the document that says what counts
    reviewers: list[ReviewedBy] = []
    pairs: list[ReviewPair] = []
    samples: list[SampleReview] = []
    blind: list[BlindTest] = []


class Explained(Output):
    """What the arms' classifiers looked at on test images."""

    explanations_uri: str
    summary_uri: str
    sheet_uri: str
    count: int  # images


class Reported(Output):
    """The report."""

    report_uri: str
    summary: RunSummary
    earlier_uri: str = ""  # of the report that this one came in place of; empty: of none that said something else


@dataclass(frozen=True)
class Key(Generic[OfStep]):
    """A step by its name, and the model of what it hands on."""

    step: str
    model: type[OfStep]


INGEST = Key("ingest", Ingested)
EDITS = Key("edits", Edited)


def edits_of(arm: ArmSettings) -> Key[Edited]:
    """The step that makes an arm's edited pictures: its own, or those of all arms that have none of their own."""
    return Key(f"{arm.name}-edits", Edited) if arm.edits is not None else EDITS


JUDGE = Key("judge", TrainedJudge)
GENERATORS = Key("generators", Generators)
FILTER = Key("filter", Filtered)
REVIEW = Key("review", Reviewed)
EXPLAIN = Key("explain", Explained)
REPORT = Key("report", Reported)


def trained(arm: str) -> Key[TrainedArm]:
    """The step that trains an arm's classifier."""
    return Key(arm, TrainedArm)


def evaluated(arm: str) -> Key[EvaluatedArm]:
    """The step that measures it."""
    return Key(f"{arm}-evaluate", EvaluatedArm)


def dataset_of(arm: str) -> Key[ArmDataset]:
    """The step that makes what it is trained on, where that is not the ingested dataset itself."""
    return Key(f"{arm}-dataset", ArmDataset)


class Outputs:
    """What steps have handed on, each under its key."""

    def __init__(self, by_step: Mapping[str, BaseModel]) -> None:
        self._by_step = dict(by_step)  # step -> its output

    def __getitem__(self, key: Key[Read]) -> Read:
        output = self._by_step[key.step]
        if not isinstance(output, key.model):
            raise TypeError(f"step {key.step} handed on {type(output).__name__}, not {key.model.__name__}")
        return output

    def __contains__(self, key: Key[BaseModel]) -> bool:
        return key.step in self._by_step

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Outputs) and self._by_step == other._by_step

    __hash__ = None  # type: ignore[assignment]  # grows while a run goes on

    def add(self, step: str, output: BaseModel) -> None:
        """Keep what a step handed on."""
        self._by_step[step] = output

    def has_all(self, steps: tuple[str, ...]) -> bool:
        """Whether each of these steps has handed on something."""
        return self._by_step.keys() >= set(steps)

    def of(self, steps: tuple[str, ...]) -> "Outputs":
        """Those of some steps only."""
        return Outputs({step: self._by_step[step] for step in steps})

    def below(self, prefix: str) -> "Outputs":
        """Those of the steps whose names start so, under what is left of the names."""
        return Outputs({k.removeprefix(prefix): output for k, output in self._by_step.items() if k.startswith(prefix)})

    def preferring(self, prefix: str) -> "Outputs":
        """All of them, and those whose names start so also in place of what has the rest of their names."""
        return Outputs({**self._by_step, **self.below(prefix)._by_step})

    def as_json(self) -> dict[str, JsonValue]:
        """step -> its output, as the record has it."""
        return {step: output.model_dump(mode="json") for step, output in self._by_step.items()}
