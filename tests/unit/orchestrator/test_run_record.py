"""What a run remembers comes back in its order: one that goes on works as one that never stopped."""

from pydantic import RootModel

from defectory.storage import open_store
from orchestrator.pipeline.outputs import Key
from orchestrator.pipeline.run_record import RunRecord, StepRecord


class ByLabel(RootModel[dict[str, int]]):
    """A number for each label."""


def test_labels_come_back_in_their_order() -> None:
    record = RunRecord(open_store("memory://"), "line")
    done = StepRecord[ByLabel](step="x", input_hash="", started="", finished="", outputs=ByLabel({"good": 1, "bad": 2}))
    record.finish(done)
    again = record.step(Key("x", ByLabel))
    assert again is not None
    assert list(again.outputs.root) == ["good", "bad"]
