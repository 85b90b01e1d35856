"""Heatmaps of a call: as many as fit, in time."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
import numpy as np
import pytest

from bench.bundle import put_classifier
from defectory.api.classifier.v1 import classifier_pb2
from defectory.api.explainer.v1 import explainer_pb2, explainer_pb2_grpc
from defectory.errors import Cancelled, Exhausted, Expired, InvalidInput, Unavailable
from defectory.storage import open_store
from services.classifier.servicer import Answers
from services.classifier.serving.answering import Answer, Source
from services.classifier.serving.batching import Lane
from services.classifier.serving.decided import Decided
from services.classifier.serving.drift import Watch
from services.classifier.serving.explainer_client import explainer_at
from services.classifier.serving.heatmaps import MAX_HEATMAPS, Heatmaps
from services.classifier.serving.registry import Served
from tests.patience import PATIENT_S

IMAGES = [Source(f"images[{number}]", bytes([number]), "") for number in range(4)]
LABELS = ["a", "b", "c", "d"]


class Caller:
    """Has so many seconds, of which every look takes one."""

    def __init__(self, seconds: float | None = None) -> None:
        self._seconds = seconds
        self._lock, self._gone = threading.Lock(), False
        self._callbacks: list[Callable[[], None]] = []

    def remaining_s(self) -> float | None:
        if self._seconds is not None:
            self._seconds -= 1
        return self._seconds

    def on_end(self, callback: Callable[[], None]) -> bool:
        with self._lock:
            if not self._gone:
                self._callbacks.append(callback)
            return not self._gone

    def go(self) -> None:
        with self._lock:
            self._gone = True
        for callback in self._callbacks:
            callback()


def test_every_image_has_the_heatmap_of_its_label() -> None:
    def explain(model: str, image: Source, label: str, caller: Caller) -> bytes:
        return b"%b %b %b" % (model.encode(), image.content, label.encode())

    heatmaps = Heatmaps(explain, 1000).of("parts/1", IMAGES, LABELS, Caller())
    assert heatmaps == [b"parts/1 \0 a", b"parts/1 \1 b", b"parts/1 \2 c", b"parts/1 \3 d"]


def test_heatmaps_too_large_for_an_answer_are_not_all_asked_for() -> None:
    asked: list[str] = []

    def explain(model: str, image: Source, label: str, caller: Caller) -> bytes:
        asked.append(label)
        return bytes(100)

    heatmaps = Heatmaps(explain, 250)
    with pytest.raises(Exhausted, match="first 3 of 4 images"):
        heatmaps.of("parts/1", IMAGES, LABELS, Caller())
    assert asked == ["a", "b", "c"]
    assert len(heatmaps.of("parts/1", IMAGES[:2], LABELS[:2], Caller())) == 2  # nothing of the failed call is left


def test_no_heatmap_is_asked_for_after_the_deadline() -> None:
    asked: list[str] = []

    def explain(model: str, image: Source, label: str, caller: Caller) -> bytes:
        asked.append(label)
        return b"x"

    with pytest.raises(Expired):
        Heatmaps(explain, 1000).of("parts/1", IMAGES, LABELS, Caller(3))
    assert asked == ["a", "b"]


def test_a_call_asks_for_a_few_heatmaps_only() -> None:
    Heatmaps.check_count(MAX_HEATMAPS)
    with pytest.raises(InvalidInput) as caught:
        Heatmaps.check_count(MAX_HEATMAPS + 1)
    assert list(caught.value.fields) == ["heatmap"]


class SlowExplainer(explainer_pb2_grpc.ExplainerServiceServicer):
    """Answers nobody; says when it is asked, and when who asked has gone."""

    def __init__(self) -> None:
        self.asked, self.left = threading.Event(), threading.Event()

    def Explain(self, request: object, context: grpc.ServicerContext) -> None:  # noqa: N802
        context.add_callback(self.left.set)
        self.asked.set()
        assert self.left.wait(PATIENT_S)
        context.abort(grpc.StatusCode.CANCELLED, "it has gone")


class ExplainerThatNotes(explainer_pb2_grpc.ExplainerServiceServicer):
    """Answers with the label, and keeps what it was asked."""

    def __init__(self) -> None:
        self.requests: list[explainer_pb2.ExplainRequest] = []

    def Explain(  # noqa: N802
        self, request: explainer_pb2.ExplainRequest, context: grpc.ServicerContext
    ) -> explainer_pb2.ExplainResponse:
        self.requests.append(request)
        return explainer_pb2.ExplainResponse(heatmap=request.label.encode())


@contextmanager
def served(servicer: explainer_pb2_grpc.ExplainerServiceServicer) -> Iterator[str]:
    """The address that it answers at."""
    with ThreadPoolExecutor(1) as threads:
        server = grpc.server(threads)
        explainer_pb2_grpc.add_ExplainerServiceServicer_to_server(servicer, server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        yield f"127.0.0.1:{port}"
        server.stop(0).wait()


@pytest.fixture
def slow() -> Iterator[tuple[SlowExplainer, str]]:
    servicer = SlowExplainer()
    with served(servicer) as address:
        yield servicer, address


def test_the_explainer_is_asked_with_the_bytes_or_the_uri_as_the_caller_gave_them() -> None:
    servicer = ExplainerThatNotes()
    with served(servicer) as address:
        explain = explainer_at(address)
        assert explain("parts/1", Source("images[0]", b"png"), "crack", Caller()) == b"crack"
        explain("parts/1", Source("images[1]", uri="s3://b/x.png"), "good", Caller())
    by_bytes, by_uri = servicer.requests
    assert (by_bytes.model, by_bytes.label, by_bytes.image.content) == ("parts/1", "crack", b"png")
    assert (by_uri.image.WhichOneof("source"), by_uri.image.uri) == ("uri", "s3://b/x.png")


def test_the_heatmap_of_a_caller_who_has_gone_is_given_up(slow: tuple[SlowExplainer, str]) -> None:
    servicer, address = slow
    caller = Caller()
    goes = threading.Thread(target=lambda: servicer.asked.wait(30) and caller.go())
    goes.start()
    with pytest.raises(Cancelled):
        explainer_at(address)("parts/1", IMAGES[0], "a", caller)
    assert servicer.left.wait(PATIENT_S)
    goes.join()


def test_without_a_deadline_no_heatmap_is_waited_for_for_ever(
    slow: tuple[SlowExplainer, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.classifier.serving.explainer_client.LONGEST_S", 0.3)
    with pytest.raises(Unavailable):
        explainer_at(slow[1])("parts/1", IMAGES[0], "a", Caller())


def test_what_is_explained_is_the_decision() -> None:
    """A part that is rejected at the operating point, though "good" is more probable."""
    store = open_store("memory://")
    card = put_classifier(store, "parts")
    decided = [Decided(np.array([0.4, 0.6]), 0, True)]

    class Answering:
        def images(self, *asked: object) -> Answer:
            return Answer(Served(card, Lane(None, list, "parts", "1"), Watch(card)), decided)

    class Context:
        def is_active(self) -> bool:
            return True

        def time_remaining(self) -> None:
            return None

    heatmaps = Heatmaps(lambda model, image, label, caller: label.encode(), 1000)
    request = classifier_pb2.ClassifyRequest(
        model="parts", images=[classifier_pb2.ImageSource(content=b"\0")], heatmap=True
    )
    (classification,) = Answers(Answering(), heatmaps).classify(request, Context()).classifications
    assert (classification.label, classification.decision, classification.heatmap) == ("good", "defect", b"defect")
