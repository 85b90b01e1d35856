"""What the line asks of the classifier's service: cycles side by side, which change no hash."""

from typing import Any

import pytest

from defectory.api.classifier.v1 import classifier_pb2
from defectory.storage import open_store
from orchestrator.pipeline.classifier_steps import judge, judge_inputs, train, train_inputs
from orchestrator.pipeline.settings import resolve
from orchestrator.pipeline.step import StepContext

OUTPUTS = {
    "ingest": {"manifest_uri": "memory://m", "content_hash": "0", "counts": {"train": {"good": 9}}, "labels": ["good"]},
    "baseline": {"initial_weights": "random"},
}


class Asked:
    """Services that remember what they were asked."""

    def __init__(self) -> None:
        self.requests: list[classifier_pb2.TrainClassifierRequest] = []

    def operate(self, service: str, call: str, request: Any, report: object) -> classifier_pb2.TrainClassifierResponse:
        self.requests.append(request)
        return classifier_pb2.TrainClassifierResponse()


def context(asked: Asked, at_once: int) -> StepContext:
    settings = resolve({"name": "run", "data": {"directory": "x"}, "classifier": {"at_once": at_once}}, {})
    return StepContext(
        settings=settings, weights="", outputs=OUTPUTS, store=open_store("memory://"), services=asked,
        on_report=lambda *_: None, warn=lambda _: None, step="s", input_hash="0" * 64, forced=0,
    )  # fmt: skip


@pytest.mark.parametrize(("work", "inputs"), [(train("baseline"), train_inputs("baseline")), (judge, judge_inputs)])
def test_cycles_side_by_side_are_asked_for_and_change_no_hash(work, inputs) -> None:
    asked = Asked()
    for at_once in (0, 3):
        work(context(asked, at_once))
    first, second = asked.requests
    assert (first.at_once, second.at_once) == (0, 3)
    assert first.request_id != second.request_id  # a service takes an id for one request only
    assert inputs(context(asked, 0)) == inputs(context(asked, 3))
