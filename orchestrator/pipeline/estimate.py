"""How long a run will take, step by step, and how that is known."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel

from defectory.storage.store import ObjectStore
from orchestrator.pipeline import pace
from orchestrator.pipeline.durations import Duration
from orchestrator.pipeline.outputs import GENERATORS
from orchestrator.pipeline.plan import Decision
from orchestrator.pipeline.schedule import elapsed_s
from orchestrator.pipeline.settings import PipelineSettings
from orchestrator.pipeline.step import Step

WORTH_SAYING = 0.02  # share of the whole below which a step is not named
BUSY = 1.5  # times as long as on an idle machine, from which on it is said


@dataclass(frozen=True)
class Estimate:
    """What a run's steps will take.

    Attributes:
        seconds: of the steps that will run and of which something is known.
        unknown: steps that will run and of which nothing is known.
        known_by: in words.
        total_s: of what is known, some of it beside other steps: less than the sum.
        slowed: how many times as long it takes while others' work on this machine goes on as now; at least 1.
    """

    seconds: dict[str, float]
    unknown: list[str]
    known_by: str
    total_s: float
    slowed: float = 1.0


def estimate(
    store: ObjectStore,
    settings: PipelineSettings,
    expected: Mapping[str, Duration],
    line: Sequence[Step[BaseModel]],
    plan: Sequence[Decision],
    called: Callable[[str], str] = str,
) -> Estimate:
    """What the steps that a plan does not skip will take: by earlier runs on this machine, else by its speed.

    Args:
        expected: see `durations`.
        line: the steps, by which it is known what goes on beside what.
        called: a step's name -> what runs call it; an experiment has some of theirs once a fold.
    """
    wanted = [decision.step for decision in plan if decision.action != "skip"]
    before = pace.recorded(store, pace.machine())
    speed = pace.measure()
    seconds: dict[str, float] = {}
    for step in wanted:
        if step not in expected:
            continue
        elsewhere = _computed_elsewhere(called(step), settings)
        measured_s = None if elsewhere else expected[step].at(speed.values, speed.macs)
        if called(step) in before:
            seconds[step] = before[called(step)].seconds(expected[step].seconds, measured_s)
        elif measured_s is not None:
            seconds[step] = measured_s
    recorded = dict.fromkeys(called(step) for step in seconds if called(step) in before)
    known_by = _known_by(recorded, measured=any(called(step) not in before for step in seconds))
    heavy = {step for step in wanted if step in expected or called(step) == GENERATORS.step}
    unknown = [step for step in wanted if step in heavy - seconds.keys()]
    slowed = 1.0 if pace.addresses() else pace.slowed()
    return Estimate(seconds, unknown, known_by, elapsed_s(line, seconds), slowed)


def _computed_elsewhere(step: str, settings: PipelineSettings) -> bool:
    """Whether this machine's processor says nothing of a step's time."""
    on_gpu = step == GENERATORS.step and pace.has_gpu() and settings.generator.device != "cpu"
    return on_gpu or bool(pace.addresses())


def _known_by(recorded: Iterable[str], *, measured: bool) -> str:
    names = ", ".join(recorded)
    if names and measured:
        return f"{names} by earlier runs on this machine, the rest by a measurement of it"
    return "by earlier runs on this machine" if names else "by a measurement of this machine"


def in_words(estimate: Estimate) -> str:
    """E.g. "about 50 minutes: generators 38, judge 4, …; by a measurement of this machine"."""
    unknown = f"the time of {', '.join(estimate.unknown)} is not known before a first run of it here"
    if not estimate.seconds:
        return unknown if estimate.unknown else "nothing is left to compute"
    _, divisor = _unit(estimate.total_s)
    steps = sorted(estimate.seconds.items(), key=lambda item: -item[1])
    named = [f"{step} {_number(s / divisor)}" for step, s in steps if s >= WORTH_SAYING * estimate.total_s]
    said = f"about {_rounded(estimate.total_s)}: {', '.join(named)}; {estimate.known_by}{_busy(estimate)}"
    return f"{said}; {unknown}" if estimate.unknown else said


def in_short(estimate: Estimate) -> str:
    """The same without single steps: an experiment has hundreds."""
    said = f"about {_rounded(estimate.total_s)}, {estimate.known_by}{_busy(estimate)}"
    return f"{said}; how long {len(estimate.unknown)} more steps take is not known before" if estimate.unknown else said


def _busy(estimate: Estimate) -> str:
    if estimate.slowed < BUSY:
        return ""
    slowed = _rounded(estimate.total_s * estimate.slowed)
    return f"; other work keeps this machine busy, and while it does, rather {slowed}"


def _rounded(seconds: float) -> str:
    """E.g. "50 minutes"."""
    unit, divisor = _unit(seconds)
    return f"{_number(seconds / divisor)} {unit}"


def _unit(seconds: float) -> tuple[str, float]:
    """(name, seconds) of the unit that one thinks in."""
    if seconds < 120:
        return "seconds", 1.0
    return ("hours", 3600.0) if seconds >= 2 * 3600 else ("minutes", 60.0)


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 9.5 else f"{value:.1g}"  # from there on one digit would be 1e+01
