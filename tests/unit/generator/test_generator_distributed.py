"""Several processes and parts of a batch learn what one process learns from the whole."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from google.protobuf import json_format

from defectory.api.generator.v1 import generator_pb2 as pb
from defectory.serving.operations.context import Interrupted
from defectory.storage import ObjectStore, open_store
from services.generator import bundle
from services.generator.jobs import train_generator
from services.generator.together import AgreeingContext, LoggedContext
from services.generator.training.checkpoints import newest_tensors, read_checkpoint_card
from services.generator.training.distributed import ALONE, World
from services.generator.training.read_only import ReadOnly
from services.generator.training.settings import resolve
from tests.patience import PATIENT_S
from tests.unit.generator.generator_samples import SHAPE, small_settings, write_images
from tests.unit.generator.test_generator_training import make

ROOT = Path(__file__).parents[3]
PREFIX = "models/generator/kinds/1/"


def request(store: ObjectStore) -> pb.TrainGeneratorRequest:
    """Five steps of a model of two labels, with all augmentations."""
    manifest = write_images(store, "parts", [("bent", "train"), ("cut", "train")] * 3)
    settings = pb.TrainingSettings(
        **SHAPE,
        batch=8,
        kimg=0.04,
        augment_mode="fixed",
        augment_p=0.5,
        augment_preset="bgcfnc",
        lecam_weight=0.1,
        device="cpu",
        measured_images=0,
    )
    return pb.TrainGeneratorRequest(
        request_id="together", name="kinds", manifest_uri=manifest, labels=["bent", "cut"], settings=settings, seed=3
    )


def launched(store: ObjectStore, wanted: pb.TrainGeneratorRequest, folder: Path) -> subprocess.Popen[str]:
    """Two processes that train together; what they say is on standard error."""
    file = folder / "request.json"
    file.write_text(json_format.MessageToJson(wanted))
    command = [sys.executable, "-m", "services.generator.torchrun", "--processes", "2"]
    command += ["--store", store.url, "--request", str(file)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, cwd=ROOT, env=environment, text=True, stderr=subprocess.PIPE)


def says(process: subprocess.Popen[str], event: str) -> None:
    """Wait until a line of its log tells of an event."""
    assert process.stderr is not None
    assert any(f'"event": "{event}"' in line for line in process.stderr)


def outcome(store: ObjectStore) -> tuple[dict[str, torch.Tensor], dict[str, Any], dict[str, torch.Tensor]]:
    """Tensors and scalars of the last checkpoint, and the weights of the model."""
    (key,) = [i.key.removesuffix(".json") for i in store.list(f"{PREFIX}checkpoints/") if i.key.endswith(".json")]
    tensors = newest_tensors(store, PREFIX)
    assert tensors is not None
    scalars = read_checkpoint_card(store, key)["scalars"]
    del scalars["computed_by"]  # each process of two has fewer threads
    return tensors, scalars, bundle.load(store, "kinds/1")[0].state_dict()


def test_two_processes_give_the_gradients_of_one(tmp_path: Path) -> None:
    stores = [open_store(f"file://{tmp_path}/{name}") for name in ("one", "two")]
    wanted = [request(store) for store in stores]
    train_generator(wanted[0], AgreeingContext(LoggedContext(stores[0], "together"), ALONE, torch.device("cpu")))
    process = launched(stores[1], wanted[1], tmp_path)
    process.communicate(timeout=PATIENT_S)
    assert process.returncode == 0
    (one, scalars, weights), (two, scalars_of_two, weights_of_two) = (outcome(store) for store in stores)
    assert scalars_of_two == scalars  # p and its statistics, counters
    assert scalars["augment"]["r_t"] != 0
    for name, value in one.items():  # of what the optimisers keep the root is as large as gradients are
        sides = [side.sqrt() if "exp_avg_sq" in name else side for side in (two[name], value)]
        torch.testing.assert_close(*sides, rtol=1e-2, atol=2e-3, msg=name)
    for name, value in weights.items():
        torch.testing.assert_close(weights_of_two[name], value, rtol=1e-2, atol=2e-3, msg=name)


def checkpoints(store: ObjectStore) -> list[int]:
    """Images seen at each."""
    return [int(info.key[-17:-5]) for info in store.list(f"{PREFIX}checkpoints/") if info.key.endswith(".json")]


def long_request(store: ObjectStore) -> pb.TrainGeneratorRequest:
    """So long that it can be stopped before its first snapshot, which is its last."""
    wanted = request(store)
    wanted.settings.MergeFrom(pb.TrainingSettings(kimg=0.4, snapshot_kimg=0.4, measured_images=0))
    return wanted


@pytest.mark.slow
def test_sigterm_ends_the_launcher_with_75_behind_a_checkpoint_and_the_same_command_goes_on(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path}/store")
    wanted = long_request(store)
    evicted = launched(store, wanted, tmp_path)
    says(evicted, "training")
    evicted.terminate()
    _, said = evicted.communicate(timeout=PATIENT_S)
    assert (evicted.returncode, "Traceback" in said) == (75, False)
    (seen,) = checkpoints(store)
    assert 0 < seen < 400

    again = launched(store, wanted, tmp_path)
    says(again, "resumed")
    again.communicate(timeout=PATIENT_S)
    assert again.returncode == 0
    assert bundle.read_card(store, "kinds/1").kimg == 0.4


@pytest.mark.slow
def test_sigterm_is_heard_while_all_wait_for_the_store_at_the_end(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path}/store")
    process = launched(store, long_request(store), tmp_path)
    says(process, "training")
    folder = tmp_path / "store" / PREFIX / "checkpoints"
    folder.symlink_to(folder)  # leads nowhere: a store that is away
    says(process, "waiting for the store")
    process.terminate()
    process.communicate(timeout=PATIENT_S)
    assert process.returncode == 75


@pytest.mark.parametrize(("fault", "code"), [({"labels": ["bent", "none"]}, 3), ({"initial_model": "missing"}, 4)])
def test_the_launcher_ends_with_the_code_of_the_error(tmp_path: Path, fault: dict[str, Any], code: int) -> None:
    store = open_store(f"file://{tmp_path}/store")
    wanted = request(store)
    wanted.ClearField("labels")
    wanted.MergeFrom(pb.TrainGeneratorRequest(**{"labels": ["bent", "cut"], **fault}))
    process = launched(store, wanted, tmp_path)
    _, said = process.communicate(timeout=100)
    assert process.returncode == code, said


def test_a_stop_of_one_process_stops_the_training(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path}/store")
    own = LoggedContext(store, "together")
    job = AgreeingContext(own, ALONE, torch.device("cpu"))
    job.report("training", 0, 1, "kimg")
    own.stop = True
    with pytest.raises(Interrupted):
        job.report("training", 0, 1, "kimg")


def test_what_is_read_only_is_read(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path}/store")
    store.put("a/b", b"1")
    view = ReadOnly(store)
    view.put("a/b", b"2")
    view.put("a/c", b"2")
    view.delete("a/b")
    assert (view.get("a/b"), [info.key for info in view.list("a/")]) == (b"1", ["a/b"])


@pytest.mark.parametrize(("batch", "micro_batch"), [(8, 4), (8, 8), (6, 2)])
def test_parts_of_a_batch_give_its_gradients(batch: int, micro_batch: int) -> None:
    given = {"batch": batch, "deviation_group": 2, "classes": 2, "augment_preset": "bgcfnc", "lecam_weight": 0.5}
    whole, parts = make(**given), make(**given, micro_batch=micro_batch)
    for one in (whole, parts):
        one.control.p = 0.5
        one.anchors = torch.tensor([0.7, -0.4])
        one._g_optimiser = one._d_optimiser = Still()  # type: ignore[assignment]
    for phase in (
        lambda one: one.generator_step(rng()),
        lambda one: one.discriminator_step(*real(one)),
        lambda one: one.r1_step(*real(one)),
    ):
        gradients = []
        for one in (whole, parts):
            for network in (one.generator, one.discriminator):
                network.zero_grad()
            value = phase(one)
            gradients.append([value, *(p.grad for n in (one.generator, one.discriminator) for p in n.parameters())])
        for ours, theirs in zip(*gradients, strict=True):
            assert (ours is None) == (theirs is None)
            if ours is not None:
                torch.testing.assert_close(theirs, ours, rtol=1e-4, atol=1e-5)
    assert not torch.equal(whole.anchors, torch.tensor([0.7, -0.4]))
    torch.testing.assert_close(parts.anchors, whole.anchors, rtol=1e-5, atol=1e-6)


def test_the_path_length_of_parts_is_that_of_the_batch_within_its_own_mean() -> None:
    whole, parts = make(batch=8), make(batch=8, micro_batch=2)
    lengths = [float(one.path_length_step(rng())) for one in (whole, parts)]
    assert lengths[1] == pytest.approx(lengths[0], rel=1e-5)
    assert float(parts.path_mean) == pytest.approx(float(whole.path_mean), rel=1e-5)


class Still:
    """An optimiser that moves nothing, so that gradients of the same weights are compared."""

    def zero_grad(self) -> None:
        """Gradients are cleared by the test."""

    def step(self) -> None:
        """Stay."""


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(1)


def real(one: Any) -> tuple[torch.Tensor, torch.Generator, torch.Tensor]:
    shown = one._real.batch(0, one.settings.batch)
    return shown.images(one.device), rng(), shown.classes


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("micro_batch", [0, 2, 3, 8])
@pytest.mark.parametrize("count", [3, 8, 13])
def test_every_row_is_computed_by_exactly_one_process(size: int, micro_batch: int, count: int) -> None:
    rows, shares = [], 0.0
    for rank in range(size):
        parts = list(World(rank, size).parts(count, micro_batch))
        assert parts  # every process has something to do, or the others would wait for it
        for part, share in parts:
            mine = list(range(count))[part]
            assert len(mine) <= (micro_batch or count)
            assert share == len(mine) / count
            rows += mine
            shares += share
    assert sorted(rows) == list(range(count))
    assert shares == pytest.approx(1)


def test_alone_the_batch_is_one_part() -> None:
    assert list(ALONE.parts(8, 0)) == [(slice(0, None, 1), 1.0)]


def test_a_batch_that_is_too_small_for_the_processes_is_refused() -> None:
    with pytest.raises(Exception, match="at least 8 for 4 processes"):
        make(batch=6, world=World(0, 4))


def test_a_micro_batch_of_one_is_refused_by_name() -> None:
    with pytest.raises(Exception, match="micro_batch"):
        resolve({"micro_batch": 1}, size_px=16, channels=3)
    assert small_settings(micro_batch=2).micro_batch == 2
