"""What the line asks of the classifier's service: cycles side by side, which change no hash."""

from typing import Any

import pytest

from defectory.api.classifier.v1 import classifier_pb2
from defectory.errors import FailedPrecondition
from defectory.storage import open_store
from orchestrator.pipeline.arms import DEFAULT_ARMS
from orchestrator.pipeline.classifier_steps import judge, judge_inputs, train, train_inputs
from orchestrator.pipeline.outputs import ArmDataset, Ingested, Outputs, TrainedArm
from orchestrator.pipeline.settings import resolve
from orchestrator.pipeline.step import StepContext

INGESTED = Ingested(
    dataset="run", manifest_uri="memory://m", content_hash="0", images=9, labels=["good"], skipped=[],
    counts={"train": {"good": 9}}, source={}, bits=16,
)  # fmt: skip
EXPANDED = ArmDataset(
    dataset="run.expanded", manifest_uri="memory://n", content_hash="1", counts=INGESTED.counts, synthetic={}
)
BASELINE = TrainedArm(
    name="run.baseline", version="1", weights_sha256="", metrics_uri="", card_uri="", initial_weights="random",
    steps_per_epoch=1,
)  # fmt: skip
FIRST, SECOND = DEFAULT_ARMS


class Asked:
    """Services that remember what they were asked, and say where their base started."""

    def __init__(self, start: str = "") -> None:
        self.requests: list[classifier_pb2.TrainClassifierRequest] = []
        self._start = start

    def operate(self, method: object, request: Any, report: object) -> classifier_pb2.TrainClassifierResponse:
        self.requests.append(request)
        return classifier_pb2.TrainClassifierResponse(classifier=classifier_pb2.Classifier(initial_weights=self._start))


def context(asked: Asked, at_once: int = 0, warn=lambda _: None, **classifier: Any) -> StepContext:  # type: ignore[no-untyped-def]
    given = {"name": "run", "data": {"directory": "x"}, "classifier": {"at_once": at_once, **classifier}}
    outputs = Outputs({"ingest": INGESTED, "baseline": BASELINE, "expanded-dataset": EXPANDED})
    return StepContext(
        settings=resolve(given, {}), weights="", outputs=outputs, store=open_store("memory://"), services=asked,
        on_report=lambda *_: None, warn=warn, step="s", input_hash="0" * 64, forced=0,
    )  # fmt: skip


@pytest.mark.parametrize(("work", "inputs"), [(train(FIRST), train_inputs(FIRST)), (judge, judge_inputs)])
def test_cycles_side_by_side_are_asked_for_and_change_no_hash(work, inputs) -> None:
    asked = Asked()
    for at_once in (0, 3):
        work(context(asked, at_once))
    first, second = asked.requests
    assert (first.at_once, second.at_once) == (0, 3)
    assert first.request_id != second.request_id  # a service takes an id for one request only
    assert inputs(context(asked, 0)) == inputs(context(asked, 3))


def test_a_baseline_that_started_from_the_starter_says_so_and_a_starter_that_was_named_needs_no_warning() -> None:
    warnings: list[str] = []
    trained = train(FIRST)(context(Asked("starter"), warn=warnings.append))
    assert trained.initial_weights == "starter"
    assert ["no ImageNet weights" in text and "starter classifier" in text for text in warnings] == [True]
    warnings.clear()
    trained = train(FIRST)(context(Asked("starter"), warn=warnings.append, initial_weights="starter"))
    assert (trained.initial_weights, warnings) == ("starter", [])


@pytest.mark.parametrize("work", [train(SECOND), judge])
def test_an_arm_or_judge_that_started_otherwise_than_the_baseline_is_no_comparison(work) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(FailedPrecondition, match="started from starter weights, the arm baseline from random"):
        work(context(Asked("starter")))
    work(context(Asked("random")))
