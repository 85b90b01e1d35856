"""Synthesis and previews over a real channel: seeds, precision, and every bad request."""

import hashlib
from typing import Any

import numpy as np
import pytest

from defectory.api.generator.v1 import generator_pb2 as pb
from defectory.datasets.manifest import read_manifest
from defectory.errors import (
    AlreadyExists,
    DefectoryError,
    InvalidInput,
    NotFound,
)
from defectory.imaging import decode
from defectory.serving.operations.client import wait_for
from defectory.storage import ObjectStore
from tests.contract.generator.generator_requests import refusal
from tests.contract.running import Service
from tests.patience import PATIENT_S
from tests.unit.generator.generator_samples import write_images


def test_seeds_one_by_one_are_the_pictures_of_the_preview(service: Service, stub: Any, store: ObjectStore) -> None:
    request = pb.SynthesizeRequest(
        request_id="chosen", model="tiny", seeds=[7, 3, 4_000_000_000], noise_mode="const", dataset="chosen"
    )
    synthesized = wait_for(service.channel, stub.Synthesize(request), timeout_s=PATIENT_S)
    lines = read_manifest(store, synthesized.manifest_uri)
    assert [line.synthesis.seed for line in lines] == [7, 3, 4_000_000_000]
    shown = stub.Preview(pb.PreviewRequest(model="tiny", seeds=request.seeds)).images
    assert [hashlib.sha256(image).hexdigest() for image in shown] == [line.file.sha256 for line in lines]


def test_precision_is_that_of_each_request(service: Service, stub: Any, store: ObjectStore) -> None:
    request = pb.SynthesizeRequest(
        request_id="halved", model="tiny", seeds=[7, 3], noise_mode="const", dataset="halved", precision="bf16"
    )
    synthesized = wait_for(service.channel, stub.Synthesize(request), timeout_s=PATIENT_S)
    lines = read_manifest(store, synthesized.manifest_uri)
    assert {(line.synthesis.precision, line.synthesis.half_resolutions) for line in lines} == {("bf16", 4)}
    before, half, after = (
        stub.Preview(pb.PreviewRequest(model="tiny", seeds=[7, 3], precision=precision)).images
        for precision in ("fp32", "bf16", "")
    )
    assert [hashlib.sha256(image).hexdigest() for image in half] == [line.file.sha256 for line in lines]
    assert before == after
    assert before != half


def test_a_preview_shows_truncation(stub: Any) -> None:
    request = pb.PreviewRequest(model="tiny/1", seeds=[1, 2], truncation_psi=0.0)
    first, second = stub.Preview(request, timeout=PATIENT_S).images
    assert first == second
    assert np.asarray(decode(first)).shape == (16, 16, 3)


def test_a_dataset_made_otherwise_is_not_overwritten(service: Service, stub: Any, store: ObjectStore) -> None:
    uri = write_images(store, "taken", [("good", "train")])
    before = store.get(store.key(uri))
    request = pb.SynthesizeRequest(request_id="taken", model="tiny", count=2, dataset="taken")
    with pytest.raises(AlreadyExists, match="another name"):
        wait_for(service.channel, stub.Synthesize(request, timeout=PATIENT_S), timeout_s=PATIENT_S)
    assert store.get(store.key(uri)) == before


@pytest.mark.parametrize(
    ("changes", "kind", "field"),
    [
        ({"request_id": ""}, InvalidInput, "request_id"),
        ({"model": ""}, InvalidInput, "model"),
        ({"model": "no/../way"}, NotFound, None),
        ({"model": "nobody"}, NotFound, None),
        ({"count": 0}, InvalidInput, "count"),
        ({"count": 1_000_001}, InvalidInput, "count"),
        ({"first_seed": -1}, InvalidInput, "first_seed"),
        ({"first_seed": 2**32}, InvalidInput, "first_seed"),
        ({"truncation_psi": -0.1}, InvalidInput, "truncation_psi"),
        ({"truncation_psi": float("nan")}, InvalidInput, "truncation_psi"),
        ({"truncation_cutoff": -1}, InvalidInput, "truncation_cutoff"),
        ({"noise_mode": "loud"}, InvalidInput, "noise_mode"),
        ({"dataset": "Not A Name"}, InvalidInput, "dataset"),
        ({"class_label": "scratch"}, InvalidInput, "class_label"),
        ({"restore_size": True}, InvalidInput, "restore_size"),
        ({"precision": "fp8"}, InvalidInput, "precision"),
        ({"precision": "bf16", "half_resolutions": 9}, InvalidInput, "half_resolutions"),
    ],
)
def test_a_bad_synthesis_is_refused(
    stub: Any, changes: dict[str, Any], kind: type[DefectoryError], field: str | None
) -> None:
    request = pb.SynthesizeRequest(**{"request_id": "bad", "model": "tiny", "count": 2, "dataset": "x", **changes})
    error = refusal(stub.Synthesize, request)
    if changes.get("model") == "no/../way":
        assert isinstance(error, NotFound | InvalidInput)
        return
    assert type(error) is kind, error
    assert field is None or field in error.fields


@pytest.mark.parametrize(
    "wrong",
    [
        {"seeds": [1, 1]},
        {"seeds": [2**32]},
        {"seeds": [-1]},
        {"seeds": [1], "count": 2},
        {"seeds": [1], "first_seed": 5},
    ],
)
def test_seeds_that_are_none_are_refused(stub: Any, wrong: dict[str, Any]) -> None:
    error = refusal(stub.Synthesize, pb.SynthesizeRequest(request_id="x", model="tiny", dataset="d", **wrong))
    assert isinstance(error, InvalidInput)
    assert "seeds" in error.fields or "first_seed" in error.fields


@pytest.mark.parametrize(
    ("changes", "kind", "field"),
    [
        ({"seeds": []}, InvalidInput, "seeds"),
        ({"seeds": list(range(65))}, InvalidInput, "seeds"),
        ({"seeds": [-1]}, InvalidInput, "seeds"),
        ({"seeds": [2**32]}, InvalidInput, "seeds"),
        ({"truncation_psi": 3.0}, InvalidInput, "truncation_psi"),
        ({"truncation_cutoff": -1}, InvalidInput, "truncation_cutoff"),
        ({"noise_mode": "loud"}, InvalidInput, "noise_mode"),
        ({"model": ""}, InvalidInput, "model"),
        ({"model": "nobody"}, NotFound, None),
        ({"class_label": "scratch"}, InvalidInput, "class_label"),
        ({"precision": "half"}, InvalidInput, "precision"),
        ({"half_resolutions": -1}, InvalidInput, "half_resolutions"),
    ],
)
def test_a_bad_preview_is_refused(
    stub: Any, changes: dict[str, Any], kind: type[DefectoryError], field: str | None
) -> None:
    error = refusal(stub.Preview, pb.PreviewRequest(**{"model": "tiny", "seeds": [1], **changes}))
    assert type(error) is kind, error
    assert field is None or field in error.fields
