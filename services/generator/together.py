"""One process of a training on several GPUs, of an operation (several.py starts them) or of a Job (torchrun.py)."""

import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import structlog
import torch
from google.protobuf import json_format

from defectory.api.generator.v1 import generator_pb2
from defectory.errors import Cancelled, DefectoryError, InvalidInput
from defectory.exit_codes import EVICTED, OK, exit_code
from defectory.memory import keep_freed_memory
from defectory.phases import Clock, measuring, phase
from defectory.serving.logs import configure_logs
from defectory.serving.operations.context import NOTHING, Interrupted, StoredJobContext
from defectory.serving.operations.lifeline import EXIT_INTERRUPTED
from defectory.serving.operations.record import read_record, request_of, write_record
from defectory.serving.operations.runner import Workplace
from defectory.serving.operations.worker import count_start, enter, not_well, well
from defectory.storage import ObjectStore, open_store
from services.generator.jobs import train_generator
from services.generator.training import distributed
from services.generator.training.device import choose, configure, set_up
from services.generator.training.distributed import World

log = structlog.get_logger(__name__)


class LoggedContext:
    """JobContext of a Job that no service watches: progress goes to the log; `stop` is set by its signal handler."""

    def __init__(self, store: ObjectStore, operation_id: str) -> None:
        self.store = store
        self.operation_id = operation_id
        self.settings: Mapping[str, str] = {"compiled_loops": os.environ.get("DEFECTORY_COMPILED_LOOPS", "")}
        self.stop = False
        self._said: tuple[str, int] = ("", -1)

    def report(
        self,
        stage: str,
        done: float,
        total: int,
        unit: str,
        *,
        values: Mapping[str, float] = NOTHING,
        sample_uri: str = "",
        warning: str = "",
    ) -> None:
        """Log what changed."""
        if self.stop:
            raise Interrupted
        if (stage, int(done)) != self._said:
            self._said = stage, int(done)
            shown = {name: round(value, 5) for name, value in values.items()}
            log.info(stage, done=done, total=total, unit=unit, sample_uri=sample_uri, warning=warning, **shown)


class AgreeingContext:
    """JobContext of a process among several: what one is asked, by whomever, all of them do at the same report."""

    def __init__(self, own: StoredJobContext | LoggedContext, world: World, device: torch.device) -> None:
        self.store = own.store
        self.operation_id = own.operation_id
        self.settings = own.settings
        self._own = own
        self._world = world
        self._device = device

    def report(
        self,
        stage: str,
        done: float,
        total: int,
        unit: str,
        *,
        values: Mapping[str, float] = NOTHING,
        sample_uri: str = "",
        warning: str = "",
    ) -> None:
        """Say how far the work is, if this is the first, and agree on whether to stop."""
        cancelled = False
        if self._world.writes:
            try:
                self._own.report(stage, done, total, unit, values=values, sample_uri=sample_uri, warning=warning)
            except Cancelled:
                cancelled = True
            except Interrupted:
                pass  # as `stop` says
        asked = torch.tensor([float(self._own.stop), float(cancelled)], device=self._device)
        stops, cancels = self._world.total(asked).tolist()
        if cancels:
            raise Cancelled(f"operation {self.operation_id} was cancelled")
        if stops:
            raise Interrupted


@dataclass(frozen=True)
class Seat:
    """Which of several processes on this machine one is, and where they meet."""

    rank: int
    size: int
    port: int


def work(workplace: Workplace, operation_id: str, seat: Seat) -> None:
    """Be one process of an operation's training, in a fork; the first stores how it ended.

    What nobody expected ends a process with 1, and the others with it: each saw another end of the same fault.
    """
    with measuring() as clock:
        _work(workplace, operation_id, seat, clock)


def _work(workplace: Workplace, operation_id: str, seat: Seat, clock: Clock) -> None:
    with phase("starting"):
        own = enter(workplace, operation_id)
    os.environ.update(
        RANK=str(seat.rank), LOCAL_RANK=str(seat.rank), WORLD_SIZE=str(seat.size),
        MASTER_ADDR="127.0.0.1", MASTER_PORT=str(seat.port),
    )  # fmt: skip
    torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) // seat.size))  # they would take all cores each
    record = read_record(own.store, workplace.service, operation_id)
    count_start(clock, record)
    request = cast(generator_pb2.TrainGeneratorRequest, request_of(record))
    try:
        wanted = set_up(own.settings)
        device = choose(request.settings.device or wanted)  # type: ignore[arg-type]  # checked before
        configure(device)
        world = distributed.join(gpu=device.type == "cuda")
        ended = well(record, train_generator(request, AgreeingContext(own, world, device), world))
        distributed.leave()  # not after an error, as in `main`
    except Interrupted:
        distributed.leave()
        sys.exit(EXIT_INTERRUPTED)
    except DefectoryError as error:
        ended = not_well(record, error)
    if seat.rank == 0:
        write_record(own.store, workplace.service, ended.model_copy(update={"spent": clock.spent()}))


def main() -> int:
    """Train; the exit code says how it ended."""
    store, request = sys.argv[1:]  # URL, and file of a TrainGeneratorRequest
    configure_logs("generator", "json")
    keep_freed_memory()
    try:
        return _train(_read(Path(request)), open_store(store))
    except DefectoryError as error:
        log.error("training failed", error=str(error))
        return exit_code(error)


def _read(file: Path) -> generator_pb2.TrainGeneratorRequest:
    try:
        request = json_format.Parse(file.read_text(), generator_pb2.TrainGeneratorRequest())
    except (json_format.ParseError, OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{file} is no TrainGeneratorRequest in JSON: {error}") from error
    if not request.request_id:
        raise InvalidInput("request_id is empty: it names the training that is taken up", {"request_id": "required"})
    return request


def _train(request: generator_pb2.TrainGeneratorRequest, store: ObjectStore) -> int:
    device = choose(request.settings.device or "auto")  # type: ignore[arg-type]  # checked with the other settings
    configure(device)
    world = distributed.join(gpu=device.type == "cuda")
    own = LoggedContext(store, request.request_id)

    def stop(*_: object) -> None:
        own.stop = True

    signal.signal(signal.SIGTERM, stop)
    code = OK
    try:
        generator = train_generator(request, AgreeingContext(own, world, device), world).generator
        if world.writes:
            log.info("trained", model=f"{generator.name}/{generator.version}", weights_sha256=generator.weights_sha256)
    except Interrupted:
        code = EVICTED
    distributed.leave()  # not after an error: others would break off at that, and end before this process has its code
    return code


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # Past the end of the interpreter a thread of gloo's that frees a tensor, or whose peer has left, aborts, and the
    # code would be the signal's: also of a training that went well.
    os._exit(code)
