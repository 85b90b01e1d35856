"""Processes that do not outlive the one that they work for, and can be told apart."""

import ctypes
import multiprocessing
import os
import signal
import threading

EXIT_INTERRUPTED = 75  # sysexits' EX_TEMPFAIL: not finished, worth another try
PR_SET_NAME = 15


def die_with_parent() -> None:
    """Be killed when the process that this one works for is gone, however it went: nobody would know of this one.

    For a process of multiprocessing. The kernel could do it (PR_SET_PDEATHSIG), but for a fork the kernel's parent is a
    fork server, which waits for its forks.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def follow() -> None:
        parent.join()
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=follow, name="lifeline", daemon=True).start()


def call_itself(name: str) -> None:
    """How `top` and `ps -o comm` call this process: 15 bytes of the name."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_NAME, ctypes.c_char_p(name.encode()[:15]))
