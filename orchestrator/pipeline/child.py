"""Starts a program that dies with its parent: `python -m orchestrator.pipeline.child PARENT_PID PROGRAM ARGUMENTS…`.

The kernel's parent-death signal survives exec, so that no code runs between fork and exec of the parent, whose threads
(gRPC's) would make that unsafe. SIGKILL, so that nothing of a killed run goes on beside its continuation.
"""

import ctypes
import os
import signal
import sys
from typing import NoReturn

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> NoReturn:
    """Tie this process to its parent, then become the program."""
    parent, program = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)  # it died before we were tied to it
    os.execv(program[0], program)


if __name__ == "__main__":
    main()
