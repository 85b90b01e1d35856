"""Versions that come, go, break and change places while callers call; deadlines and callers that go away."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest

from bench.bundle import put_classifier
from defectory.api.inference.v2 import open_inference_pb2 as pb
from defectory.api.inference.v2 import open_inference_pb2_grpc
from defectory.models import remove_label, set_label
from defectory.storage import ObjectStore, open_store
from tests.contract import pictures
from tests.contract.running import Service
from tests.contract.test_open_inference import array_request, elements, request
from tests.patience import PATIENT_S

SIZE = 32
BIG = 224
IMAGE = np.asarray(pictures.pixels(SIZE, SIZE), np.float32)[None]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ObjectStore:
    store = open_store(f"file://{tmp_path_factory.mktemp('versions')}/store")
    put_classifier(store, "parts", "1", seed=1)
    put_classifier(store, "slow", input_px=BIG, width=1.0)
    return store


@pytest.fixture(scope="module")
def service(store: ObjectStore) -> Iterator[Service]:
    with Service("services.classifier", store.url, "--poll-s", "0.2", "--engine", "openvino") as running:
        yield running


@pytest.fixture(scope="module")
def stub(service: Service) -> open_inference_pb2_grpc.GRPCInferenceServiceStub:
    stub = open_inference_pb2_grpc.GRPCInferenceServiceStub(service.channel)
    wait_until(lambda: stub.ServerReady(pb.ServerReadyRequest()).ready)
    return stub


def wait_until(true: Callable[[], bool], timeout_s: float = PATIENT_S) -> None:
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.05)


class Load:
    """Callers that call as fast as they are answered; remembers who answered and what failed."""

    def __init__(self, stub: open_inference_pb2_grpc.GRPCInferenceServiceStub, callers: int = 6) -> None:
        self.versions: list[str] = []
        self.failures: list[str] = []
        self._stub = stub
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._call) for _ in range(callers)]

    def _call(self) -> None:
        while not self._stop.is_set():
            try:
                self.versions.append(self._stub.ModelInfer(array_request(IMAGE), timeout=PATIENT_S).model_version)
            except grpc.RpcError as error:
                self.failures.append(str(error))

    def wait_for(self, version: str) -> None:
        """Until 20 answers in a row are the version's: the old one is out of use."""
        wait_until(lambda: self.versions[-20:] == [version] * 20)

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def metric(service: Service, name: str) -> float:
    """Sum of a metric over its labels."""
    return sum(value for series, value in service.metrics().items() if series.startswith(name))


def test_no_call_fails_while_versions_change(stub, service: Service, store: ObjectStore) -> None:
    with Load(stub) as load:
        load.wait_for("1")
        put_classifier(store, "parts", "2", seed=2)
        load.wait_for("2")
        # A version that cannot be read, and one whose card is none: what works goes on.
        elsewhere = open_store("memory://")
        put_classifier(elsewhere, "parts", "3", seed=3)
        card = "models/classifier/parts/3/model.json"
        store.put("models/classifier/parts/3/cycle-0.safetensors", b"damaged")
        store.put(card, elsewhere.get(card))  # last, since the server looks many times a second
        store.put("models/classifier/parts/4/model.json", b"{}")
        wait_until(lambda: metric(service, "defectory_model_load_failures_total") >= 2)
        load.wait_for("2")
        set_label(store, "classifier", "parts/1", "stable")
        load.wait_for("1")
        set_label(store, "classifier", "parts/2", "canary")
        wait_until(lambda: stub.ModelReady(pb.ModelReadyRequest(name="parts", version="canary")).ready)
        assert stub.ModelInfer(array_request(IMAGE, model_version="canary")).model_version == "2"
        store.put("models/classifier/parts/labels/stable", b"no number")
        time.sleep(0.5)
        load.wait_for("1")
        remove_label(store, "classifier", "parts", "stable")
        load.wait_for("2")
    assert load.failures == []
    with pytest.raises(grpc.RpcError) as caught:
        stub.ModelInfer(array_request(IMAGE, model_version="4"))
    assert caught.value.code() == grpc.StatusCode.DATA_LOSS
    assert "parts/4" in caught.value.details()


def test_a_model_that_cannot_be_read_keeps_no_other_from_being_served(stub, store: ObjectStore) -> None:
    labels = Path(store.url.removeprefix("file://"), "models/classifier/away/labels/stable")
    labels.parent.mkdir(parents=True)
    labels.symlink_to("stable")
    for name in ("away", "before", "zone"):  # they are looked at in this order
        put_classifier(store, name)
    for name in ("before", "zone"):
        wait_until(lambda name=name: stub.ModelReady(pb.ModelReadyRequest(name=name)).ready)
    with pytest.raises(grpc.RpcError) as caught:
        stub.ModelInfer(array_request(IMAGE, model_name="away"))
    assert caught.value.code() == grpc.StatusCode.PERMISSION_DENIED  # links are not followed
    assert "labels/stable" in caught.value.details()
    labels.unlink()
    wait_until(lambda: stub.ModelReady(pb.ModelReadyRequest(name="away")).ready)


def test_a_mended_version_is_taken_up(stub, store: ObjectStore) -> None:
    put_classifier(store, "late", "1")
    store.put("models/classifier/late/1/cycle-0.safetensors", b"damaged")
    ready = pb.ModelReadyRequest(name="late")
    with pytest.raises(grpc.RpcError):
        stub.ModelInfer(array_request(IMAGE, model_name="late"))
    assert not stub.ModelReady(ready).ready
    put_classifier(store, "late", "1", temperature=3)  # its card is another, so it is looked at again
    wait_until(lambda: stub.ModelReady(ready).ready)
    assert stub.ModelInfer(array_request(IMAGE, model_name="late")).model_version == "1"


def many(count: int = 128) -> pb.ModelInferRequest:
    """A call that keeps the cores busy for a second or so."""
    file = pictures.encoded(pictures.pixels(BIG, BIG), "BMP")
    return request("BYTES", [count], elements(*[file] * count), model_name="slow")


def test_what_expires_in_the_queue_is_not_computed(stub, service: Service) -> None:
    stub.ModelInfer(many(2))
    deadline_s, before = 0.4, metric(service, "defectory_inference_dropped_images_total")
    while metric(service, "defectory_inference_dropped_images_total") == before:
        with pytest.raises(grpc.RpcError) as caught:
            stub.ModelInfer(many(256), timeout=deadline_s)
        assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        deadline_s *= 1.3  # long enough to be decoded, too short to be computed
        time.sleep(0.5)
    wait_until(lambda: metric(service, "defectory_inference_queue_images") == 0)


def test_what_is_cancelled_in_the_queue_is_not_computed(stub, service: Service) -> None:
    before = metric(service, "defectory_inference_dropped_images_total")
    cancelled = 'defectory_grpc_calls_total{code="CANCELLED",method="/inference.GRPCInferenceService/ModelInfer"}'
    counted = service.metrics().get(cancelled, 0)
    call = stub.ModelInfer.future(many(256))
    wait_until(lambda: metric(service, "defectory_inference_queue_images") > 20)
    call.cancel()
    wait_until(lambda: metric(service, "defectory_inference_queue_images") == 0)
    assert metric(service, "defectory_inference_dropped_images_total") > before
    wait_until(lambda: service.metrics().get(cancelled, 0) == counted + 1)
