"""Requests for a small training, and what a refused call says."""

from typing import Any

import grpc
import pytest

from defectory.api.generator.v1 import generator_pb2 as pb
from defectory.errors import DefectoryError
from defectory.serving.status import error_from_rpc
from tests.patience import PATIENT_S

SPLITS = [("good", "train")] * 4 + [("bad", "train")] * 3 + [("good", "test"), ("bad", "test")]
SMALL = {
    "channel_base": 256,
    "channel_max": 8,
    "z_dim": 8,
    "w_dim": 8,
    "batch": 4,
    "kimg": 0.032,
    "snapshot_kimg": 0.016,
}


def training(manifest: str, request_id: str, **changes: Any) -> pb.TrainGeneratorRequest:
    given = {"request_id": request_id, "manifest_uri": manifest, "label": "good", "name": "good", "seed": 1, **changes}
    settings = pb.TrainingSettings(**{**SMALL, **given.pop("settings", {})})
    return pb.TrainGeneratorRequest(settings=settings, **given)


def refusal(call: Any, request: Any) -> DefectoryError:
    with pytest.raises(grpc.RpcError) as raised:
        call(request, timeout=PATIENT_S)
    return error_from_rpc(raised.value)
