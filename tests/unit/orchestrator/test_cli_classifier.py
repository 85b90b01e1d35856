"""The classifier's commands: what they ask of the services, and what they print."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message
from typer.testing import CliRunner

from defectory.api.classifier.v1 import classifier_pb2 as pb
from defectory.storage import ObjectStore, open_store
from orchestrator.cli.main import app
from tests.contract.datasets import make_dataset


class Recorded:
    """In place of a session's services: keeps what is asked, and answers."""

    def __init__(self, answer: Callable[[Any], Message]) -> None:
        self.clients = self
        self.asked: list[Any] = []
        self.steps: list[str] = []
        self._answer = answer

    def operate(self, service: str, method: str, request: Message, on_report: Callable[..., None]) -> Message:
        return self.call(service, method, request)

    def call(self, service: str, method: str, request: Message) -> Message:
        self.asked.append(request)
        return self._answer(request)

    def report(self, report: object) -> None:
        """Nothing is shown."""

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        self.steps.append(name)
        yield


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    store = open_store(f"file://{tmp_path}/store")
    make_dataset(store)
    return store


def recorded(monkeypatch: pytest.MonkeyPatch, answer: Callable[[Any], Message], module: str = "classifier") -> Recorded:
    services = Recorded(answer)

    @contextmanager
    def session(*_: str) -> Iterator[Recorded]:
        yield services

    monkeypatch.setattr(f"orchestrator.cli.{module}.session", session)
    return services


def said(store: ObjectStore, *arguments: str) -> str:
    done = CliRunner().invoke(app, [*arguments, "--store", store.url])
    assert done.exit_code == 0, (done.output, done.exception)
    return done.stdout


def trained(store: ObjectStore) -> Callable[[Any], Message]:
    error = {"ece_before": 0.1, "ece_after": 0.05}
    card = {"operating_point": None, "calibration": {"temperature": 1.0, "validation": error}}
    skipped = [(store.uri(f"images/{i}.png"), "broken") for i in range(5)]
    store.put("m/model.json", json.dumps(card).encode())
    store.put("m/metrics.json", json.dumps({"skipped": skipped}).encode())
    made = pb.Classifier(
        name="x", version="1", card_uri=store.uri("m/model.json"), metrics_uri=store.uri("m/metrics.json")
    )
    return lambda request: pb.TrainClassifierResponse(classifier=made)


def test_every_setting_may_come_by_set(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    services = recorded(monkeypatch, trained(store))
    values = ("cycles=2", "initial_weights=random", "steps_per_epoch=7", "l2=0.5")
    said(store, "classifier", "train", "parts", "--name", "x", *(word for v in values for word in ("--set", v)))
    (request,) = services.asked
    assert request.cycles == 2
    assert (request.settings.initial_weights, request.settings.steps_per_epoch) == ("random", 7)
    assert request.settings.l2 == 0.5


def test_training_and_evaluation_say_how_many_images_were_skipped(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded(monkeypatch, trained(store))
    text = said(store, "classifier", "train", "parts", "--name", "x")
    assert "skipped         5: 0.png, 1.png, 2.png, …\n" in text
    made = json.loads(said(store, "classifier", "train", "parts", "--name", "x", "--json"))
    assert [reason for _, reason in made["skipped"]] == ["broken"] * 5

    store.put("models/classifier/x/1/model.json", b"{}")
    store.put("e.json", json.dumps({"skipped": [("a/b.png", "broken")]}).encode())
    recorded(monkeypatch, lambda _: pb.EvaluateClassifierResponse(evaluation_uri=store.uri("e.json")))
    lines = said(store, "classifier", "evaluate", "x", "--dataset", "parts").splitlines()
    assert ["skipped", "1: b.png"] in [line.split(maxsplit=1) for line in lines]
