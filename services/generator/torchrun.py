"""Trains one generator on several GPUs of a machine: starts a process for each, as torchrun does.

    python -m services.generator.torchrun --processes 8 --store URL --request FILE.json

FILE.json is a TrainGeneratorRequest as protobuf's JSON has it. The first process writes checkpoints, sample sheets and
the model, and says how far it is. SIGTERM makes all of them stop behind a checkpoint, with exit code 75 (worth another
try); the same command again goes on. Errors end with their codes (docs/cli.md), so that a Job knows which of them to
try again: torchrun's own command ends with 1 after all of it. With one process it is the training that the service
does.

A service's trainings in several processes are started otherwise (several.py): forked by its nursery, which has torch
loaded already, watched by an operation's lease and cancelled by its record. A Job has none of these: no service to fork
from, no operation, and a log and an exit code in place of a record. What the processes do is the same in both
(together.py), and both meet in the way that torch.distributed prescribes.
"""

import argparse
import os
import sys
import uuid
from pathlib import Path

from torch.distributed.elastic.multiprocessing import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from defectory.exit_codes import EVICTED, OK

PROCESS = "services.generator.together"


def main() -> int:
    """Start the processes and wait for them; the exit code says how they ended."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--processes", type=int, required=True, help="one a GPU")
    parser.add_argument("--store", required=True, help="URL of the store, the same for every process")
    parser.add_argument("--request", type=Path, required=True, metavar="FILE.json", help="a TrainGeneratorRequest")
    given = parser.parse_args()
    if given.processes < 1:
        parser.error(f"--processes is {given.processes}: at least 1")
    cores = len(os.sched_getaffinity(0))
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores // given.processes)))  # they would take all cores each
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=given.processes,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,  # who started us tries again, or does not, by our exit code
    )
    try:
        elastic_launch(config, sys.executable)("-m", PROCESS, given.store, str(given.request))
    except SignalException:  # the processes have been told, and have ended
        return EVICTED
    except ChildFailedError as error:
        code = error.get_first_failure()[1].exitcode
        return code if code > 0 else 128 - code  # of a signal as a shell has it: 137 where memory ran out
    return OK


if __name__ == "__main__":
    sys.exit(main())
