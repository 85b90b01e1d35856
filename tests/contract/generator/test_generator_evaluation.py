"""Metrics of a generator over a real channel, and when they are refused."""

from typing import Any

import pytest

from defectory.api.generator.v1 import generator_pb2 as pb
from defectory.errors import (
    FailedPrecondition,
    InvalidInput,
    NotFound,
)
from defectory.serving.operations.client import wait_for
from defectory.storage import ObjectStore
from tests.contract.generator.generator_requests import refusal
from tests.contract.running import Service
from tests.patience import PATIENT_S
from tests.unit.generator.generator_samples import write_generator, write_images


def test_metrics_of_a_generator(service: Service, stub: Any, store: ObjectStore) -> None:
    splits = [("defect", "train")] * 12 + [("defect", "validation")] * 12
    request = pb.EvaluateGeneratorRequest(
        request_id="measure", model="tiny", manifest_uri=write_images(store, "measured", splits), count=20
    )
    evaluation = wait_for(service.channel, stub.EvaluateGenerator(request), timeout_s=PATIENT_S)
    assert evaluation.held_out_images == 12
    assert evaluation.metrics["kid_low"] <= evaluation.metrics["kid"] <= evaluation.metrics["kid_high"]
    assert evaluation.metrics["kid"] > 0.1  # an untrained network
    assert evaluation.metrics["precision"] == 0


def test_classes_are_measured_as_often_as_they_come(service: Service, stub: Any, store: ObjectStore) -> None:
    write_generator(store, "kinds", classes=("bent", "cut"))
    splits = [(label, split) for split in ("train", "validation") for label in ["bent"] * 12 + ["cut"] * 2]
    request = pb.EvaluateGeneratorRequest(
        request_id="kinds", model="kinds", manifest_uri=write_images(store, "measured-kinds", splits), count=14
    )
    evaluation = wait_for(service.channel, stub.EvaluateGenerator(request), timeout_s=PATIENT_S)
    assert evaluation.held_out_images == 14
    assert evaluation.metrics["diversity"] <= evaluation.metrics["diversity/bent"]
    assert "diversity/cut" not in evaluation.metrics  # two pictures


def test_metrics_want_held_out_images(service: Service, stub: Any, store: ObjectStore) -> None:
    uri = write_images(store, "few", [("defect", "train")] * 5 + [("defect", "validation")] * 4)
    started = stub.EvaluateGenerator(pb.EvaluateGeneratorRequest(request_id="few", model="tiny", manifest_uri=uri))
    with pytest.raises(FailedPrecondition, match="4 held-out images"):
        wait_for(service.channel, started, timeout_s=PATIENT_S)


def test_fid_is_refused_on_few_images(service: Service, stub: Any, store: ObjectStore) -> None:
    uri = write_images(store, "measured-fid", [("defect", "train")] * 12 + [("defect", "validation")] * 12)
    request = pb.EvaluateGeneratorRequest(request_id="fid", model="tiny", manifest_uri=uri, fid=True)
    with pytest.raises(FailedPrecondition, match="FID on 12 held-out images"):
        wait_for(service.channel, stub.EvaluateGenerator(request), timeout_s=PATIENT_S)


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [({"count": 5}, InvalidInput), ({"truncation_psi": float("nan")}, InvalidInput), ({"model": ""}, InvalidInput),
     ({"truncation_cutoff": -1}, InvalidInput),
     ({"model": "unknown"}, NotFound), ({"manifest_uri": ""}, InvalidInput)],
)  # fmt: skip
def test_evaluations_that_cannot_be_are_refused(stub: Any, manifest: str, wrong: dict[str, Any], kind: type) -> None:
    given = {"request_id": "z", "model": "tiny", "manifest_uri": manifest, **wrong}
    assert isinstance(refusal(stub.EvaluateGenerator, pb.EvaluateGeneratorRequest(**given)), kind)
