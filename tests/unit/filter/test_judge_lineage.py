"""A judge is believed as far as its cycles left out what it judges."""

import json

import pytest

from defectory.datasets.manifest import read_manifest
from defectory.storage import open_store
from services.filter.judge_lineage import doubts
from tests.contract.datasets import make_dataset


@pytest.mark.parametrize(
    ("folds", "cycles", "said"),
    [
        (0, 3, "is not cross-fitted, and knows 12 of"),
        (2, 2, None),
        (3, 5, None),
        (3, 1, "has 3 folds and 1 cycles, each of which leaves out 33%: every cycle knows 8 of"),
        (100, 3, "has 100 folds and 3 cycles, each of which leaves out 1%: every cycle knows 12 of"),
    ],
)
def test_every_fold_has_to_be_left_out_once(folds: int, cycles: int, said: str | None) -> None:
    store = open_store("memory://")
    real = make_dataset(store)
    card = {"settings": {"folds": folds}, "cycles": [{}] * cycles, "lineage": {"manifest_uri": real}}
    store.put("models/classifier/judge/1/model.json", json.dumps(card).encode())
    warnings = doubts(store, "judge/1", read_manifest(store, real))
    assert len(warnings) == (said is not None)
    assert said is None or said in warnings[0]
