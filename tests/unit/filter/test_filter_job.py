"""The filter's job: who judges."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest

from defectory.api.filter.v1 import filter_pb2 as pb
from defectory.datasets.manifest import read_manifest
from defectory.storage import ObjectStore, open_store
from services.filter import jobs
from services.filter.scores import Scores
from services.filter.verdicts import Score
from tests.contract.datasets import make_dataset


def test_one_version_judges_though_a_newer_one_appears(monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store("memory://")
    real = make_dataset(store)
    store.put("models/classifier/judge/1/model.json", b"{}")
    asked = []

    def score(store: ObjectStore, address: str, model: str, uri: str, report: Callable[..., None]) -> Scores:
        asked.append(model)
        store.put("models/classifier/judge/2/model.json", b"{}")
        even, lines = {"defect": 0.5, "good": 0.5}, read_manifest(store, uri)
        return Scores({x.file.sha256: Score(even, even) for x in lines}, {x.file.sha256: np.ones(2) for x in lines})

    monkeypatch.setattr(jobs, "score_manifest", score)
    monkeypatch.setattr(jobs, "doubts", lambda store, model, real, reading: asked.append(model) or [])
    job = SimpleNamespace(store=store, settings={"classifier_address": ""}, report=lambda *_: None)
    synthetic_uri = make_dataset(store, "made", seed=1)
    request = pb.FilterImagesRequest(
        judge_model="judge", manifest_uri=synthetic_uri, real_manifest_uri=real, dataset="judged"
    )
    jobs.filter_images(request, job)
    assert asked == ["judge/1"] * 3
