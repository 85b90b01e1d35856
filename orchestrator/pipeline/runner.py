"""Runs the line: skips what is finished, remembers what it does, and can be killed at any moment."""

import os
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from typing import NamedTuple

from pydantic import BaseModel

from defectory.phases import measuring
from defectory.storage.store import ObjectStore
from defectory.storage.timed import TimedStore
from orchestrator.pipeline.beside import Beside
from orchestrator.pipeline.clients import Services
from orchestrator.pipeline.hashing import CONTRACT_VERSION
from orchestrator.pipeline.known_inputs import KnownInputs
from orchestrator.pipeline.outcome import in_words
from orchestrator.pipeline.outputs import OfStep, Outputs
from orchestrator.pipeline.plan import decide, forced_by, steps_from
from orchestrator.pipeline.progress import WatchedStep, Watcher
from orchestrator.pipeline.run_record import RecordedPipeline, RunRecord, StepRecord
from orchestrator.pipeline.schedule import next_step
from orchestrator.pipeline.settings import PipelineSettings
from orchestrator.pipeline.step import Step, StepContext, StepInputs
from orchestrator.pipeline.underway import Start


@dataclass(frozen=True)
class RunResult:
    """What a run made, and what it had to do for it.

    Attributes:
        ran: steps, in the order in which they ended. seconds: of each.
        before: step that was skipped -> seconds that it took when it ran, where its record says so.
        elapsed_s: of all of it; less than the sum of the steps where some went on side by side.
    """

    run: str
    outputs: Outputs
    ran: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    before: dict[str, float] = field(default_factory=dict)
    elapsed_s: float = 0.0


def run_line(
    line: Sequence[Step[BaseModel]],
    store: ObjectStore,
    settings: PipelineSettings,
    services: Services,
    watcher: Watcher,
    *,
    first: str = "",
    weights: str = "",
    record: RunRecord | None = None,
) -> RunResult:
    """Run every step once those that it needs are done: in the line's order, some of them beside others.

    Args:
        record: where it is remembered what is done; None: as a run of the settings' name.
        first: step from which everything is computed anew; empty: only what is not there yet.
        weights: content of the ImageNet weights that the user named; see `StepInputs`.

    Raises:
        DefectoryError: a step failed; the same call goes on where it was.
    """
    store = TimedStore(store)
    record = record or RunRecord(store, settings.name)
    forced_steps = steps_from(line, first)
    record.write_pipeline(resolved_pipeline(settings))
    if forced_steps:
        record.force(first, forced_steps)
    forced, start = record.forced(), Start(record)
    outputs, began = Outputs({}), time.monotonic()
    result = RunResult(settings.name, outputs)
    waiting, beside = list(line), Beside[_Done]()

    def take(name: str, done: _Done) -> None:
        result.seconds[name] = done.seconds
        result.ran.append(name)
        start.ran(name)
        outputs.add(name, done.outputs)

    while waiting or beside.running:
        for ended in beside.ended():
            take(*ended)
        step = next_step(waiting, outputs.has_all, alone=not beside.running)
        if step is None:
            take(*beside.wait())
            continue
        waiting.remove(step)
        upstream = outputs.of(step.needs)
        known, remembered, decision = decide(step, StepInputs(settings, weights, upstream, store), record, store.url)
        if remembered is not None:
            watcher.skipped(step.name, decision.why, in_words(remembered.outputs))
            outputs.add(step.name, remembered.outputs)
            result.skipped.append(step.name)
            start.skipped(step.name)
            if remembered.spent is not None:
                result.before[step.name] = remembered.spent.elapsed
            continue
        why = forced_by(first) if step.name in forced_steps else decision.why
        start.begins()
        watcher.started(step.name, why, again=record.has(step.name))
        watched = WatchedStep(watcher, step.name)
        context = StepContext(
            settings, weights, upstream, store, services, watched.progress, watched.warn,
            step.name, known.hash, forced.get(step.name, 0),
        )  # fmt: skip
        work = partial(_run_step, step, context, known, record, watched)
        if step.beside:
            beside.start(step.name, work)
        else:
            take(step.name, work())
    record.finish_run()
    return replace(result, elapsed_s=round(time.monotonic() - began, 1))


class _Done(NamedTuple):
    outputs: BaseModel
    seconds: float


def resolved_pipeline(settings: PipelineSettings) -> RecordedPipeline:
    """What `pipeline.json` says: every setting, and the versions that it ran with."""
    return RecordedPipeline(
        name=settings.name,
        preset=settings.preset,
        settings=settings.model_dump(mode="json"),
        contract_version=CONTRACT_VERSION,
        versions={"defectory": version("defectory"), "python": platform.python_version()},
    )


def _run_step(
    step: Step[OfStep], context: StepContext, known: KnownInputs, record: RunRecord, watched: WatchedStep
) -> _Done:
    """What the step made, and the seconds that it took."""
    started, clock = _now(), time.monotonic()
    with measuring() as measured:
        outputs = step.work(context)
    finished = StepRecord[OfStep](
        step=step.name,
        input_hash=known.hash,
        inputs=dict(known.by_name),
        started=started,
        finished=_now(),
        outputs=outputs,
        warnings=tuple(watched.warnings),
        spent=measured.spent(),
        processor_cores=len(os.sched_getaffinity(0)),
    )
    record.finish(finished)
    seconds = round(time.monotonic() - clock, 1)
    watched.finished(seconds, in_words(outputs))
    return _Done(outputs, seconds)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
