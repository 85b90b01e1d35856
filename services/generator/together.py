"""One process of a training on several GPUs: `services.generator.torchrun` starts one for each."""

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import structlog
import torch
from google.protobuf import json_format

from defectory.api.generator.v1 import generator_pb2
from defectory.errors import DefectoryError, InvalidInput
from defectory.exit_codes import EVICTED, OK, exit_code
from defectory.memory import keep_freed_memory
from defectory.serving.logs import configure_logs
from defectory.serving.operations.context import NOTHING, Interrupted
from defectory.storage import ObjectStore, open_store
from services.generator.jobs import train_generator
from services.generator.training import distributed
from services.generator.training.device import choose, configure
from services.generator.training.distributed import World

log = structlog.get_logger(__name__)


class TogetherContext:
    """JobContext of a process among several: all stop at the same report, when one was asked to."""

    def __init__(self, store: ObjectStore, operation_id: str, world: World, device: torch.device) -> None:
        self.store = store
        self.operation_id = operation_id
        self.settings: Mapping[str, str] = {"compiled_loops": os.environ.get("DEFECTORY_COMPILED_LOOPS", "")}
        self.stop = False
        self._world = world
        self._device = device
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
        """Agree on whether to stop, and log what changed."""
        if float(self._world.total(torch.tensor(float(self.stop), device=self._device))) > 0:
            raise Interrupted
        if self._world.writes and (stage, int(done)) != self._said:
            self._said = stage, int(done)
            shown = {name: round(value, 5) for name, value in values.items()}
            log.info(stage, done=done, total=total, unit=unit, sample_uri=sample_uri, warning=warning, **shown)


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
    job = TogetherContext(store, request.request_id, world, device)

    def stop(*_: object) -> None:
        job.stop = True

    signal.signal(signal.SIGTERM, stop)
    code = OK
    try:
        made = train_generator(request, job, world).generator
        if world.writes:
            log.info("trained", model=f"{made.name}/{made.version}", weights_sha256=made.weights_sha256)
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
