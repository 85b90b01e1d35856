"""Two processes do not carry out one run: the second is told at once who does, and what to do."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from defectory.errors import FailedPrecondition
from defectory.serving.operations.leases import Leases, Owner, owner_of
from defectory.storage import ObjectStore, open_store
from orchestrator.cli.main import app
from orchestrator.pipeline import at_work as module
from orchestrator.pipeline.at_work import at_work
from tests.patience import PATIENT_S

ANOTHER = """
import sys, time
from defectory.storage import open_store
from orchestrator.pipeline.at_work import at_work
with at_work(open_store(sys.argv[1]), "runs", "photos"):
    print("at work", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return open_store(f"file://{tmp_path}/store")


@pytest.fixture
def another(store: ObjectStore) -> Iterator[subprocess.Popen[str]]:
    """A process that carries out the run photos."""
    with subprocess.Popen([sys.executable, "-c", ANOTHER, store.url], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "at work\n"
        yield process
        process.kill()


def test_a_second_process_is_told_who_carries_out_the_run_and_goes_on_once_that_is_gone(
    store: ObjectStore, another: "subprocess.Popen[str]"
) -> None:
    with pytest.raises(FailedPrecondition) as refused, at_work(store, "runs", "photos"):
        pass
    said = str(refused.value)
    assert (
        f"the run 'photos' is being carried out by another process: number {another.pid} on {os.uname().nodename}"
        in said
    )
    assert f", since {time.strftime('%Y-%m-%d')} " in said
    assert f"`kill -INT {another.pid}`" in said
    with at_work(store, "runs", "others"), at_work(store, "experiments", "photos"):
        pass  # other names, and other kinds, are free
    another.send_signal(signal.SIGKILL)  # it leaves its mark behind
    another.wait(PATIENT_S)
    with at_work(store, "runs", "photos"):
        assert owner_of(store, "runs", "photos")
    assert list(store.list("operations/runs/")) == []


def test_the_command_says_so_before_any_service_starts(
    store: ObjectStore, another: "subprocess.Popen[str]", tmp_path: Path
) -> None:
    for label in ("good", "bad"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for number in range(8):
            grey = np.random.default_rng(number + ord(label[0])).integers(0, 256, (80, 80), np.uint8)
            Image.fromarray(grey).save(tmp_path / "photos" / label / f"{number}.png")
    with pytest.raises(FailedPrecondition, match=f"number {another.pid}"):
        CliRunner().invoke(app, ["run", f"{tmp_path}/photos", "--store", store.url], catch_exceptions=False)
    assert not list((tmp_path / "store").glob("logs/*"))


def test_of_two_who_know_the_same_owner_dead_one_goes_on(store: ObjectStore) -> None:
    owner = Owner(machine="elsewhere", pid=7, started="1", renewed=0.0)
    key = "operations/runs/photos/owners/1.json"
    store.put(key, owner.model_dump_json().encode())
    first, second = Leases(store, "runs"), Leases(store, "runs")
    assert not first.take("photos"), "it has not been silent for long before these eyes"
    assert first.take("photos", dead=[key])
    store.put(key, owner.model_dump_json().encode())  # as the second saw it before the first was quicker
    left = [info.key for info in store.list("operations/runs/photos/owners/")]
    assert len(left) == 2
    owned = owner_of(store, "runs", "photos")
    assert owned is not None
    assert owned.pid == os.getpid()
    store.put(left[-1], owned.model_copy(update={"pid": 1, "machine": "third"}).model_dump_json().encode())
    assert not second.take("photos", dead=[key])


@pytest.mark.parametrize("lives", [True, False])
def test_a_process_of_another_machine_is_watched_for_a_sign_of_life(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch, lives: bool
) -> None:
    monkeypatch.setattr(module, "WATCHED_S", 2.0)

    def say() -> None:
        owner = Owner(machine="elsewhere", pid=7, started="1", renewed=time.time(), host="line-4", since=time.time())
        store.put("operations/runs/photos/owners/1.json", owner.model_dump_json().encode())

    over = threading.Event()

    def go_on() -> None:
        while not over.wait(0.05):
            say()

    say()
    living = threading.Thread(target=go_on if lives else over.wait)
    living.start()
    try:
        if lives:
            with pytest.raises(FailedPrecondition, match=r"number 7 on line-4.* there and start this again"):
                at_work(store, "runs", "photos").__enter__()
        else:
            with at_work(store, "runs", "photos"):
                owner = owner_of(store, "runs", "photos")
            assert owner is not None
            assert owner.pid == os.getpid()
    finally:
        over.set()
        living.join()
