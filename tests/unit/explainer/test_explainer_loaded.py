"""Which models' explainers stay loaded, and who waits for those that do not."""

import threading
from collections.abc import Iterator

import pytest

from defectory.errors import Expired
from defectory.storage import ObjectStore, open_store
from services.explainer import explanation
from services.explainer.loaded import KEPT, Loaded
from tests.patience import PATIENT_S


@pytest.fixture
def store() -> ObjectStore:
    store = open_store("memory://")
    for number in range(KEPT + 1):
        store.put(f"models/classifier/m{number}/1/model.json", b"{}")
    return store


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What was loaded."""
    loaded: list[tuple[str, str]] = []

    class Explainer:
        def __init__(self, store: ObjectStore, model: str, method: str) -> None:
            loaded.append((model, method))

    monkeypatch.setattr(explanation, "Explainer", Explainer)
    return loaded


def test_models_asked_for_in_turn_are_loaded_once(store: ObjectStore, loaded: list[tuple[str, str]]) -> None:
    explainers = Loaded(store)
    first = explainers.get("m0", "grad-cam")
    for _ in range(3):
        for asked in (("m0", "grad-cam"), ("m1/1", "grad-cam"), ("m0", "hires-cam")):
            explainers.get(*asked)
    assert explainers.get("m0/1", "grad-cam") is first
    assert loaded == [("m0/1", "grad-cam"), ("m1/1", "grad-cam"), ("m0/1", "hires-cam")]


def test_the_one_used_longest_ago_makes_way(store: ObjectStore, loaded: list[tuple[str, str]]) -> None:
    explainers = Loaded(store)
    names = [f"m{number}" for number in range(KEPT + 1)]
    for name in (*names[:KEPT], names[0], names[KEPT]):
        explainers.get(name, "grad-cam")
    assert len(loaded) == KEPT + 1
    explainers.get(names[0], "grad-cam")
    assert len(loaded) == KEPT + 1
    explainers.get(names[1], "grad-cam")
    assert len(loaded) == KEPT + 2


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[threading.Event, threading.Event]]:
    """(m1 is being loaded, it may go on)."""
    begun, go_on = threading.Event(), threading.Event()

    class Explainer:
        def __init__(self, store: ObjectStore, model: str, method: str) -> None:
            if model == "m1/1":
                begun.set()
                assert go_on.wait(PATIENT_S)

    monkeypatch.setattr(explanation, "Explainer", Explainer)
    yield begun, go_on
    go_on.set()


def test_nobody_waits_for_another_model_longer_than_there_is_time(
    store: ObjectStore, slow: tuple[threading.Event, threading.Event]
) -> None:
    begun, go_on = slow
    explainers = Loaded(store)
    explainers.get("m0", "grad-cam")
    other = threading.Thread(target=explainers.get, args=("m1", "grad-cam"))
    other.start()
    try:
        assert begun.wait(PATIENT_S)
        explainers.get("m0", "grad-cam", lambda: pytest.fail("it waits"))
        with pytest.raises(Expired, match="other models were loaded"):
            explainers.get("m2", "grad-cam", lambda: 0.0)
    finally:
        go_on.set()
        other.join()
