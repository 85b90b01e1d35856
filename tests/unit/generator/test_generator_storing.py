"""A store that is full or away: what can wait is left, what cannot is waited for; also on a really full disk."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from defectory.api.generator.v1 import generator_pb2 as pb
from defectory.errors import Corrupted, Exhausted, Refused, Unavailable
from defectory.storage import ObjectStore
from services.generator.jobs import train_generator
from services.generator.together import AgreeingContext, LoggedContext
from services.generator.training.distributed import ALONE
from services.generator.training.snapshots import VIDEO
from services.generator.training.storing import GIVE_UP_S, if_possible, until_possible
from tests.patience import PATIENT_S
from tests.unit.generator.generator_samples import SHAPE, write_images

ROOT = Path(__file__).parents[3]


def failing(times: int, error: Exception) -> object:
    left = [times]

    def work() -> str:
        if left[0]:
            left[0] -= 1
            raise error
        return "done"

    return work


NOT_NOW = [Exhausted("full"), Unavailable("away"), Refused("the token has expired")]


@pytest.mark.parametrize("error", NOT_NOW)
def test_what_can_wait_is_left(error: Exception) -> None:
    assert if_possible("it", failing(1, error)) is None  # type: ignore[arg-type]
    assert if_possible("it", failing(0, error)) == "done"  # type: ignore[arg-type]
    with pytest.raises(Corrupted):
        if_possible("it", failing(1, Corrupted("broken")))  # type: ignore[arg-type]


@pytest.mark.parametrize("error", NOT_NOW)
def test_what_cannot_wait_is_tried_again_with_longer_and_longer_pauses(error: Exception) -> None:
    pauses: list[float] = []
    assert until_possible("it", failing(4, error), lambda: None, sleep=pauses.append) == "done"  # type: ignore[arg-type]
    assert sum(pauses) == 1 + 2 + 4 + 8


@pytest.mark.parametrize("error", NOT_NOW)
def test_waiting_ends_within_about_an_hour(error: Exception) -> None:
    pauses: list[float] = []
    with pytest.raises(type(error)):
        until_possible("it", failing(10**6, error), lambda: None, sleep=pauses.append)  # type: ignore[arg-type]
    assert GIVE_UP_S <= sum(pauses) <= GIVE_UP_S + 60


def test_waiting_can_be_stopped() -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        until_possible("it", failing(10, Unavailable("away")), stop)  # type: ignore[arg-type]


class AwayAtTheEnd:
    """A store that is away once while the video is written, and once while older checkpoints are removed."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self.failed: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def put(self, key: str, data: bytes, *, if_absent: bool = False) -> Any:
        self._fail_once(key, VIDEO)
        return self._store.put(key, data, if_absent=if_absent)

    def list(self, prefix: str = "") -> Any:
        if self._store.exists("models/generator/parts/1/model.json"):
            self._fail_once(prefix, "checkpoints/")
        return self._store.list(prefix)

    def _fail_once(self, key: str, ending: str) -> None:
        if key.endswith(ending) and ending not in self.failed:
            self.failed.append(ending)
            raise Unavailable("no answer")


def test_a_store_that_goes_away_at_the_very_end_is_waited_for(
    folder: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.generator.training.storing.FIRST_PAUSE_S", 0.0)
    away: Any = AwayAtTheEnd(folder)
    settings = pb.TrainingSettings(**SHAPE, batch=4, kimg=0.016, snapshot_kimg=0.008, measured_images=0)
    request = pb.TrainGeneratorRequest(
        name="parts", manifest_uri=write_images(folder, "x", [("good", "train")] * 4), label="good", settings=settings
    )
    generator = train_generator(
        request, AgreeingContext(LoggedContext(away, "it"), ALONE, torch.device("cpu"))
    ).generator
    assert away.failed == [VIDEO, "checkpoints/"]
    assert folder.exists(folder.key(generator.video_uri))
    cards = [x.key for x in folder.list("models/generator/parts/1/checkpoints/") if x.key.endswith(".json")]
    assert [key[-17:] for key in cards] == ["000000000016.json"]


# Two trainings on a file system of two megabytes: one has room; for the other the disk is full from the first step on,
# and somebody makes room while the last checkpoint waits.
FULL_DISK = """
import json, sys
from pathlib import Path
import torch
from defectory.storage import open_store
from services.generator.tensors import dump
from services.generator.training import loop, settings, storing
from services.generator.training.trainer import Trainer

def make():
    images = torch.randint(0, 256, (5, 3, 16, 16), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    small = {"channel_base": 256, "channel_max": 8, "z_dim": 8, "w_dim": 8, "batch": 4, "kimg": 0.064}
    return Trainer(images, settings.resolve({**small, "snapshot_kimg": 0.032}, size_px=16, channels=3), seed=5)

def ignore(images_seen, values, sample_key):
    pass

disk, prefix = Path(sys.argv[1]), "models/generator/m/1/"
store = open_store(f"file://{disk}/store")
ballast, warnings = disk / "ballast", []

def fill():
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1 << 10))
        except OSError as error:
            return error.errno

class Log:
    def warning(self, event, **fields):
        warnings.append(fields["what"])
        if fields["what"] == "the last checkpoint":
            ballast.unlink()

free = loop.train(make, store, "models/generator/free/1/", {}, ignore).trainer
for info in list(store.list("models/")):
    store.delete(info.key)
code = fill()
storing.log = Log()
full = loop.train(make, store, prefix, {}, ignore).trainer
keys = [info.key for info in store.list(prefix + "checkpoints/")]
print(json.dumps([code, warnings, keys, dump(free.state()[0])[1] == dump(full.state()[0])[1]]))
"""


def test_a_disk_that_is_really_full_stops_nothing_and_loses_nothing(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = f"mount -t tmpfs -o size=2m none {disk}"
    if subprocess.run(["unshare", "-rm", "sh", "-c", mount], capture_output=True).returncode:
        pytest.skip("no file system of its own can be mounted here")
    command = ["unshare", "-rm", "sh", "-c", f'{mount} && exec "$0" -c "$1" {disk}', sys.executable, FULL_DISK]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_WAIT_POLICY": "PASSIVE"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=PATIENT_S)
    assert done.returncode == 0, done.stderr
    code, warnings, keys, same = json.loads(done.stdout.splitlines()[-1])
    assert code == 28  # ENOSPC
    assert warnings[0] == "checkpoint"  # of the snapshot in the middle
    assert "the last checkpoint" in warnings
    assert any(key.endswith("000000000064.json") for key in keys)
    assert same
