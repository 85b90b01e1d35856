"""What a call names in the store: manifests of any length, pictures that were replaced, places to write to."""

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from bench.bundle import put_classifier
from defectory.api.classifier.v1 import classifier_pb2, classifier_pb2_grpc
from defectory.api.explainer.v1 import explainer_pb2, explainer_pb2_grpc
from defectory.api.filter.v1 import filter_pb2, filter_pb2_grpc
from defectory.datasets.manifest import dump_lines, read_manifest, write_dataset
from defectory.datasets.manifest_line import ManifestLine, Origin, PictureFile
from defectory.errors import AlreadyExists, Corrupted, DefectoryError, InvalidInput
from defectory.imaging import encode_png
from defectory.serving.operations.client import wait_for
from defectory.serving.status import error_from_rpc
from defectory.storage import ObjectStore, open_store
from tests.contract.datasets import make_dataset
from tests.contract.running import Service
from tests.patience import PATIENT_S

LONG, MOST = 40_000, 50_000  # lines of a manifest; that the services take
LINES = ("--max-manifest-lines", str(MOST))
MB = 1 << 20


@dataclass(frozen=True)
class Running:
    """Three services over one store."""

    store: ObjectStore
    classifier: Service
    explainer: Service
    filter: Service

    def call(self, service: Service, name: str, /, timeout_s: float = 120, **fields: Any) -> Any:
        """A call by name, with what every such request needs."""
        module, stubs, stub = {
            self.classifier: (classifier_pb2, classifier_pb2_grpc, "ClassifierServiceStub"),
            self.explainer: (explainer_pb2, explainer_pb2_grpc, "ExplainerServiceStub"),
            self.filter: (filter_pb2, filter_pb2_grpc, "FilterServiceStub"),
        }[service]
        request = getattr(module, f"{name}Request")(**fields)
        try:
            answer = getattr(getattr(stubs, stub)(service.channel), name)(request, timeout=timeout_s)
        except grpc.RpcError as error:
            raise error_from_rpc(error) from error
        return answer

    def done(self, service: Service, name: str, /, **fields: Any) -> Any:
        """What comes of an operation."""
        return wait_for(service.channel, self.call(service, name, **fields))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    store = open_store(f"file://{tmp_path_factory.mktemp('named')}/store")
    put_classifier(store, "parts")
    with (
        Service("services.classifier", store.url, "--poll-s", "0", *LINES) as classifier,
        Service("services.explainer", store.url, *LINES) as explainer,
        Service("services.filter", store.url, "--classifier-address", classifier.address, *LINES) as filter_,
    ):
        yield Running(store, classifier, explainer, filter_)


@pytest.fixture(scope="module")
def real(running: Running) -> str:
    return make_dataset(running.store)


def lines_of(store: ObjectStore, count: int) -> bytes:
    """A manifest of so many different lines, good and defective by turns, in all splits."""
    splits = ("train", "train", "validation", "test")
    return dump_lines(
        ManifestLine(
            file=PictureFile(uri=store.uri(f"images/{i}.png"), sha256=f"{i:064x}", width=32, height=32),
            origin=Origin(source=f"photographs/{i}.png"),
            group=f"part-{i}",
            label=("good", "defect")[i // 4 % 2],
            split=splits[i % 4],
        )
        for i in range(count)
    )


@pytest.fixture(scope="module")
def long(running: Running) -> str:
    running.store.put("long.jsonl", lines_of(running.store, LONG))
    return running.store.uri("long.jsonl")


def resident(service: Service) -> int:
    """Bytes of memory that a service holds."""
    pages = Path(f"/proc/{service.process.pid}/statm").read_text().split()[1]
    return int(pages) * 4096


def seconds(service: Service, call: str) -> float:
    """Time that a service has spent in calls of a kind."""
    name = f'defectory_grpc_call_seconds_sum{{method="/defectory.api.classifier.v1.ClassifierService/{call}"}}'
    return service.metrics().get(name, 0.0)


def calls(service: Service, call: str) -> float:
    """Calls of a kind that a service has finished."""
    name = f'defectory_grpc_call_seconds_count{{method="/defectory.api.classifier.v1.ClassifierService/{call}"}}'
    return service.metrics().get(name, 0.0)


def fails(running: Running, service: Service, name: str, /, **fields: Any) -> DefectoryError:
    with pytest.raises(DefectoryError) as caught:
        running.done(service, name, **fields)
    return caught.value


def test_a_manifest_beyond_the_bound_is_refused_before_it_is_read(running: Running) -> None:
    running.store.put("longer.jsonl", lines_of(running.store, 10) * (MOST // 10) + b"{}\n")
    running.store.put("wider.jsonl", b'{"uri": "' + b"x" * (2 * MB) + b'"}\n')
    running.store.put("larger.jsonl", b"\n" * (MOST * 2048 + 2 * MB))
    requests: dict[str, dict[str, Any]] = {
        "EvaluateClassifier": {"model": "parts"}, "ScoreImages": {"model": "parts", "output_prefix": "x"},
        "TrainClassifier": {"name": "x"}, "CalibrateClassifier": {"model": "parts"},
        "ExportClassifier": {"model": "parts", "format": "onnx"},
        "ScoreAnomalies": {"splits": ["test"], "output_prefix": "x"},
    }  # fmt: skip
    for name, said, asked in (
        ("wider", "a line has at most", list(requests)), ("larger", "bytes", list(requests)),
        ("longer", str(MOST), ["EvaluateClassifier"]),  # it takes seconds to count
    ):  # fmt: skip
        uri = running.store.uri(f"{name}.jsonl")
        for call in asked:
            fields = requests[call]
            error = fails(running, running.classifier, call, request_id=f"{name}", manifest_uri=uri, **fields)
            assert isinstance(error, InvalidInput), call
            assert said in str(error)
            assert list(error.fields) == ["manifest_uri"]
    error = fails(
        running, running.filter, "FilterImages", request_id="wider", judge_model="parts", dataset="x",
        manifest_uri=running.store.uri("wider.jsonl"), real_manifest_uri=running.store.uri("wider.jsonl"),
    )  # fmt: skip
    assert isinstance(error, InvalidInput)
    assert list(error.fields) == ["manifest_uri"]


def test_a_manifest_that_is_only_checked_takes_no_memory(running: Running, long: str) -> None:
    before = resident(running.classifier)
    request = {"request_id": "checked", "model": "parts", "split": "train", "manifest_uri": long}
    with pytest.raises(InvalidInput, match="no such"):
        running.call(running.classifier, "EvaluateClassifier", **{**request, "split": "no such"})
    assert resident(running.classifier) - before < 20 * MB  # as a list it would take 90


def test_memory_of_a_manifest_that_is_held_is_given_back(running: Running, long: str) -> None:
    before = resident(running.classifier)
    settings = classifier_pb2.TrainingSettings(epochs=-1)
    for _ in range(2):
        with pytest.raises(InvalidInput, match="epochs"):
            running.call(
                running.classifier, "TrainClassifier", request_id="held", name="x", manifest_uri=long, settings=settings
            )
    deadline = time.monotonic() + PATIENT_S
    while resident(running.classifier) - before > 30 * MB:  # of 90
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_who_does_not_wait_any_more_is_not_read_for(running: Running, long: str) -> None:
    service, call = running.classifier, "EvaluateClassifier"
    fields = {"request_id": "waits", "model": "parts", "split": "no such", "manifest_uri": long}
    spent, finished = seconds(service, call), calls(service, call)
    with pytest.raises(InvalidInput, match="no such"):
        running.call(service, call, **fields)
    whole = seconds(service, call) - spent
    spent = seconds(service, call)
    deadline = time.monotonic() + PATIENT_S
    while (
        calls(service, call) < finished + 2
    ):  # on a busy machine a call may be given up before the service hears of it
        assert time.monotonic() < deadline
        with pytest.raises(DefectoryError):
            running.call(service, call, timeout_s=whole / 8, **fields)
        time.sleep(whole / 2)
    assert seconds(service, call) - spent < (calls(service, call) - finished - 1) * whole / 2


def test_a_picture_that_was_replaced_is_lost_data_and_named(running: Running) -> None:
    uri = make_dataset(running.store, "replaced", seed=3)
    lines = [line for line in read_manifest(running.store, uri) if line.split == "test"]
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    for line in lines[1:3]:
        running.store.put(running.store.key(line.file.uri), encode_png(noise))
    synthetic = [replace(line, origin=replace(line.origin, kind="synthetic"), split="none", group="") for line in lines]
    synthetic_uri = write_dataset(running.store, "replaced-made", synthetic, {})
    other = make_dataset(running.store, "untouched", seed=4)
    for service, call, fields in (
        (running.classifier, "EvaluateClassifier", {"model": "parts", "manifest_uri": uri}),
        (running.explainer, "ExplainImages", {"models": ["parts"], "manifest_uri": uri, "output_prefix": "why"}),
        (running.filter, "FilterImages",
         {"judge_model": "parts", "manifest_uri": synthetic_uri, "real_manifest_uri": other,
           "dataset": "judged-replaced"}),
    ):  # fmt: skip
        error = fails(running, service, call, request_id="replaced", **fields)
        assert isinstance(error, Corrupted), call
        assert "2 of " in str(error)
        assert [line.file.uri for line in lines if line.file.uri in str(error)] == [
            line.file.uri for line in lines[1:3]
        ], call
    for info in running.store.list("models/classifier/parts/1/evaluations/"):
        pytest.fail(f"{info.key} was written")


@pytest.mark.parametrize(
    "prefix",
    ["operations/classifier/x", "models/classifier/other/1", "models", "datasets/parts", "exports/x", "checks",
     "imports/a", "Models/x", "/operations/x/", "x" * 150 + "/" + "y" * 150 + "/" + "z" * 199 + "/" + "a" * 199],
)  # fmt: skip
def test_nothing_is_written_where_the_system_keeps_its_own(prefix: str, running: Running, real: str) -> None:
    for service, call, fields in (
        (running.classifier, "ScoreImages", {"model": "parts"}),
        (running.classifier, "ScoreAnomalies", {"splits": ["test"]}),
        (running.explainer, "ExplainImages", {"models": ["parts"]}),
    ):
        error = fails(
            running, service, call, request_id="own", manifest_uri=real, output_prefix=prefix, **fields
        )  # fmt: skip
        assert isinstance(error, InvalidInput), call
        assert list(error.fields) == ["output_prefix"]


def test_a_filter_replaces_no_dataset_that_it_did_not_make(running: Running, real: str) -> None:
    fields = {"judge_model": "parts", "manifest_uri": real, "real_manifest_uri": real}
    before = running.store.get("datasets/parts/manifest.jsonl")
    assert isinstance(
        fails(running, running.filter, "FilterImages", request_id="o", dataset="parts", **fields), AlreadyExists
    )
    card = json.loads(running.store.get("datasets/parts/dataset.json"))
    running.store.put("datasets/judged/dataset.json", json.dumps({**card, "judged": real}).encode())
    judged = running.store.uri("datasets/judged/manifest.jsonl")
    running.store.put("datasets/judged/manifest.jsonl", before)
    error = fails(
        running, running.filter, "FilterImages", request_id="o", dataset="judged", **{**fields, "manifest_uri": judged}
    )
    assert isinstance(error, InvalidInput)
    assert list(error.fields) == ["dataset"]
    assert running.store.get("datasets/parts/manifest.jsonl") == before
    assert (
        hashlib.sha256(running.store.get("datasets/judged/manifest.jsonl")).digest() == hashlib.sha256(before).digest()
    )
