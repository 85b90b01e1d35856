"""Cycles side by side, each in a process of its own: what they make lies in the store, where it is taken up.

Every process has as many threads as one that trains alone: how sums are parted among threads decides their last bits,
so fewer would give other weights. Threads that wait for each other cost a tenth of what sharing the cores would gain.
"""

import multiprocessing
import os
import queue
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from defectory.datasets.manifest_line import ManifestLine
from defectory.errors import DefectoryError, Unavailable
from defectory.serving.operations.lifeline import die_with_parent
from defectory.storage import open_store
from services.classifier.settings import TrainingSettings
from services.classifier.training.cycles import Report, run_cycle
from services.classifier.training.folds import without_fold
from services.classifier.training.preparation import hold_to_base, prepare
from services.classifier.training.schedule import Schedule

POLL_S = 0.5
MOST = 4  # at once unless more are asked for: every process holds all pixels
WORTH_STEPS = 100  # of a cycle, from which on a process of its own pays


@dataclass(frozen=True)
class Plan:
    """What every process has to know."""

    store_url: str
    prefix: str
    lines: Sequence[ManifestLine]
    labels: tuple[str, ...]
    settings: TrainingSettings
    sources: Mapping[str, str]
    seed: int


def cycles_at_once(settings: TrainingSettings, images: int, cycles: int) -> int:
    """How many cycles side by side are fastest here: as many as there are cores, where a process of its own pays.

    It does not where the base stands still, since images are then embedded once for all trainings, nor for a few steps,
    which are done before TensorFlow has started.

    Args:
        images: training images.
    """
    schedule = Schedule(settings, images)
    if schedule.embeds(settings.epochs - 1) or settings.epochs * schedule.steps < WORTH_STEPS:
        return 1
    return min(cycles, len(os.sched_getaffinity(0)), MOST)


def run_cycles(plan: Plan, cycles: int, at_once: int, report: Report) -> None:
    """Train cycles 0 to `cycles` - 1, at most `at_once` at a time; finished ones are left as they are.

    A process that fails ends them all with its error, one that is killed with Unavailable. All die with this one.
    """
    context = multiprocessing.get_context("spawn")  # TensorFlow does not survive a fork
    messages: multiprocessing.Queue[tuple[int, Any]] = context.Queue()
    store = open_store(plan.store_url)
    waiting = [cycle for cycle in range(cycles) if not store.exists(f"{plan.prefix}cycle-{cycle}.json")]
    running: dict[int, Any] = {}
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                cycle = waiting.pop(0)
                running[cycle] = context.Process(target=_work, args=(plan, cycle, messages))
                running[cycle].start()
            try:
                while True:
                    cycle, said = messages.get(timeout=POLL_S)
                    if isinstance(said, Exception):
                        raise said
                    report(cycle, *said)
            except queue.Empty:
                pass
            for cycle in [c for c, process in running.items() if not process.is_alive()]:
                code = running.pop(cycle).exitcode
                if code:
                    raise Unavailable(f"the process of cycle {cycle} ended with code {code}; start the training again")
    finally:
        for process in running.values():
            process.kill()
            process.join()


def _work(plan: Plan, cycle: int, messages: "multiprocessing.Queue[tuple[int, Any]]") -> None:
    try:
        _train(plan, cycle, messages)
    except DefectoryError as error:
        messages.put((cycle, error))
    except Exception:  # what nobody expected is told whole: the parent logs it, and its type need not cross processes
        messages.put((cycle, RuntimeError(f"cycle {cycle} failed:\n{traceback.format_exc()}")))


def _train(plan: Plan, cycle: int, messages: "multiprocessing.Queue[tuple[int, Any]]") -> None:
    die_with_parent()
    store = open_store(plan.store_url)
    prepared = prepare(store, plan.lines, plan.labels, plan.settings, plan.sources)
    hold_to_base(store, plan.prefix, prepared)
    run_cycle(
        store, plan.prefix, prepared.trainer, without_fold(prepared.parts, cycle, plan.settings.folds),
        plan.settings, cycle, plan.seed + cycle,
        lambda number, done, values: messages.put((number, (done, dict(values)))),
    )  # fmt: skip
