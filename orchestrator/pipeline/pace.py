"""How fast this machine is beside the one that `durations` was measured on: by earlier runs, else by a moment."""

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from statistics import median
from threading import Thread

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from defectory.errors import DefectoryError
from defectory.machine import cores, processor
from defectory.ports import DEFAULT_PORTS
from defectory.storage.store import ObjectStore
from orchestrator.pipeline.durations import Duration

# What two cores of an Intel Xeon with AVX-512 do in `measure`, in a second.
REFERENCE_VALUES, REFERENCE_MACS = 7.2e9, 1.5e11
SIDE = 96  # of what is multiplied: below 128 one core does it, and waits for no other that somebody else has
VALUES = 1 << 20  # that are added to: more than a cache holds
MOMENT_S = 0.4
SHORTEST_S = 5.0  # of a step from whose time anything follows
TELLING_S = 120.0  # of work, from which on earlier runs say more of a step's pace than a measurement does


class StepTime(BaseModel):
    """A step that ran from start to end."""

    model_config = ConfigDict(frozen=True)

    expected_s: float  # on the reference machine
    took_s: float


class RunTimes(BaseModel):
    """How long a run's steps took on a machine: `paces/<machine>/<run>.json`."""

    model_config = ConfigDict(frozen=True)

    machine: str
    steps: dict[str, StepTime]


@dataclass(frozen=True)
class Speed:
    """Times as fast as the reference machine."""

    values: float
    macs: float


def machine(environ: Mapping[str, str] = os.environ) -> str:
    """What runs take their time on: this machine, or the services elsewhere that are named."""
    elsewhere = addresses(environ)
    gpu = ", with a GPU" if has_gpu() else ""
    return ", ".join([f"{cores()} cores of {processor()}{gpu}", *elsewhere])


def addresses(environ: Mapping[str, str] = os.environ) -> list[str]:
    """Of services that run elsewhere."""
    named = (f"DEFECTORY_{service.upper()}_ADDRESS" for service in DEFAULT_PORTS)
    return [environ[name] for name in named if environ.get(name)]


def has_gpu() -> bool:
    """Whether this machine has one that trainings may use."""
    return shutil.which("nvidia-smi") is not None


def measure() -> Speed:
    """Multiply and add for a moment; the fastest round counts, so that others' work hardly shows."""
    random = np.random.default_rng(0)
    left, right = (random.random((SIDE, SIDE), np.float32) for _ in range(2))
    values = random.random(VALUES, np.float32)
    product, sum_ = np.empty_like(left), np.empty_like(values)

    def add() -> None:
        np.add(values, 1, out=sum_)
        np.maximum(sum_, 0.5, out=sum_)

    macs = cores() * SIDE**3 / _fastest(lambda: np.matmul(left, right, out=product))
    touched = cores() * 2 * VALUES / _fastest(add)
    return Speed(touched / REFERENCE_VALUES, macs / REFERENCE_MACS)


def slowed() -> float:
    """How many times as long work takes beside all other work of this machine: every core is kept busy for a moment.

    What the system gives is measured, since its load also counts work that only takes what others leave.
    """
    threads = cores()
    worked_s = [0.0] * threads

    def keep_busy(number: int) -> None:
        values, until = np.zeros(VALUES, np.float32), time.monotonic() + MOMENT_S / 2
        began_s = time.thread_time()
        while time.monotonic() < until:
            np.add(values, 1, out=values)  # other threads go on meanwhile
        worked_s[number] = time.thread_time() - began_s

    busy = [Thread(target=keep_busy, args=(number,)) for number in range(threads)]
    began_s = time.monotonic()
    for thread in busy:
        thread.start()
    for thread in busy:
        thread.join()
    return max(1.0, threads * (time.monotonic() - began_s) / sum(worked_s))


def _fastest(work: Callable[[], object]) -> float:
    work()
    fastest_s, until = float("inf"), time.perf_counter() + MOMENT_S / 2
    while time.perf_counter() < until:
        started = time.perf_counter()
        work()
        fastest_s = min(fastest_s, time.perf_counter() - started)
    return fastest_s


def remember(
    store: ObjectStore, run: str, expected: Mapping[str, Duration], took: Mapping[str, float], machine_: str
) -> None:
    """Keep how long a run's steps took, those that ran from start to end."""
    steps = {
        step: StepTime(expected_s=expected[step].seconds, took_s=seconds)
        for step, seconds in took.items()
        if step in expected and seconds >= SHORTEST_S
    }
    if steps:
        times = RunTimes(machine=machine_, steps=steps)
        store.put(f"{_prefix(machine_)}{run}.json", times.model_dump_json(indent=1).encode())


@dataclass(frozen=True)
class Recorded:
    """A step in earlier runs on a machine.

    Attributes:
        factor: how many times as long as expected it took, the median over the runs.
        expected_s: what was expected of all of them together, which is how much the factor rests on.
    """

    factor: float
    expected_s: float

    def seconds(self, expected_s: float, otherwise_s: float | None) -> float:
        """What the step takes now.

        Of a short run little is the work itself: it starts processes, and shares cores with what goes on beside it. So
        its factor moves what is said otherwise the less, the shorter it was.

        Args:
            expected_s: on the reference machine. otherwise_s: by a measurement of this one; None where none tells.
        """
        otherwise = self.factor if otherwise_s is None else otherwise_s / expected_s
        weight = self.expected_s / (self.expected_s + TELLING_S)
        return expected_s * (weight * self.factor + (1 - weight) * otherwise)


def recorded(store: ObjectStore, machine_: str) -> dict[str, Recorded]:
    """step -> how long it took in earlier runs on the machine."""
    times: dict[str, list[StepTime]] = {}
    for of_run in _recorded(store, machine_):
        for step, time_ in of_run.steps.items():
            times.setdefault(step, []).append(time_)
    return {
        step: Recorded(median(one.took_s / one.expected_s for one in of_step), sum(one.expected_s for one in of_step))
        for step, of_step in times.items()
    }


def _recorded(store: ObjectStore, machine_: str) -> Iterator[RunTimes]:
    for info in store.list(_prefix(machine_)):
        try:
            yield RunTimes.model_validate_json(store.get(info.key))
        except (DefectoryError, ValidationError):
            continue  # nothing depends on it


def _prefix(machine_: str) -> str:
    return f"paces/{hashlib.sha256(machine_.encode()).hexdigest()[:16]}/"
