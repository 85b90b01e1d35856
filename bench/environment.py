"""The environment in which services run their workers, for benchmarks to run in as well, both sides of them."""

import os
import sys

from defectory.serving.operations.supervisor import WORKER_ENVIRONMENT


def as_worker(module: str) -> None:
    """Start this benchmark anew in a worker's environment, unless it is in one: it is read when a process starts."""
    if any(name not in os.environ for name in WORKER_ENVIRONMENT):
        os.execve(sys.executable, [sys.executable, "-m", module, *sys.argv[1:]], {**WORKER_ENVIRONMENT, **os.environ})
