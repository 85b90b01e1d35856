"""Processes go with the one that they work for, whichever way multiprocessing started them."""

import multiprocessing
import os
import signal
import time

import psutil
import pytest

from defectory.serving.operations.lifeline import die_with_parent
from tests.patience import PATIENT_S


def live(pids: "multiprocessing.Queue[int]") -> None:
    die_with_parent()
    pids.put(os.getpid())
    time.sleep(PATIENT_S)


def start_one(method: str, pids: "multiprocessing.Queue[int]") -> None:
    multiprocessing.get_context(method).Process(target=live, args=(pids,)).start()
    time.sleep(PATIENT_S)


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_process_goes_when_its_parent_is_killed(method: str) -> None:
    context = multiprocessing.get_context("spawn")
    pids: multiprocessing.Queue[int] = context.Queue()
    parent = context.Process(target=start_one, args=(method, pids))
    parent.start()
    child = psutil.Process(pids.get(timeout=PATIENT_S))
    assert parent.pid is not None
    os.kill(parent.pid, signal.SIGKILL)
    child.wait(PATIENT_S)
    parent.join()
