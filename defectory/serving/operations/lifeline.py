"""Processes that do not outlive the one that they work for."""

import ctypes
import os
import signal
import sys

EXIT_INTERRUPTED = 75  # sysexits' EX_TEMPFAIL: not finished, worth another try
PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """Be killed by the kernel when the service is gone, however it went: nobody would know of this worker."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(EXIT_INTERRUPTED)
