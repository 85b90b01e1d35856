"""Finding generators over a real channel: lists by page, broken ones, ones that are not there, imports."""

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from defectory.api.generator.v1 import generator_pb2 as pb
from defectory.api.generator.v1 import generator_pb2_grpc
from defectory.errors import (
    Corrupted,
    DefectoryError,
    InvalidInput,
    NotFound,
    Refused,
)
from defectory.serving.operations.client import wait_for
from defectory.serving.operations.context import StoredJobContext
from defectory.storage import ObjectStore, open_store
from services.generator.jobs import synthesize
from tests.contract.generator.generator_requests import refusal
from tests.contract.running import ROOT, Service
from tests.patience import PATIENT_S
from tests.unit.generator.generator_samples import write_generator


def test_a_broken_model_is_told_as_lost_data_and_left_out_of_the_list(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path}/store")
    for name in ("fine", "broken"):
        write_generator(store, name)
    store.put("models/generator/broken/1/model.json", b'{"name": "broken"}')
    weights = "models/generator/fine/1/weights.safetensors"
    with Service("services.generator", store.url) as running:
        stub = generator_pb2_grpc.GeneratorServiceStub(running.channel)
        assert type(refusal(stub.GetGenerator, pb.GetGeneratorRequest(model="broken"))) is Corrupted
        listed = stub.ListGenerators(pb.ListGeneratorsRequest(), timeout=PATIENT_S).generators
        assert [x.name for x in listed] == ["fine"]
        store.put(weights, store.get(weights)[:-4])
        assert type(refusal(stub.Preview, pb.PreviewRequest(model="fine", seeds=[1]))) is Corrupted


def test_generators_are_listed_by_page(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path}/store")
    for name, version in (("b", "1"), ("a", "2"), ("a", "10"), ("a", "1"), ("c", "1")):
        write_generator(store, name, version)
    expected = ["a/10", "a/2", "a/1", "b/1", "c/1"]
    with Service("services.generator", store.url) as running:
        stub = generator_pb2_grpc.GeneratorServiceStub(running.channel)
        for size in (0, 1, 2, 5):
            listed, token = [], ""
            while True:
                page = stub.ListGenerators(
                    pb.ListGeneratorsRequest(page_size=size, page_token=token), timeout=PATIENT_S
                )
                listed += [f"{x.name}/{x.version}" for x in page.generators]
                assert size == 0 or len(page.generators) <= size
                token = page.next_page_token
                if not token:
                    break
            assert listed == expected
        for bad in ({"page_token": "%%%"}, {"page_token": "YWJj"}, {"page_size": -1}, {"page_size": 1001}):
            error = refusal(stub.ListGenerators, pb.ListGeneratorsRequest(**bad))
            assert type(error) is InvalidInput
            assert next(iter(bad)) in error.fields


@pytest.mark.parametrize("model", ["nobody", "tiny/9"])
def test_a_generator_that_is_not_there_is_not_found(stub: Any, model: str) -> None:
    assert type(refusal(stub.GetGenerator, pb.GetGeneratorRequest(model=model))) is NotFound


def test_a_generator_needs_a_name(stub: Any) -> None:
    assert type(refusal(stub.GetGenerator, pb.GetGeneratorRequest(model=""))) is InvalidInput


def test_a_pickle_that_is_none_fails_the_import_with_the_reason(
    service: Service, stub: Any, store: ObjectStore
) -> None:
    store.put("imports/evil.pkl", pickle.dumps({"G_ema": print}))
    uri = store.uri("imports/evil.pkl")
    started = stub.ImportGenerator(pb.ImportGeneratorRequest(request_id="evil", pickle_uri=uri, name="evil", label="x"))
    with pytest.raises(InvalidInput, match=r"wants builtins\.print"):
        wait_for(service.channel, started, timeout_s=PATIENT_S)


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [({"name": "No Name"}, InvalidInput), ({"label": ""}, InvalidInput), ({"pickle_uri": ""}, InvalidInput),
     ({"pickle_uri": "file:///etc/passwd"}, Refused), ({"pickle_uri": "imports/none.pkl"}, DefectoryError)],
)  # fmt: skip
def test_imports_that_cannot_be_are_refused(stub: Any, store: ObjectStore, wrong: dict[str, str], kind: type) -> None:
    given = {"request_id": "y", "pickle_uri": store.uri("imports/none.pkl"), "name": "n", "label": "l", **wrong}
    assert isinstance(refusal(stub.ImportGenerator, pb.ImportGeneratorRequest(**given)), kind)


def test_a_service_that_is_to_have_a_gpu_does_not_start_without_one(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "services.generator", "--store", f"file://{tmp_path}/store", "--port", "0"]
    ended = subprocess.run(
        [*command, "--metrics-port", "0", "--device", "cuda"], cwd=ROOT, capture_output=True, text=True, check=False,
        timeout=PATIENT_S, env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
    )  # fmt: skip
    assert (ended.returncode, ended.stdout) == (3, "")
    assert ended.stderr.splitlines()[-1].startswith("generator: device is cuda, but torch finds no GPU here")


def test_nor_do_its_jobs_go_on_without_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    store = open_store(f"file://{tmp_path}/store")
    write_generator(store, "fine")
    job = StoredJobContext(store, "generator", "one", {"device": "cuda"})
    request = pb.SynthesizeRequest(request_id="one", model="fine", dataset="d", count=1)
    with pytest.raises(InvalidInput, match="device is cuda"):
        synthesize(request, job)
    assert not store.exists("datasets/d/manifest.jsonl")
