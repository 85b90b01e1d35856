"""What a run remembers comes back in its order: one that goes on works as one that never stopped."""

import json
import shutil
from pathlib import Path

import pytest
from pydantic import RootModel

from defectory.storage import open_store
from orchestrator.pipeline.known_inputs import KnownInputs
from orchestrator.pipeline.outputs import EXPLAIN, Explained, Key
from orchestrator.pipeline.run_record import RunRecord, StepRecord, TypedCommand


class ByLabel(RootModel[dict[str, int]]):
    """A number for each label."""


def test_labels_come_back_in_their_order() -> None:
    record = RunRecord(open_store("memory://"), "line")
    done = StepRecord[ByLabel](step="x", input_hash="", started="", finished="", outputs=ByLabel({"good": 1, "bad": 2}))
    record.finish(done)
    again = record.step(Key("x", ByLabel))
    assert again is not None
    assert list(again.outputs.root) == ["good", "bad"]


@pytest.mark.parametrize("before", ["today", "an older version"])
def test_a_moved_store_gives_its_steps_with_its_places_and_their_inputs_are_the_same(
    tmp_path: Path, before: str
) -> None:
    store = open_store(f"file://{tmp_path}/store")
    names = ("explanations_uri", "summary_uri", "sheet_uri")
    outputs = Explained(**{name: store.uri(f"runs/line/explain/{name}") for name in names}, count=3)
    done = StepRecord[Explained](step="explain", input_hash="", started="", finished="", outputs=outputs)
    RunRecord(store, "line").finish(done)
    key = "runs/line/steps/explain.json"
    assert json.loads(store.get(key))["outputs"]["sheet_uri"] == "store:runs/line/explain/sheet_uri"
    if before != "today":
        store.put(key, json.dumps(done.model_dump(mode="json")).encode())
        assert str(tmp_path) in store.get(key).decode()
    shutil.move(tmp_path / "store", tmp_path / "moved")
    moved = open_store(f"file://{tmp_path}/moved", make=False)
    again = RunRecord(moved, "line").step(EXPLAIN)
    assert again is not None
    assert again.outputs.sheet_uri == f"file://{tmp_path}/moved/runs/line/explain/sheet_uri"
    for step, url in ((done, store.url), (again, moved.url)):
        inputs = {"explain": step.outputs.model_dump(mode="json")}
        assert KnownInputs.of("report", inputs, url).by_name["explain.summary_uri"] == "runs/line/explain/summary_uri"


@pytest.mark.parametrize(
    ("typed", "written", "said"),
    [
        (("run", "a", "--store", "file:///srv/runs/line", "--json"), "file:///srv/runs/line",
         ("run", "a", "--json", "--store", "MOVED")),
        (("run", "a"), "file:///srv/runs/line", ("run", "a", "--store", "MOVED")),
        (("run", "a", "--store", "MOVED"), "MOVED", ("run", "a", "--store", "MOVED")),
        (("run", "a"), "MOVED", ("run", "a")),
        (("run", "a", "--store", "./store"), "", ("run", "a", "--store", "MOVED")),  # of a version that left it out
        (("run", "a"), "", ("run", "a")),
    ],
)  # fmt: skip
def test_the_command_that_goes_on_with_a_run_opens_the_store_where_it_lies(
    tmp_path: Path, typed: tuple[str, ...], written: str, said: tuple[str, ...]
) -> None:
    store = open_store(f"file://{tmp_path}/store")

    def here(text: str) -> str:
        return text.replace("MOVED", store.url)

    record = RunRecord(store, "line")
    record.write_command(TypedCommand(arguments=tuple(map(here, typed)), folder="/srv", store=here(written)))
    command = record.command()
    assert command is not None
    assert command.arguments == tuple(map(here, said))
