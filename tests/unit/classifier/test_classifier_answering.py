"""Reading a call's images from the store: as long as somebody waits for them."""

import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from prometheus_client import Histogram
from prometheus_client.samples import Sample

from bench.bundle import put_classifier
from defectory.errors import Cancelled, Exhausted, Expired, InvalidInput
from defectory.imaging import Opened, encode_png
from defectory.serving.admission import Admission
from defectory.storage import ObjectStore, open_store
from services.classifier.cards import read_card
from services.classifier.serving.answering import FETCHERS, Answer, Answering, Source
from services.classifier.serving.batching import Batcher, Lane
from services.classifier.serving.decided import by
from services.classifier.serving.drift import Watch
from services.classifier.serving.metrics import BRIGHTNESS, CONFIDENCE
from services.classifier.serving.registry import ModelRegistry, Served
from tests.patience import PATIENT_S
from tests.unit.classifier.held_loading import HeldLoader, NoEngine

SOURCES = [Source(f"images[{number}]", uri=f"memory://store/shots/{number}.png") for number in range(3 * FETCHERS)]


class Caller:
    """Has so many seconds, and may go."""

    def __init__(self, seconds: float | None = None) -> None:
        self._ends = None if seconds is None else time.monotonic() + seconds
        self.go: Callable[[], None] = lambda: None
        self.waits = threading.Event()

    def remaining_s(self) -> float | None:
        return None if self._ends is None else self._ends - time.monotonic()

    def on_end(self, callback: Callable[[], None]) -> bool:
        self.go = callback
        self.waits.set()
        return True


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[ObjectStore, threading.Event, list[str]]]:
    """A store whose shots come only after the event, and the list of those that were read."""
    store, go_on, read = open_store("memory://"), threading.Event(), list[str]()
    put_classifier(store, "parts")
    for source in SOURCES:
        store.put(store.key(source.uri), b"x")
    get = store.get

    def wait(key: str) -> bytes:
        if key.startswith("shots/"):
            read.append(key)
            assert go_on.wait(PATIENT_S)
        return get(key)

    monkeypatch.setattr(store, "get", wait)
    yield store, go_on, read
    go_on.set()


@pytest.fixture
def answering(slow: tuple[ObjectStore, threading.Event, list[str]]) -> Iterator[Answering]:
    store, go_on, _ = slow

    def load(model: str) -> Served:
        card = read_card(store, model)
        return Served(card, Lane(NoEngine(), list, card.name, card.version), Watch(card))

    batcher = Batcher(1)
    answering = Answering(store, ModelRegistry(store, load, {}, 0), batcher, Admission(256))
    yield answering
    go_on.set()
    answering.close()
    batcher.close()


@pytest.mark.parametrize("images", [1, len(SOURCES)])
def test_after_the_deadline_no_further_object_is_read(images: int, slow, answering: Answering) -> None:
    _, go_on, read = slow
    started = time.monotonic()
    with pytest.raises(Expired):
        answering.images("parts", "", SOURCES[:images], Caller(0.3))
    assert time.monotonic() - started < PATIENT_S / 2  # the objects would come after that
    go_on.set()
    answering.close()
    assert len(set(read)) == min(images, FETCHERS)


def test_for_a_caller_who_has_gone_no_further_object_is_read(slow, answering: Answering) -> None:
    _, go_on, read = slow
    caller = Caller()
    threading.Thread(target=lambda: caller.waits.wait(30) and (caller.go(), go_on.set())).start()
    with pytest.raises(Cancelled):
        answering.images("parts", "", SOURCES, caller)
    answering.close()
    assert len(set(read)) <= FETCHERS


class EvenEngine:
    """An engine that finds both labels as probable."""

    name, batch, parallel = "even", 4, 1

    def run(self, images: np.ndarray, alone: bool) -> np.ndarray:
        return np.full((len(images), 2), 0.5, np.float32)


def test_large_images_are_decoded_a_few_at_once_and_keep_no_core_from_small_ones(
    slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, _, _ = slow
    monkeypatch.setattr("services.classifier.serving.answering.LARGE", 0.01)
    monkeypatch.setattr("services.classifier.serving.answering.LARGE_AT_ONCE", 0.05)
    begun, go_on = threading.Event(), threading.Event()

    def decode(image: Opened, *arguments: object, **fields: object) -> np.ndarray:
        if (image.width, image.height) == (200, 200):
            begun.set()
            assert go_on.wait(PATIENT_S)
        return np.zeros((32, 32, 3), np.uint8)

    monkeypatch.setattr("services.classifier.card.network_input_of", decode)

    def load(model: str) -> Served:
        card = read_card(store, model)
        return Served(card, Lane(EvenEngine(), by(card.rule), card.name, card.version), Watch(card))

    batcher = Batcher(1)
    answering = Answering(store, ModelRegistry(store, load, {}, 0), batcher, Admission(256))
    large = [Source(f"images[{i}]", encode_png(np.zeros((200, 200), np.uint8))) for i in range(3)]
    answers: list[Answer] = []
    first = threading.Thread(target=lambda: answers.append(answering.images("parts", "", large, Caller())))
    first.start()
    try:
        assert begun.wait(PATIENT_S)
        with pytest.raises(Exhausted, match="megapixels of large images") as caught:
            answering.images("parts", "", large[:1], Caller(20))
        assert caught.value.retry_after_s
        small = Source("images[0]", encode_png(np.zeros((90, 90), np.uint8)))
        assert len(answering.images("parts", "", [small], Caller(20)).decided) == 1
    finally:
        go_on.set()
        first.join()
        answering.close()
        batcher.close()
    assert len(answers[0].decided) == 3  # a call's own large images do not stand in each other's way


def test_who_waits_for_a_model_takes_no_place_of_those_who_wait_for_an_answer(slow) -> None:
    store, _, _ = slow
    put_classifier(store, "late")
    load = HeldLoader(store, "late/")
    registry = ModelRegistry(store, load, {}, 60)
    registry.get("parts")
    batcher = Batcher(1)
    answering = Answering(store, registry, batcher, Admission(1))

    def ask(name: str) -> None:
        with pytest.raises(InvalidInput, match=r"images\[0\]"):  # and not that there are too many
            answering.images(name, "", [Source("images[0]", b"no image")], Caller(30))

    late = threading.Thread(target=ask, args=("late",))
    late.start()
    try:
        assert load.begun.wait(PATIENT_S)
        ask("parts")
    finally:
        load.go_on.set()
        late.join()
        answering.close()
        batcher.close()


def test_brightness_and_doubt_of_what_is_answered_are_measured() -> None:
    store = open_store("memory://")
    put_classifier(store, "lit")
    card = read_card(store, "lit/1")
    lane = Lane(EvenEngine(), by(card.rule), "lit", "1")
    batcher = Batcher(1)
    answering = Answering(
        store, ModelRegistry(store, lambda _: Served(card, lane, Watch(card)), {}, 0), batcher, Admission(256)
    )  # fmt: skip
    grey = [Source("image", encode_png(np.full((40, 40, 3), value, np.uint8))) for value in (40, 60)]
    answering.images("lit", "", grey, Caller())
    series = {sample.name: sample.value for family in (BRIGHTNESS, CONFIDENCE) for sample in _of(family)}
    assert series["defectory_inference_brightness_count"] == 2
    assert series["defectory_inference_brightness_sum"] == pytest.approx(100, abs=0.01)
    assert series["defectory_inference_confidence_sum"] == pytest.approx(1)  # 0.5 of each
    answering.close()
    batcher.close()


def _of(family: Histogram) -> list[Sample]:
    """The samples of the model of the test above, but for buckets."""
    (metric,) = family.collect()
    return [s for s in metric.samples if s.labels.get("model") == "lit" and "le" not in s.labels]
