"""A generator's card for a person: the sheet as a path first, then how it came to be."""

import json
from pathlib import Path

import pytest

from defectory.storage import open_store
from orchestrator.cli.models import show_model


@pytest.mark.parametrize(("kid", "shown"), [(0.25, "0.25"), (None, "not measured")])
def test_what_a_person_wants_stands_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kid: float | None, shown: str
) -> None:
    store = open_store(f"file://{tmp_path}/store")
    card = {
        "name": "run.good", "version": "1", "label": "good", "kimg": 2.0, "shipped_kimg": 1.0,
        "initial_model": "starter", "shipped_reason": "9 validation images",
        "sample_key": "models/generator/run.good/1/sheet.png",
        "history": [{"kimg": 1.0} | ({} if kid is None else {"kid": kid}), {"kimg": 2.0, "kid": 9.0}],
    }  # fmt: skip
    store.put("models/generator/run.good/1/model.json", json.dumps(card).encode())
    show_model(store, "generator", "run.good/1", as_json=False)
    lines = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["sheet", f"{tmp_path}/store/models/generator/run.good/1/sheet.png"]
    assert ["makes", "good"] in lines
    assert ["images", "shown  2,000"] in lines
    assert ["started", "from  starter"] in lines
    assert ["KID", shown] in lines
    assert ["kept", "because  9 validation images"] in lines
