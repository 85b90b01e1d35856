"""The registry over a store in memory: who answers, what is loaded, what is let go."""

import gc
import json
import threading
import time
import traceback
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog

from bench.bundle import put_classifier
from defectory.errors import Corrupted, Exhausted, Expired, InvalidInput, NotFound, Refused, Unavailable
from defectory.models import set_label
from defectory.storage import ObjectStore, open_store
from services.classifier.serving.loading import Loader
from services.classifier.serving.registry import KEPT, ModelRegistry, Served
from tests.patience import PATIENT_S
from tests.unit.classifier.held_loading import HeldLoader, served_by_nothing


@pytest.fixture
def store() -> ObjectStore:
    """With parts/1: its card, which is all that the loader of these tests reads."""
    store = open_store("memory://")
    put_classifier(store, "parts", "1")
    return store


def put(store: ObjectStore, name: str, version: str, **changes: object) -> None:
    card = json.loads(store.get("models/classifier/parts/1/model.json"))
    content = json.dumps({**card, "name": name, "version": version, **changes}).encode()
    store.put(f"models/classifier/{name}/{version}/model.json", content)


def registry(store: ObjectStore, poll_s: float = 60, **wanted: str) -> tuple[ModelRegistry, list[str]]:
    """A registry that nobody polls, and the list of what it loads."""
    loaded: list[str] = []

    def load(model: str) -> Served:
        loaded.append(model)
        return served_by_nothing(store, model)

    return ModelRegistry(store, load, wanted, poll_s), loaded


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENT_S
    while not true():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.01)


def version(of: ModelRegistry, name: str = "parts", asked: str = "") -> str:
    return of.get(name, asked).card.version


def test_the_newest_version_answers_and_a_new_one_takes_over(store: ObjectStore) -> None:
    served, loaded = registry(store)
    served.refresh()
    assert version(served) == "1"
    put(store, "parts", "2")
    assert version(served) == "1"
    served.refresh()
    assert version(served) == "2"
    served.refresh()
    assert loaded == ["parts/1", "parts/2"]


def test_a_version_that_was_replaced_is_let_go_when_its_last_call_ends(store: ObjectStore) -> None:
    served, _ = registry(store)
    served.refresh()
    call = served.get("parts")
    engine = weakref.ref(call.lane.engine)
    put(store, "parts", "2")
    served.refresh()
    gc.collect()
    assert engine() is not None
    del call
    gc.collect()
    assert engine() is None


def test_a_broken_version_is_tried_once_and_what_works_goes_on(store: ObjectStore) -> None:
    served, loaded = registry(store)
    put(store, "parts", "2", surprise=True)
    for _ in range(3):
        served.refresh()
    assert version(served) == "1"
    assert loaded == ["parts/2", "parts/1"]
    with pytest.raises(Corrupted, match="surprise"):
        served.get("parts", "2")
    put(store, "parts", "2")
    served.refresh()
    assert version(served) == "2"


def test_calls_to_a_broken_model_leave_nothing_behind(store: ObjectStore) -> None:
    served, _ = registry(store)
    put(store, "parts", "2", surprise=True)
    put(store, "bad", "1", surprise=True)
    served.refresh()

    def call(name: str, asked: str) -> Exception:
        with pytest.raises(Corrupted, match="surprise") as caught:
            served.get(name, asked)
        return caught.value

    for name, asked in (("bad", ""), ("bad", "1"), ("parts", "2")):
        depths = [sum(1 for _ in traceback.walk_tb(call(name, asked).__traceback__)) for _ in range(5)]
        assert depths == depths[:1] * 5


def test_weights_that_come_after_their_card_are_looked_at_again(store: ObjectStore) -> None:
    key = "models/classifier/parts/1/cycle-0.safetensors"
    weights = store.get(key)
    store.delete(key)
    served = ModelRegistry(store, Loader(store, "onnxruntime", 1), {}, 60)
    served.refresh()
    for asked in ("", "1"):
        with pytest.raises(Corrupted, match="are not in the store"):
            served.get("parts", asked)
    store.put(key, weights)
    assert version(served, asked="1") == "1"
    served.refresh()
    assert version(served) == "1"


def test_who_asks_for_what_is_known_to_be_broken_waits_for_nobody(store: ObjectStore) -> None:
    put(store, "bad", "1", surprise=True)
    put(store, "slow", "1")
    load = HeldLoader(store, "slow/")
    served = ModelRegistry(store, load, {}, 60)
    with pytest.raises(Corrupted):
        served.get("bad")
    other = threading.Thread(target=served.get, args=("slow",))
    other.start()
    try:
        assert load.begun.wait(PATIENT_S)
        for asked in ("", "1"):
            with pytest.raises(Corrupted):
                served.get("bad", asked, lambda: pytest.fail("it waits"))
    finally:
        load.go_on.set()
        other.join()


def test_not_all_may_wait_for_a_model(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.classifier.serving.registry.WAITING", 1)
    load = HeldLoader(store)
    served = ModelRegistry(store, load, {}, 60)
    first = threading.Thread(target=served.get, args=("parts",))
    first.start()
    try:
        assert load.begun.wait(PATIENT_S)
        for asked in ("", "1"):
            with pytest.raises(Exhausted, match="calls wait") as caught:
                served.get("parts", asked)
            assert caught.value.retry_after_s
    finally:
        load.go_on.set()
        first.join()


def test_what_is_to_be_served_and_is_not_there_is_told_once(store: ObjectStore) -> None:
    served, _ = registry(store, parts="2", typo="")
    with structlog.testing.capture_logs() as logs:
        for _ in range(2):
            served.refresh()
        put(store, "typo", "1")
        put(store, "parts", "2")
        served.refresh()
    logged = [(line["log_level"], line.get("models")) for line in logs if "to be served" in line["event"]]
    assert logged == [("error", ["parts=2", "typo"]), ("info", None)]


def test_a_model_without_a_working_version_says_why_and_takes_nobody_down(store: ObjectStore) -> None:
    served, _ = registry(store)
    put(store, "bad", "1", surprise=True)
    served.refresh()
    assert version(served) == "1"
    with pytest.raises(Corrupted, match="bad/1"):
        served.get("bad")


def test_what_is_gone_from_the_store_is_still_answered_by_what_is_loaded(store: ObjectStore) -> None:
    served, _ = registry(store)
    served.refresh()
    store.delete("models/classifier/parts/1/model.json")
    served.refresh()
    assert version(served) == "1"


def test_labels_are_followed(store: ObjectStore) -> None:
    served, loaded = registry(store)
    put(store, "parts", "2")
    put(store, "parts", "3")
    set_label(store, "classifier", "parts/2", "stable")
    set_label(store, "classifier", "parts/3", "canary")
    served.refresh()
    assert (version(served), version(served, asked="canary"), version(served, asked="stable")) == ("2", "3", "2")
    assert loaded == ["parts/2", "parts/3"]
    assert served.versions("parts") == ["3", "2"]
    with pytest.raises(InvalidInput, match="latest"):
        served.get("parts", "latest")


def test_a_label_on_a_broken_version_leaves_the_one_that_answers(store: ObjectStore) -> None:
    served, _ = registry(store)
    served.refresh()
    put(store, "parts", "2", surprise=True)
    put(store, "parts", "3")
    set_label(store, "classifier", "parts/2", "stable")
    served.refresh()
    assert version(served) == "1"


def test_only_what_is_wanted_is_served_and_a_pinned_version_stays(store: ObjectStore) -> None:
    put(store, "parts", "2")
    put(store, "other", "1")
    served, loaded = registry(store, parts="1")
    served.refresh()
    assert version(served) == "1"
    assert loaded == ["parts/1"]
    with pytest.raises(NotFound, match="not served here"):
        served.get("other")


def test_a_pinned_version_is_all_that_is_loaded_of_a_model(store: ObjectStore) -> None:
    put(store, "parts", "2")
    set_label(store, "classifier", "parts/1", "stable")
    set_label(store, "classifier", "parts/2", "canary")
    for poll_s in (60, 0):
        served, loaded = registry(store, poll_s, parts="1")
        served.refresh()
        assert [version(served, asked=asked) for asked in ("", "1", "stable")] == ["1", "1", "1"]
        for asked in ("2", "canary"):
            with pytest.raises(NotFound, match="not served here"):
                served.get("parts", asked)
            assert not served.is_ready("parts", asked)
        assert loaded == ["parts/1"]


def test_who_waits_for_others_loading_waits_no_longer_than_there_is_time(store: ObjectStore) -> None:
    put(store, "slow", "1")
    load = HeldLoader(store)
    served = ModelRegistry(store, load, {}, 60)
    other = threading.Thread(target=served.get, args=("slow",))
    other.start()
    try:
        assert load.begun.wait(PATIENT_S)
        for asked in ("", "1"):
            with pytest.raises(Expired):
                served.get("parts", asked, lambda: 0.0)
        with pytest.raises(NotFound):  # a name that nobody has waits for nobody
            served.get("none", "", lambda: pytest.fail("it waits"))
    finally:
        load.go_on.set()
        other.join()


def test_versions_asked_for_are_kept_but_not_all(store: ObjectStore) -> None:
    for number in range(2, 12):
        put(store, "parts", str(number))
    served, loaded = registry(store)
    served.refresh()
    for number in range(1, 9):
        assert version(served, asked=str(number)) == str(number)
    assert len(served.versions("parts")) == KEPT + 1
    served.get("parts", "8")
    assert len(loaded) == 9


def test_without_polling_every_question_looks_into_the_store(store: ObjectStore) -> None:
    served, loaded = registry(store, poll_s=0)
    served.start()
    assert served.ready
    assert loaded == []
    assert version(served) == "1"
    put(store, "parts", "2")
    assert version(served) == "2"


def test_a_store_that_does_not_answer_breaks_no_version(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    served, _ = registry(store)
    served.refresh()
    put(store, "parts", "2")
    with monkeypatch.context() as away:

        def get(key: str) -> bytes:
            raise Unavailable("away")

        away.setattr(store, "get", get)
        with pytest.raises(Unavailable):
            served.refresh()
        assert version(served) == "1"
    served.refresh()
    assert version(served) == "2"


def test_a_model_that_cannot_be_read_keeps_no_other_from_being_served(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path}")
    put_classifier(store, "parts", "1")
    for name in ("away", "new"):
        put(store, name, "1")
    labels = tmp_path / "models" / "classifier" / "away" / "labels" / "stable"
    labels.parent.mkdir()
    labels.symlink_to("stable")
    served, _ = registry(store, poll_s=0.05)
    served.start()
    try:
        wait_until(lambda: served.ready)
        assert (version(served), version(served, "new")) == ("1", "1")
        with pytest.raises(Refused, match="links are not followed"):
            served.get("away")
        labels.unlink()
        wait_until(lambda: served.is_ready("away"))
    finally:
        served.close()


def failing(store: ObjectStore, key: str, error: Exception) -> Callable[[str], bytes]:
    """In place of the store's `get`: fails for keys that end so."""
    get = store.get

    def fail(asked: str) -> bytes:
        if asked.endswith(key):
            raise error
        return get(asked)

    return fail


def test_a_version_that_is_closed_to_us_is_tried_at_every_look(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, "parts", "2")
    served, _ = registry(store)
    with monkeypatch.context() as closed:
        closed.setattr(store, "get", failing(store, "models/classifier/parts/2/model.json", Refused("closed")))
        served.refresh()
        assert version(served) == "1"
        with pytest.raises(Refused):
            served.get("parts", "2")
    served.refresh()
    assert version(served) == "2"


def test_labels_that_are_closed_to_us_are_as_they_were(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    put(store, "parts", "2")
    set_label(store, "classifier", "parts/1", "stable")
    served, _ = registry(store)
    refuse = failing(store, "labels/stable", Refused("closed"))
    with monkeypatch.context() as closed:
        closed.setattr(store, "get", refuse)
        served.refresh()
        with pytest.raises(Refused):  # not the newest, which nobody may have let out yet
            served.get("parts")
    served.refresh()
    monkeypatch.setattr(store, "get", refuse)
    served.refresh()
    assert version(served) == "1"


def test_a_canary_that_cannot_be_read_leaves_the_default_alone(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, "parts", "2")
    set_label(store, "classifier", "parts/1", "stable")
    set_label(store, "classifier", "parts/2", "canary")
    served, _ = registry(store)
    with monkeypatch.context() as away:
        away.setattr(store, "get", failing(store, "models/classifier/parts/2/model.json", Unavailable("away")))
        served.refresh()
        assert version(served) == "1"
        with pytest.raises(Unavailable):
            served.get("parts", "canary")
    served.refresh()
    assert served.is_ready("parts", "canary")


def test_unknown_names_and_versions(store: ObjectStore) -> None:
    served, _ = registry(store)
    for name, asked, error in (
        ("none", "", NotFound), ("none", "1", NotFound), ("parts", "9", NotFound), ("parts", "canary", NotFound),
        ("Parts", "", InvalidInput), ("parts", "../1", InvalidInput),
    ):  # fmt: skip
        with pytest.raises(error):
            served.get(name, asked)
