"""Processes that do not outlive the one that they work for, and can be told apart."""

import ctypes
import multiprocessing
import os
import signal
import sys
import threading

EXIT_INTERRUPTED = 75  # sysexits' EX_TEMPFAIL: not finished, worth another try
PR_SET_PDEATHSIG, PR_SET_NAME = 1, 15


def die_with(parent: int) -> None:
    """Be killed by the kernel when a process' parent is gone, however it went: nobody would know of this one."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(EXIT_INTERRUPTED)


def die_with_parent() -> None:
    """The same for a process of multiprocessing, whose parent in the kernel's eyes is a fork server: it would wait."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def follow() -> None:
        parent.join()
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=follow, name="lifeline", daemon=True).start()


def call_itself(name: str) -> None:
    """How `top` and `ps -o comm` call this process: 15 bytes of the name."""
    _prctl(PR_SET_NAME, ctypes.c_char_p(name.encode()[:15]))


def _prctl(option: int, argument: int | ctypes.c_char_p) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(option, argument)
