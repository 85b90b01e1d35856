"""Which arms helped, by how much, and whether this experiment could tell at all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from defectory.errors import InvalidInput
from orchestrator.proof.outcomes import ArmOutcome, Lacking, check_comparable
from orchestrator.proof.resampling import REPLICATES, FoldWeights, as_observed, drawn
from orchestrator.proof.scores import Score
from orchestrator.proof.significance import bootstrap_p, holm, sign_flip_p
from orchestrator.proof.worth import worth

Outcome = Literal["helped", "hurt", "no benefit", "cannot tell"]
INTERVAL = (0.025, 0.975)
ALPHA = 0.05  # of the p values, after they are corrected for as many arms as contend


@dataclass(frozen=True)
class Interval:
    """A figure and its 95% interval over folds, seeds and test parts."""

    value: float
    low: float
    high: float

    @property
    def above_zero(self) -> bool:
        """Whether the whole interval is."""
        return self.low > 0

    @property
    def below_zero(self) -> bool:
        """Whether the whole interval is."""
        return self.high < 0


@dataclass(frozen=True)
class Rules:
    """What is fixed before anything is run.

    Attributes:
        primary: the score that decides, as `scores` names it; more is better.
        reference: name of the arm that all others are compared with.
        instrument: (an arm, the same with more real photographs): unless these two separate, nothing can be told.
        smallest_gain: difference of the primary score below which a change is worth nothing.
        controls: arms that nobody wants proven, which show what the test can tell: no comparison more because of them.
        photographs: arm -> training photographs, of those that differ in these alone, from the fewest to the most: the
            learning curve by which a gain is worth so many; none: nothing says.
    """

    primary: str
    reference: str
    instrument: tuple[str, str] | None = None
    smallest_gain: float = 0.01
    controls: frozenset[str] = frozenset()
    photographs: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Difference:
    """An arm less the reference, by the primary score.

    Attributes:
        by_fold: one value a fold.
        p_value: two-sided, by the same replicates as the interval.
        corrected: for as many arms as are compared (Holm); of a control arm p itself.
        of: how many arms it is corrected for.
        p_of_folds: two-sided, exact, of the folds' signs alone: few folds can't make it small (`smallest_p`).
    """

    gain: Interval
    by_fold: tuple[float, ...]
    p_value: float
    corrected: float
    of: int
    p_of_folds: float
    outcome: Outcome


@dataclass(frozen=True)
class Proof:
    """What the experiment says.

    Attributes:
        scores: arm -> score -> its figure.
        by_fold: arm -> its primary score in every fold.
        gains: arm -> score -> what it is more than the reference's; all arms but the reference.
        differences: arm -> it beside the reference by the primary score; all arms but the reference.
        instrument: what more real photographs are worth by the primary score; None where no arm has them.
        can_tell: whether these separate from fewer ones.
        curve: training photographs -> what the primary score gains by more than the fewest; none where it is not known.
        lacking: arm -> what it lacked in which folds, see `ArmOutcome`; only arms of which that is so. Of one that
            lacked something in all of them nothing can be told.
        worth: arm that contends -> how many photographs more gain as much as it does; see `worth`.
    """

    scores: Mapping[str, Mapping[str, Interval]]
    by_fold: Mapping[str, tuple[float, ...]]
    gains: Mapping[str, Mapping[str, Interval]]
    differences: Mapping[str, Difference]
    instrument: Interval | None
    can_tell: bool
    curve: Mapping[float, Interval] = field(default_factory=dict)
    worth: Mapping[str, Interval] = field(default_factory=dict)
    lacking: Mapping[str, Lacking] = field(default_factory=dict)

    @property
    def most_worth(self) -> float:
        """Photographs that there are more than the fewest: an arm may be worth more, which nobody can say."""
        return max(self.curve) - min(self.curve) if self.curve else 0.0


def judge(
    arms: Sequence[ArmOutcome], scores: Mapping[str, Score], rules: Rules, seed: int = 0, replicates: int = REPLICATES
) -> Proof:
    """Compare all arms with the reference.

    Args:
        scores: name -> score; the primary one is among them.
        seed: of what is drawn.

    Raises:
        InvalidInput: an arm or a score that the rules name is not there, or arms cannot be compared.
    """
    by_name = {arm.name: arm for arm in arms}
    named = {rules.reference, *(rules.instrument or ()), *rules.photographs}
    if not named <= by_name.keys() or rules.primary not in scores:
        right = f"arms {', '.join(by_name)}; scores {', '.join(scores)}"
        raise InvalidInput(f"the rules name {', '.join(sorted(named))} and {rules.primary}: {right}", {"rules": right})
    check_comparable(arms)
    observed, replicated = as_observed(arms[0].folds), drawn(arms[0].folds, seed, replicates)
    figures = {
        arm.name: {
            name: _Figure(float(score(arm, observed)[0]), score(arm, replicated)) for name, score in scores.items()
        }
        for arm in arms
    }

    instrument = None
    if rules.instrument is not None:
        fewer, more = (figures[name][rules.primary] for name in rules.instrument)
        instrument = more.less(fewer).interval
    can_tell = instrument is None or instrument.above_zero

    others = [arm for arm in arms if arm.name != rules.reference]
    reference = figures[rules.reference]
    gains = {arm.name: {name: figures[arm.name][name].less(reference[name]) for name in scores} for arm in others}
    p_values = {name: bootstrap_p(gain[rules.primary].known) for name, gain in gains.items()}
    contenders = {name: p for name, p in p_values.items() if name not in rules.controls}
    corrected = {**p_values, **holm(contenders)}
    by_folds = {arm.name: _by_fold(arm, scores[rules.primary], observed) for arm in arms}
    differences = {}
    for arm in others:
        gain = gains[arm.name][rules.primary].interval
        by_fold = by_folds[arm.name] - by_folds[rules.reference]
        tells = can_tell and not arm.is_untried and not by_name[rules.reference].is_untried
        outcome = _outcome(gain, corrected[arm.name], rules.smallest_gain) if tells else "cannot tell"
        differences[arm.name] = Difference(
            gain, tuple(map(float, by_fold)), p_values[arm.name], corrected[arm.name],
            len(contenders) if arm.name in contenders else 1, sign_flip_p(by_fold[~np.isnan(by_fold)]), outcome,
        )  # fmt: skip
    by_fold_of = {name: tuple(map(float, values)) for name, values in by_folds.items()}
    points = [figures[name][rules.primary] for name in rules.photographs]
    curve = [point.less(points[0]) for point in points]
    at = list(rules.photographs.values())
    worths = {name: _worth(gains[name][rules.primary], curve, at) for name in contenders} if curve else {}
    shown = {photographs: point.interval for photographs, point in zip(at, curve, strict=True)}
    return Proof(
        _intervals(figures), by_fold_of, _intervals(gains), differences, instrument, can_tell, shown,
        {name: figure.interval for name, figure in worths.items()},
        {arm.name: arm.lacking for arm in arms if arm.lacking},
    )  # fmt: skip


@dataclass(frozen=True)
class _Figure:
    """A figure as observed, and its replicates (B,)."""

    value: float
    spread: np.ndarray

    def less(self, other: "_Figure") -> "_Figure":
        return _Figure(self.value - other.value, self.spread - other.spread)

    @property
    def known(self) -> np.ndarray:
        """Replicates in which it exists."""
        existing: np.ndarray = self.spread[~np.isnan(self.spread)]
        return existing

    @property
    def interval(self) -> Interval:
        """Percentiles: unlike BCa's they are there when nothing varies. All nan where no replicate has the figure."""
        low, high = np.quantile(self.known, INTERVAL) if len(self.known) else (np.nan, np.nan)
        return Interval(self.value, float(low), float(high))


def _worth(gain: _Figure, curve: Sequence[_Figure], photographs: Sequence[float]) -> _Figure:
    """In photographs, what an arm gains; every replicate has a curve of its own."""
    observed = worth(np.array([gain.value]), np.array([[point.value] for point in curve]), photographs)
    return _Figure(float(observed[0]), worth(gain.spread, np.stack([point.spread for point in curve]), photographs))


def _intervals(figures: Mapping[str, Mapping[str, _Figure]]) -> dict[str, dict[str, Interval]]:
    return {arm: {name: figure.interval for name, figure in own.items()} for arm, own in figures.items()}


def _by_fold(arm: ArmOutcome, score: Score, observed: Sequence[FoldWeights]) -> np.ndarray:
    """(F,): the score of each fold alone."""
    return np.array([
        float(score(ArmOutcome(arm.name, [fold]), [weight])[0])
        for fold, weight in zip(arm.folds, observed, strict=True)
    ])  # fmt: skip


def _outcome(gain: Interval, p: float, smallest_gain: float) -> Outcome:
    """What may be said of an arm.

    `no benefit` is said only where a gain that is worth something is excluded, not wherever none was seen.
    """
    if gain.above_zero and p < ALPHA:
        return "helped"
    if gain.below_zero and p < ALPHA:
        return "hurt"
    return "no benefit" if gain.high < smallest_gain else "cannot tell"
