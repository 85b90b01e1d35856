"""The state in which services run their workers, for benchmarks to run in as well."""

import os
import sys

from defectory.memory import keep_freed_memory
from defectory.serving.operations.nursery import ENVIRONMENT


def as_worker(module: str) -> None:
    """Start this benchmark anew in a worker's environment, unless it is in one, and keep freed memory as workers do."""
    if any(name not in os.environ for name in ENVIRONMENT):
        os.execve(sys.executable, [sys.executable, "-m", module, *sys.argv[1:]], {**ENVIRONMENT, **os.environ})
    keep_freed_memory()
