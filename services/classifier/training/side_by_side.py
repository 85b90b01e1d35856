"""Cycles side by side, each in a process of its own: what they make lies in the store, where it is taken up."""

import multiprocessing
import os
import queue
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from defectory.datasets.manifest import ManifestLine
from defectory.errors import DefectoryError, Unavailable
from defectory.serving.operations.lifeline import die_with
from defectory.storage import open_store
from services.classifier.settings import TrainingSettings
from services.classifier.training.cycles import Report, run_cycle
from services.classifier.training.folds import without_fold
from services.classifier.training.preparation import prepare

POLL_S = 0.5


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
    threads: int  # of each process


def run_cycles(plan: Plan, cycles: int, at_once: int, report: Report) -> None:
    """Train cycles 0 to `cycles` - 1, at most `at_once` at a time; finished ones are left as they are.

    A process that fails ends them all with its error, one that is killed with Unavailable. All die with this one.
    """
    context = multiprocessing.get_context("spawn")  # TensorFlow does not survive a fork
    messages: multiprocessing.Queue[tuple[int, Any]] = context.Queue()
    waiting, running = list(range(cycles)), dict[int, Any]()
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                cycle = waiting.pop(0)
                running[cycle] = context.Process(target=_work, args=(plan, cycle, os.getpid(), messages))
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


def _work(plan: Plan, cycle: int, parent: int, messages: "multiprocessing.Queue[tuple[int, Any]]") -> None:
    die_with(parent)
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(plan.threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    store = open_store(plan.store_url)
    try:
        prepared = prepare(store, plan.lines, plan.labels, plan.settings, plan.sources)
        run_cycle(
            store, plan.prefix, prepared.trainer, without_fold(prepared.parts, cycle, plan.settings.folds), {},
            plan.settings, cycle, plan.seed + cycle,
            lambda number, done, values: messages.put((number, (done, dict(values)))),
        )  # fmt: skip
    except DefectoryError as error:
        messages.put((cycle, error))
