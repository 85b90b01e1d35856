"""How long a run will take, step by step, and how that is known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from defectory.storage.store import ObjectStore
from orchestrator.pipeline import pace
from orchestrator.pipeline.durations import Duration, beside_generators, durations, in_all
from orchestrator.pipeline.outputs import GENERATORS, Counts
from orchestrator.pipeline.plan import Decision
from orchestrator.pipeline.settings import PipelineSettings

WORTH_SAYING = 0.02  # share of the whole below which a step is not named
BUSY = 1.5  # times as long as on an idle machine, from which on it is said


@dataclass(frozen=True)
class Estimate:
    """What a run's steps will take.

    Attributes:
        seconds: of the steps that will run and of which something is known.
        unknown: steps that will run and of which nothing is known.
        known_by: in words.
        slowed: how many times as long it takes while others' work on this machine goes on as now; at least 1.
        beside: steps that go on while the generators are trained.
    """

    seconds: dict[str, float]
    unknown: list[str]
    known_by: str
    slowed: float = 1.0
    beside: tuple[str, ...] = ()

    @property
    def total_s(self) -> float:
        """Of what is known."""
        return in_all(self.seconds, self.beside)


def estimate(store: ObjectStore, settings: PipelineSettings, counts: Counts, plan: Sequence[Decision]) -> Estimate:
    """What the steps that a plan does not skip will take: by earlier runs on this machine, else by its speed.

    Args:
        counts: split -> label -> images.
    """
    expected = durations(settings, counts)
    wanted = [decision.step for decision in plan if decision.action != "skip"]
    before = pace.recorded(store, pace.machine())
    speed = pace.measure()
    seconds: dict[str, float] = {}
    for step in wanted:
        if step not in expected:
            continue
        measured_s = None if _computed_elsewhere(step, settings) else expected[step].at(speed.values, speed.macs)
        if step in before:
            seconds[step] = before[step].seconds(expected[step].seconds, measured_s)
        elif measured_s is not None:
            seconds[step] = measured_s
    ours = [step for step in seconds if step in before]
    known_by = _known_by(ours, [step for step in seconds if step not in before])
    unknown = [step for step in wanted if step in _heavy(expected, settings) - seconds.keys()]
    slowed = 1.0 if pace.addresses() else pace.slowed()
    return Estimate(seconds, unknown, known_by, slowed, beside_generators(settings.arms))


def _computed_elsewhere(step: str, settings: PipelineSettings) -> bool:
    """Whether this machine's processor says nothing of a step's time."""
    on_gpu = step == GENERATORS.step and pace.has_gpu() and settings.generator.device != "cpu"
    return on_gpu or bool(pace.addresses())


def _heavy(expected: Mapping[str, Duration], settings: PipelineSettings) -> set[str]:
    """Steps whose time is worth knowing."""
    generators = {GENERATORS.step} if any(arm.takes_synthetic for arm in settings.arms) else set()
    return expected.keys() | generators


def _known_by(recorded: list[str], measured: list[str]) -> str:
    if recorded and measured:
        return f"{', '.join(recorded)} by earlier runs on this machine, the rest by a measurement of it"
    return "by earlier runs on this machine" if recorded else "by a measurement of this machine"


def in_words(estimate: Estimate) -> str:
    """E.g. "about 50 minutes: generators 38, judge 4, …; by a measurement of this machine"."""
    unknown = f"the time of {', '.join(estimate.unknown)} is not known before a first run of it here"
    if not estimate.seconds:
        return unknown if estimate.unknown else "nothing is left to compute"
    _, divisor = _unit(estimate.total_s)
    steps = sorted(estimate.seconds.items(), key=lambda item: -item[1])
    named = [f"{step} {_number(s / divisor)}" for step, s in steps if s >= WORTH_SAYING * estimate.total_s]
    said = f"about {_rounded(estimate.total_s)}: {', '.join(named)}; {estimate.known_by}"
    if estimate.slowed >= BUSY:
        slowed = estimate.total_s * estimate.slowed
        said += f"; other work keeps this machine busy, and while it does, rather {_rounded(slowed)}"
    return f"{said}; {unknown}" if estimate.unknown else said


def _rounded(seconds: float) -> str:
    """E.g. "50 minutes"."""
    unit, divisor = _unit(seconds)
    return f"{_number(seconds / divisor)} {unit}"


def _unit(seconds: float) -> tuple[str, float]:
    """In which a time is said, and its seconds."""
    if seconds < 120:
        return "seconds", 1.0
    return ("hours", 3600.0) if seconds >= 2 * 3600 else ("minutes", 60.0)


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 9.5 else f"{value:.1g}"  # from there on one digit would be 1e+01
