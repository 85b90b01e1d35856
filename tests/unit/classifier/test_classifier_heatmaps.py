"""Heatmaps of a call: as many as fit, in time."""

import pytest

from defectory.api.classifier.v1 import classifier_pb2
from defectory.errors import Exhausted, Expired, InvalidInput
from services.classifier.serving.heatmaps import MAX_HEATMAPS, Heatmaps

IMAGES = [classifier_pb2.ImageSource(content=bytes([number])) for number in range(4)]
LABELS = ["a", "b", "c", "d"]


class Caller:
    """Has so many seconds, of which every look takes one."""

    def __init__(self, seconds: float | None = None) -> None:
        self._seconds = seconds

    def remaining_s(self) -> float | None:
        if self._seconds is not None:
            self._seconds -= 1
        return self._seconds

    def on_end(self, callback: object) -> bool:
        raise NotImplementedError


def test_every_image_has_the_heatmap_of_its_label() -> None:
    def explain(model: str, image: classifier_pb2.ImageSource, label: str, timeout_s: float | None) -> bytes:
        return b"%b %b %b" % (model.encode(), image.content, label.encode())

    found = Heatmaps(explain, 1000).of("parts/1", IMAGES, LABELS, Caller())
    assert found == [b"parts/1 \0 a", b"parts/1 \1 b", b"parts/1 \2 c", b"parts/1 \3 d"]


def test_heatmaps_too_large_for_an_answer_are_not_all_asked_for() -> None:
    asked: list[str] = []

    def explain(model: str, image: classifier_pb2.ImageSource, label: str, timeout_s: float | None) -> bytes:
        asked.append(label)
        return bytes(100)

    heatmaps = Heatmaps(explain, 250)
    with pytest.raises(Exhausted, match="first 3 of 4 images"):
        heatmaps.of("parts/1", IMAGES, LABELS, Caller())
    assert asked == ["a", "b", "c"]
    assert len(heatmaps.of("parts/1", IMAGES[:2], LABELS[:2], Caller())) == 2  # nothing of the failed call is left


def test_no_heatmap_is_asked_for_after_the_deadline() -> None:
    timeouts: list[float | None] = []

    def explain(model: str, image: classifier_pb2.ImageSource, label: str, timeout_s: float | None) -> bytes:
        timeouts.append(timeout_s)
        return b"x"

    with pytest.raises(Expired):
        Heatmaps(explain, 1000).of("parts/1", IMAGES, LABELS, Caller(3))
    assert timeouts == [2, 1]


def test_a_call_asks_for_a_few_heatmaps_only() -> None:
    Heatmaps.check_count(MAX_HEATMAPS)
    with pytest.raises(InvalidInput) as caught:
        Heatmaps.check_count(MAX_HEATMAPS + 1)
    assert list(caught.value.fields) == ["heatmap"]
