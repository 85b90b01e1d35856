"""Trains one generator on several GPUs: torchrun starts one of this process for each.

    python -m torch.distributed.run --nproc-per-node 8 -m services.generator.torchrun --store URL --request FILE.json

FILE.json is a TrainGeneratorRequest as protobuf's JSON has it. The first process writes checkpoints, sample sheets and
the model, and says how far it is. SIGTERM makes all of them stop behind a checkpoint, with exit code 75 (worth another
try); the same command again goes on. With one process it is the training that the service does.
"""

import argparse
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import structlog
import torch
from google.protobuf import json_format

from defectory.api.generator.v1 import generator_pb2
from defectory.errors import DefectoryError, InvalidInput
from defectory.memory import keep_freed_memory
from defectory.serving.logs import configure_logs
from defectory.serving.operations.context import NOTHING, Interrupted
from defectory.storage import ObjectStore, open_store
from services.generator.jobs import train_generator
from services.generator.training import distributed
from services.generator.training.device import choose, configure
from services.generator.training.distributed import World

EXIT_INTERRUPTED = 75  # sysexits' EX_TEMPFAIL, as the service's workers have it
EXIT_FAILED = 1

log = structlog.get_logger(__name__)


class TogetherContext:
    """JobContext of a process among several: all stop at the same report, when one was asked to."""

    def __init__(self, store: ObjectStore, operation_id: str, world: World, device: torch.device) -> None:
        self.store = store
        self.operation_id = operation_id
        self.settings: Mapping[str, str] = {}
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
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--store", required=True, help="URL of the store, the same for every process")
    parser.add_argument("--request", type=Path, required=True, metavar="FILE.json", help="a TrainGeneratorRequest")
    arguments = parser.parse_args()
    configure_logs("generator", "json")
    keep_freed_memory()
    try:
        request = json_format.Parse(arguments.request.read_text(), generator_pb2.TrainGeneratorRequest())
        if not request.request_id:
            raise InvalidInput(
                "request_id is empty: it names the training that is taken up", {"request_id": "required"}
            )
        return _train(request, open_store(arguments.store))
    except (json_format.ParseError, OSError, DefectoryError) as error:
        log.error("training failed", error=str(error))
        return EXIT_FAILED


def _train(request: generator_pb2.TrainGeneratorRequest, store: ObjectStore) -> int:
    device = choose(request.settings.device or "auto")  # type: ignore[arg-type]  # checked with the other settings
    configure(device)
    world = distributed.join(gpu=device.type == "cuda")
    job = TogetherContext(store, request.request_id, world, device)

    def stop(*_: object) -> None:
        job.stop = True

    signal.signal(signal.SIGTERM, stop)
    try:
        made = train_generator(request, job, world).generator
    except Interrupted:
        return EXIT_INTERRUPTED
    finally:
        distributed.leave()
    if world.writes:
        log.info("trained", model=f"{made.name}/{made.version}", weights_sha256=made.weights_sha256)
    return 0


if __name__ == "__main__":
    sys.exit(main())
