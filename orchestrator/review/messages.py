"""What the page sends and gets, as JSON; the page's modules in static/ know the same fields."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from orchestrator.pipeline.outputs import BlindTest, ReviewedBy, ReviewPair
from orchestrator.review.journal import BATCH_ID
from orchestrator.review.quality import Score
from orchestrator.review.sets import ScoredSet, SetName
from orchestrator.review.statistics import OfSample

MOST_ROWS = 500  # asked for at once
MOST_CHANGES = 100_000  # decided at once
# What a person reads as one line; no control characters, nor those that turn the direction of what follows.
NAME = r"^[^\x00-\x1f\x7f\u200e\u200f\u2028-\u202e\u2066-\u2069]{1,60}$"


class Sent(BaseModel):
    """By the page."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Answer(BaseModel):
    """To the page."""

    model_config = ConfigDict(frozen=True)


class SignIn(Sent):
    """Who is there."""

    token: str = Field(max_length=200)
    name: str = Field(pattern=NAME)


class Decide(Sent):
    """A batch of decisions: (row, verdict, label) as `decided.Decision`."""

    generation: str
    batch: str = Field(pattern=BATCH_ID)
    changes: list[tuple[int, int, int]] = Field(min_length=1, max_length=MOST_CHANGES)


class Undo(Sent):
    """Take the last batch back."""

    generation: str
    batch: str = Field(pattern=BATCH_ID)


class BeginBlind(Sent):
    """Draw a blind test."""

    label: str
    pictures: int = 40


class FinishBlind(Sent):
    """Answers, one a picture: whether it is real."""

    answers: list[bool] = Field(max_length=1000)


class SubjectAnswer(Answer):
    """What the page is about."""

    name: str
    me: str
    generation: str
    rows: int
    labels: tuple[str, ...]
    kinds: tuple[str, ...]
    origins: tuple[str, ...]
    verdicts: tuple[str, ...]
    reasons: tuple[str, ...]
    reviewers: tuple[str, ...]
    blind_labels: tuple[str, ...]
    photographs: int  # real training images; they stand behind the rows
    judged: bool  # by somebody who left features: there are scores of the set, and a map
    has_scores: bool
    has_novelty: bool


class RowAnswer(Answer):
    """A picture, as cells and the large view say it."""

    row: int
    sha256: str
    dataset: str
    label: str
    kind: str
    origin: str
    verdict: str
    reasons: tuple[str, ...]
    width: int
    height: int
    source: str
    generator: str
    seed: int | None
    psi: float | None
    confidence: float | None
    doubt: float | None
    novelty: float | None
    scores: dict[str, float]
    layers: tuple[str, ...]
    others: dict[str, str] = {}  # reviewer -> what he said; only where they are asked for


class RowsAnswer(Answer):
    """Pictures."""

    rows: list[RowAnswer]


class Saved(Answer):
    """Changes that are kept, as they stand now."""

    changes: list[tuple[int, int, int]]


class Alike(Answer):
    """Rows like another one, the nearest first; `missing` says why there are none."""

    rows: list[int] = []
    distances: list[float] = []
    missing: str = ""


class BlindBegun(Answer):
    """A blind test."""

    id: str
    label: str
    pictures: int


class BlindFinished(Answer):
    """What came of it, and which pictures were real."""

    result: BlindTest
    real: list[bool]


class StatisticsAnswer(Answer):
    """Figures of the review."""

    rows: int
    decided: int  # by anybody
    reviewers: list[ReviewedBy]
    pairs: list[ReviewPair]
    sample: OfSample | None
    blind: list[BlindTest]


class ShareAnswer(Answer):
    """How many pictures of a label count for a score."""

    score: Score
    count: int
    of: int
    low: float
    high: float


class LabelScores(Answer):
    """A label's scores; `missing` says why it has none."""

    label: str
    shares: tuple[ShareAnswer, ...] = ()
    missing: str = ""


class ScoresAnswer(Answer):
    """Scores of a set. While they are computed `done` says how much of it is; `missing` why there are none."""

    of: SetName
    done: float | None = None
    missing: str = ""
    labels: tuple[LabelScores, ...] = ()


class MapAnswer(Answer):
    """What the axes of the map show of the variance, in [0, 1]; `missing` says why there is no map."""

    explained: tuple[float, float] = (0.0, 0.0)
    missing: str = ""


class Written(Answer):
    """dataset -> URI of its newest document."""

    documents: dict[str, str]


def scores_answer(of: SetName, labels: Sequence[str], scored: ScoredSet) -> ScoresAnswer:
    """A set's scores, label by label."""
    return ScoresAnswer(
        of=of,
        labels=tuple(
            LabelScores(
                label=label,
                missing=scored.missing.get(label, ""),
                shares=tuple(
                    ShareAnswer(score=score, count=one.count, of=one.of, low=one.low, high=one.high)
                    for score, one in scored.shares.get(label, {}).items()
                ),
            )
            for label in labels
        ),
    )
